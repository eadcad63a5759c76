//! The pump between two in-memory peers: order, backpressure, ends.

use std::cell::RefCell;
use std::collections::BTreeSet;

use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, ReadHalf,
    WriteHalf, duplex, split,
};

use super::*;
use crate::relay::grants::Grants;
use crate::relay::session::SessionPolicy;

/// Our ends of the four streams.
struct Peers {
    client_out: WriteHalf<DuplexStream>,
    client_in: BufReader<ReadHalf<DuplexStream>>,
    server_out: WriteHalf<DuplexStream>,
    server_in: BufReader<ReadHalf<DuplexStream>>,
}

type Half = (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>);

fn session() -> Session {
    let allow = BTreeSet::from(["echo".parse().unwrap()]);
    Session::new(SessionPolicy {
        allow,
        pins: None,
        calls: crate::relay::CallRules::default(),
        redaction: crate::relay::Redaction::default(),
        neutralise: false,
        grants: Grants::default(),
        granted_paths: Vec::new(),
        max_line: 1 << 20,
        passed_calls: std::sync::Arc::default(),
    })
}

/// Four pipes of `capacity` bytes: the peers' ends, and the relay's (client, server).
fn pipes(capacity: usize) -> (Peers, Half, Half) {
    // One duplex per direction, so that each direction can be closed by itself.
    let (client_far_in, client_near_out) = duplex(capacity);
    let (client_far_out, client_near_in) = duplex(capacity);
    let (server_far_in, server_near_out) = duplex(capacity);
    let (server_far_out, server_near_in) = duplex(capacity);
    let peers = Peers {
        client_out: split(client_far_out).1,
        client_in: BufReader::new(split(client_far_in).0),
        server_out: split(server_far_out).1,
        server_in: BufReader::new(split(server_far_in).0),
    };
    let client = (split(client_near_in).0, split(client_near_out).1);
    let server = (split(server_near_in).0, split(server_near_out).1);
    (peers, client, server)
}

fn request(id: usize, method: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}\n")
}

fn result(id: usize) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":{{}}}}\n")
}

async fn line(reader: &mut BufReader<ReadHalf<DuplexStream>>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).await.unwrap();
    line
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(2)
}

/// A question that nobody answers is taken back, although no line comes to wake the relay.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_the_user_has_its_time() {
    let (mut peers, client, server) = pipes(4096);
    let echo: crate::lockfile::ToolName = "echo".parse().unwrap();
    let place = "the manifest".to_owned();
    let ruled = crate::relay::Ruled { what: (), place };
    let mut policy = SessionPolicy::locked([echo.clone()].into(), crate::relay::Pins::default());
    policy.pins = None;
    policy.calls.ask = [(echo, ruled)].into();
    let mut pump = Pump::new(
        client.0,
        client.1,
        server.1,
        server.0,
        Session::new(policy),
        |_: &Event| {},
    );
    let talk = async {
        let lines = [
            r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"capabilities":{"elicitation":{}}}}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#,
        ];
        for text in lines {
            let text = format!("{text}\n");
            peers.client_out.write_all(text.as_bytes()).await.unwrap();
        }
        assert!(line(&mut peers.server_in).await.contains("initialize"));
        assert!(
            line(&mut peers.client_in)
                .await
                .contains("elicitation/create")
        );
        let begin = Instant::now();
        assert!(
            line(&mut peers.client_in)
                .await
                .contains("notifications/cancelled")
        );
        assert_eq!(begin.elapsed().as_secs(), 60);
        let refused = line(&mut peers.client_in).await;
        assert!(refused.contains("did not answer within 60 s"), "{refused}");
        peers.client_out.shutdown().await.unwrap();
        // The server has not seen the call.
        let ping = request(2, "ping");
        peers.server_out.write_all(ping.as_bytes()).await.unwrap();
    };
    let (end, ()) = tokio::join!(pump.run_until_client_closes(), talk);
    assert!(matches!(end, End::ClientClosed), "{end:?}");
    drop(pump);
    assert_eq!(line(&mut peers.server_in).await, "");
}

/// The session is told the time: a server that announces changes and never shows them has 10 s.
#[tokio::test(start_paused = true)]
async fn the_relays_own_question_is_sent_and_has_its_time() {
    let (mut peers, client, server) = pipes(4096);
    let echo: crate::lockfile::ToolName = "echo".parse().unwrap();
    let pins = crate::relay::Pins {
        tools: [(echo.clone(), crate::lockfile::Digest::of(b""))].into(),
        ..Default::default()
    };
    let session = Session::new(SessionPolicy::locked([echo].into(), pins));
    let mut pump = Pump::new(
        client.0,
        client.1,
        server.1,
        server.0,
        session,
        |_: &Event| {},
    );
    let call =
        "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"echo\"}}\n";
    let talk = async {
        let initialized = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
        peers
            .client_out
            .write_all(initialized.as_bytes())
            .await
            .unwrap();
        assert_eq!(line(&mut peers.server_in).await, initialized);
        let changed = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n";
        peers
            .server_out
            .write_all(changed.as_bytes())
            .await
            .unwrap();
        assert_eq!(line(&mut peers.client_in).await, changed);
        assert!(line(&mut peers.server_in).await.contains("\"tools/list\""));
        tokio::time::sleep(Duration::from_secs(9)).await;
        peers.client_out.write_all(call.as_bytes()).await.unwrap();
        assert_eq!(line(&mut peers.server_in).await, call);
        peers
            .server_out
            .write_all(result(1).as_bytes())
            .await
            .unwrap();
        assert_eq!(line(&mut peers.client_in).await, result(1));
        tokio::time::sleep(Duration::from_secs(2)).await;
        peers.client_out.write_all(call.as_bytes()).await.unwrap();
        assert!(
            line(&mut peers.client_in)
                .await
                .contains("\"isError\":true")
        );
        drop(peers.client_out);
    };
    let (end, ()) = tokio::join!(pump.run_until_client_closes(), talk);
    assert!(matches!(end, End::ClientClosed), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn lines_go_both_ways_and_answers_arrive_after_the_client_closed() {
    let (mut peers, client, server) = pipes(4096);
    let events = RefCell::new(Vec::new());
    let note = |event: &Event| events.borrow_mut().push(event.clone());
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), note);

    let relay = async {
        let first = pump.run_until_client_closes().await;
        assert!(matches!(first, End::ClientClosed), "{first:?}");
        pump.drain(soon()).await
    };
    let peers = async {
        let both = request(1, "ping") + &request(2, "tasks/list") + &request(3, "ping") + "{\"cut";
        peers.client_out.write_all(both.as_bytes()).await.unwrap();
        assert!(
            line(&mut peers.client_in)
                .await
                .contains("Method not found: tasks/list")
        );
        drop(peers.client_out);
        assert_eq!(line(&mut peers.server_in).await, request(1, "ping"));
        assert_eq!(line(&mut peers.server_in).await, request(3, "ping"));
        // The server sees the end of its input, and answers after that.
        assert_eq!(line(&mut peers.server_in).await, "");
        let late = result(3) + &result(1) + "{\"cut";
        peers.server_out.write_all(late.as_bytes()).await.unwrap();
        drop(peers.server_out);
        assert_eq!(line(&mut peers.client_in).await, result(3));
        assert_eq!(line(&mut peers.client_in).await, result(1));
    };
    let (end, ()) = tokio::join!(relay, peers);
    assert!(matches!(end, End::ServerClosed), "{end:?}");
    let events = events.into_inner();
    assert_eq!(events.len(), 3);
    assert_eq!(
        events[1],
        Event::IncompleteLine {
            direction: Direction::FromClient,
            length: 5
        }
    );
    assert_eq!(
        events[2],
        Event::IncompleteLine {
            direction: Direction::FromServer,
            length: 5
        }
    );
}

#[tokio::test(start_paused = true)]
async fn many_lines_through_small_pipes_keep_their_order() {
    const COUNT: usize = 3000;
    for capacity in [16, 700, 100_000] {
        let (mut peers, client, server) = pipes(capacity);
        let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
        let relay = async {
            pump.run_until_client_closes().await;
            pump.drain(Instant::now() + Duration::from_secs(3600)).await
        };
        let send = async {
            for id in 0..COUNT {
                peers
                    .client_out
                    .write_all(request(id, "ping").as_bytes())
                    .await
                    .unwrap();
            }
            drop(peers.client_out);
        };
        let answer = async {
            for id in 0..COUNT {
                assert_eq!(line(&mut peers.server_in).await, request(id, "ping"));
                peers
                    .server_out
                    .write_all(result(id).as_bytes())
                    .await
                    .unwrap();
            }
            drop(peers.server_out);
        };
        let receive = async {
            for id in 0..COUNT {
                assert_eq!(line(&mut peers.client_in).await, result(id));
            }
        };
        let (end, ..) = tokio::join!(relay, send, answer, receive);
        assert!(matches!(end, End::ServerClosed), "{end:?}");
    }
}

/// A server that asks without reading the refusals, towards a client that does not read:
/// the relay goes on reading from the client, and its memory stays bounded.
#[tokio::test(start_paused = true)]
async fn sides_that_do_not_read_do_not_block_the_relay() {
    let (mut peers, client, server) = pipes(1024);
    let dropped = RefCell::new(0);
    let note = |event: &Event| {
        if *event == Event::ReplyToServerDropped {
            *dropped.borrow_mut() += 1;
        }
    };
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), note);
    {
        let asking = async {
            for id in 0..100_000 {
                peers
                    .server_out
                    .write_all(request(id, "roots/list").as_bytes())
                    .await
                    .unwrap();
            }
        };
        tokio::select! {
            end = pump.run_until_client_closes() => panic!("{end:?}"),
            () = asking => {}
        }
    }
    assert!(*dropped.borrow() > 0);
    assert!(pump.to_server.as_ref().unwrap().waiting() <= HARD_LIMIT + 1024);

    // The server reads at last; what the client says still gets there.
    let relay = pump.run_until_client_closes();
    let talk = async {
        peers
            .client_out
            .write_all(request(5, "ping").as_bytes())
            .await
            .unwrap();
        loop {
            let line = line(&mut peers.server_in).await;
            if line == request(5, "ping") {
                break;
            }
            assert!(line.contains("-32601"), "{line}");
        }
    };
    tokio::select! {
        end = relay => panic!("{end:?}"),
        () = talk => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_slows_the_server_and_not_itself() {
    let (mut peers, client, server) = pipes(1024);
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{}}\n";
    let flood = async {
        loop {
            peers.server_out.write_all(note.as_bytes()).await.unwrap();
        }
    };
    let talk = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        peers
            .client_out
            .write_all(request(5, "ping").as_bytes())
            .await
            .unwrap();
        assert_eq!(line(&mut peers.server_in).await, request(5, "ping"));
    };
    tokio::select! {
        end = pump.run_until_client_closes() => panic!("{end:?}"),
        () = flood => {}
        () = talk => {}
    }
    assert!(pump.to_client.waiting() <= HIGH_WATER + note.len());
}

#[tokio::test(start_paused = true)]
async fn what_a_dying_server_wrote_reaches_the_client() {
    let (mut peers, client, server) = pipes(100_000);
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
    let relay = async {
        let end = pump.run_until_client_closes().await;
        assert!(matches!(end, End::ServerClosed), "{end:?}");
        pump.answer_outstanding("the server ended", soon()).await
    };
    let talk = async {
        for id in [1, 2] {
            peers
                .client_out
                .write_all(request(id, "ping").as_bytes())
                .await
                .unwrap();
            line(&mut peers.server_in).await;
        }
        peers
            .server_out
            .write_all(result(1).as_bytes())
            .await
            .unwrap();
        drop((peers.server_out, peers.server_in));
        assert_eq!(line(&mut peers.client_in).await, result(1));
        let last = line(&mut peers.client_in).await;
        assert!(
            last.contains("\"id\":2") && last.contains("the server ended"),
            "{last}"
        );
    };
    let (end, ()) = tokio::join!(relay, talk);
    assert!(matches!(end, End::ServerClosed), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_closed_its_input_has_a_second_left() {
    let (mut peers, client, server) = pipes(1024);
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
    drop(peers.server_in);
    let start = Instant::now();
    let talk = async {
        peers
            .client_out
            .write_all(request(1, "ping").as_bytes())
            .await
            .unwrap();
        let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n";
        peers.server_out.write_all(note.as_bytes()).await.unwrap();
        assert_eq!(line(&mut peers.client_in).await, note);
    };
    let (end, ()) = tokio::join!(pump.run_until_client_closes(), talk);
    assert!(matches!(end, End::ServerClosed), "{end:?}");
    assert_eq!(start.elapsed(), LAST_WORDS);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_gone_ends_the_session() {
    let (mut peers, client, server) = pipes(1024);
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
    drop(peers.client_in);
    let note = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n";
    peers.server_out.write_all(note.as_bytes()).await.unwrap();
    let end = pump.run_until_client_closes().await;
    assert!(matches!(end, End::ClientGone(_)), "{end:?}");
}

#[tokio::test(start_paused = true)]
async fn draining_ends_at_the_deadline() {
    let (mut peers, client, server) = pipes(64);
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
    let mut line = request(1, "ping");
    line.insert_str(1, &format!("\"x\":\"{}\",", "x".repeat(5000)));
    let send = async {
        peers.client_out.write_all(line.as_bytes()).await.unwrap();
        drop(peers.client_out);
    };
    let (end, ()) = tokio::join!(pump.run_until_client_closes(), send);
    assert!(matches!(end, End::ClientClosed), "{end:?}");
    // The server neither reads nor closes.
    let start = Instant::now();
    let end = pump
        .drain(Instant::now() + Duration::from_millis(1500))
        .await;
    assert!(matches!(end, End::DeadlinePassed), "{end:?}");
    assert_eq!(start.elapsed().as_millis() / 10, 150);
    // It reads after all: the line is whole.
    drop(pump);
    let mut rest = Vec::new();
    peers.server_in.read_to_end(&mut rest).await.unwrap();
    assert!(line.as_bytes().starts_with(&rest));
}

#[tokio::test(start_paused = true)]
async fn over_long_lines_are_answered_on_both_sides() {
    let (mut peers, client, server) = pipes(1 << 16);
    let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| ());
    let long = "x".repeat(2 << 20);
    let talk = async {
        peers
            .client_out
            .write_all(request(7, "ping").as_bytes())
            .await
            .unwrap();
        line(&mut peers.server_in).await;
        let answer = format!("{{\"result\":{{\"x\":\"{long}\"}},\"jsonrpc\":\"2.0\",\"id\":7}}\n");
        peers.server_out.write_all(answer.as_bytes()).await.unwrap();
        let refused = line(&mut peers.client_in).await;
        assert!(
            refused.contains("\"id\":7") && refused.contains("-31002"),
            "{refused}"
        );

        peers
            .client_out
            .write_all(format!("{{\"x\":\"{long}\"}}\n").as_bytes())
            .await
            .unwrap();
        let refused = line(&mut peers.client_in).await;
        assert!(
            refused.contains("-32600") && !refused.contains("\"id\""),
            "{refused}"
        );
    };
    tokio::select! {
        end = pump.run_until_client_closes() => panic!("{end:?}"),
        () = talk => {}
    }
}

/// A decision from outside reaches a relay that waits for lines, and the call goes to the server once.
#[tokio::test(start_paused = true)]
async fn a_decision_from_outside_wakes_it() {
    let (mut peers, client, server) = pipes(4096);
    let echo: crate::lockfile::ToolName = "echo".parse().unwrap();
    let place = "the manifest".to_owned();
    let ruled = crate::relay::Ruled { what: (), place };
    let mut policy = SessionPolicy::locked([echo.clone()].into(), crate::relay::Pins::default());
    policy.pins = None;
    policy.calls.ask = [(echo, ruled)].into();
    let (inquire, inquiries) = mpsc::channel(1);
    let mut pump = Pump::new(
        client.0,
        client.1,
        server.1,
        server.0,
        Session::new(policy).with_decider(),
        |_: &Event| {},
    )
    .with_inquiries(Some(inquiries));
    let talk = async {
        let call = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
        let text = format!("{call}\n");
        peers.client_out.write_all(text.as_bytes()).await.unwrap();
        let number = loop {
            let (answer, answered) = oneshot::channel();
            inquire.send(Inquiry::List(answer)).await.unwrap();
            if let [call] = &answered.await.unwrap()[..] {
                break call.number;
            }
            tokio::task::yield_now().await;
        };
        let decide = async || {
            let (answer, answered) = oneshot::channel();
            let decide = Inquiry::Decide {
                number,
                accepted: true,
                answer,
            };
            inquire.send(decide).await.unwrap();
            answered.await.unwrap()
        };
        assert!(decide().await.unwrap().passed);
        assert_eq!(decide().await, None);
        assert_eq!(line(&mut peers.server_in).await, text);
        // One who has stopped waiting decides nothing.
        let text = text.replace("\"id\":1", "\"id\":2");
        peers.client_out.write_all(text.as_bytes()).await.unwrap();
        let (answer, answered) = oneshot::channel();
        drop(answered);
        let late = Inquiry::Decide {
            number: number + 1,
            accepted: true,
            answer,
        };
        inquire.send(late).await.unwrap();
        // Nobody is left to ask, and the rest goes on.
        drop(inquire);
        let refused = line(&mut peers.client_in).await;
        assert!(refused.contains("did not answer within 60 s"), "{refused}");
        peers.client_out.shutdown().await.unwrap();
    };
    let (end, ()) = tokio::join!(pump.run_until_client_closes(), talk);
    assert!(matches!(end, End::ClientClosed), "{end:?}");
    drop(pump);
    assert_eq!(line(&mut peers.server_in).await, "");
}

/// What was said before a session is ended is answered, though it was never looked at, and the server
/// gets nothing of it.
#[tokio::test(start_paused = true)]
async fn what_the_client_had_said_is_answered_at_an_early_end() {
    for hears in [true, false] {
        let (mut peers, client, server) = pipes(4096);
        let mut pump = Pump::new(client.0, client.1, server.1, server.0, session(), |_| {});
        let said = request(1, "initialize");
        peers.client_out.write_all(said.as_bytes()).await.unwrap();
        if hears {
            pump.hear_client_out(Duration::from_millis(100)).await;
        }
        pump.answer_outstanding("over", soon()).await;
        drop(pump);
        let mut told = String::new();
        peers.client_in.read_to_string(&mut told).await.unwrap();
        assert_eq!(told.contains("over"), hears, "{told}");
        let mut passed = String::new();
        peers.server_in.read_to_string(&mut passed).await.unwrap();
        assert_eq!(passed, "");
    }
}
