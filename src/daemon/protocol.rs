//! The control protocol: what is said on the socket, on the connection of a session, and between the
//! daemon and its session processes. Types and their one reading; pure.
//!
//! A message is one frame, which is one JSON object: `{"pinfold":1,"message":…}`. Unknown fields,
//! unknown messages and fields given twice are refused. Requests name a server; nothing in them is a
//! command, an argument, a variable or a policy.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The version of everything said here.
pub const VERSION: u32 = 1;
/// Bytes of one frame.
pub const MAX_FRAME: usize = 64 << 10;
/// Standard input, output and error, with the request that carries them.
pub const STREAMS: usize = 3;
/// Characters of a reason; a frame must hold it, each of them written as up to six bytes.
const MAX_REASON: usize = 8_000;
/// Bytes of the arguments of a call, as JSON writes them into a frame.
const MAX_ARGUMENTS: usize = 48 << 10;

/// What a client asks of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// May this server be served? Answered by [`Answer::Ready`], [`Answer::Unserved`] or
    /// [`Answer::Refused`].
    Run(Wanted),
    /// After [`Answer::Ready`], with exactly three descriptors.
    Streams,
    /// Answered by one [`Answer::Session`] for each session, one [`Answer::Resting`] for each server
    /// that rests, and [`Answer::Complete`].
    Ps,
    /// Answered by [`Answer::Stopped`].
    Stop(Target),
    /// Which calls wait for the user? Answered by one [`Answer::Held`] for each session that has any,
    /// and [`Answer::HeldComplete`].
    Held,
    /// What is a call's argument? Its id is `SERVER@CODE/NUMBER`. Answered by [`Answer::Shown`].
    Show { call: String },
    /// The user's word about a call. Answered by [`Answer::Decided`].
    Decide { call: String, accept: bool },
}

/// A server by its name, and where the client believes the daemon's files to be. That is compared and
/// never followed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    pub server: String,
    pub places: Places,
}

/// The files that a session is made from; absolute paths.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    pub manifest: String,
    pub data: String,
    pub state: String,
}

/// Which sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Target {
    All,
    /// Those of a server, or the one session of this id. No name of a server has an `@`, and every
    /// id has one.
    Named(String),
}

/// What the daemon says to that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Answer {
    /// The three descriptors may come.
    Ready,
    /// Not by this daemon; the server can be served without it.
    Unserved {
        reason: String,
    },
    /// Not at all.
    Refused {
        reason: String,
    },
    Session(Box<SessionRow>),
    /// A server of which no process is kept warm, though some should be.
    Resting(Box<Resting>),
    /// So many were told.
    Complete {
        sessions: usize,
        resting: usize,
        /// Of pinfold.
        version: String,
        /// Whether sessions get control groups.
        delegated: bool,
        /// By what the limits of servers are held, in words.
        limits: String,
    },
    /// The ids of those that were asked to end.
    Stopped {
        sessions: Vec<String>,
    },
    Held {
        /// Its id.
        session: String,
        server: String,
        calls: Vec<HeldCall>,
    },
    /// So many sessions were told, and so many did not answer in time.
    HeldComplete {
        sessions: usize,
        silent: usize,
    },
    /// `None`: no such call waits, or not any more.
    Shown {
        server: String,
        call: Option<Box<ShownCall>>,
    },
    Decided(Decided),
}

/// A call that waits for the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldCall {
    /// Among those of its session; never used twice.
    pub number: u64,
    pub tool: String,
    /// Until it is refused.
    pub left_seconds: u64,
}

/// The same with what it is called with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShownCall {
    pub call: HeldCall,
    /// JSON; of the client, and not safe to show.
    pub arguments: String,
    /// Characters that did not fit behind these. A call that can't be seen whole is not accepted.
    pub missing: usize,
}

/// What became of a call that was decided about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Decided {
    /// It goes to the server.
    Passed,
    Declined,
    /// It was accepted, and does not go to the server all the same. Safe to show.
    Refused {
        reason: String,
    },
    /// No such call waits, or not any more: it was decided about, cancelled or given up.
    Gone,
    /// It is too long to be seen whole, so it can only be declined.
    TooLong,
}

/// A session as `ps` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionRow {
    /// `SERVER@CODE`; no other session, of this daemon or an earlier one, has it.
    pub id: String,
    pub server: String,
    pub stage: Stage,
    /// Seconds since the descriptors came; before that, since the process was started.
    pub age_seconds: u64,
    /// Who asked; nobody yet where it is kept warm.
    pub client: Client,
    /// The process that serves it.
    pub session_pid: u32,
    /// Whether the manifest or the lock is another one than when it began.
    pub outdated: bool,
    /// What the session process says; `None` when it did not answer in time.
    pub status: Option<Status>,
    /// What the kernel has counted; `None` where the session has no control group.
    pub group: Option<GroupRow>,
}

/// Where a session process is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It has a client.
    #[default]
    Serving,
    /// Its server is being started, and no client is there.
    Warming,
    /// Its server runs, and nobody has spoken to it.
    Warm,
    /// It was told to end.
    Ending,
}

/// The control group of a session: its own process, and all that it has started. A number that this
/// kernel doesn't count is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRow {
    /// The controllers by which the server's limits are held.
    pub held: Vec<String>,
    /// Bytes, now and the most at one time.
    pub memory: Option<u64>,
    pub peak_memory: Option<u64>,
    /// Milliseconds of processor time.
    pub processor: Option<u64>,
}

/// Why no process of a server is kept warm now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resting {
    pub server: String,
    /// How often in a row it has failed.
    pub failures: u32,
    /// Until the next attempt; `None` when none is planned.
    pub next_seconds: Option<u64>,
    /// Safe to show.
    pub reason: String,
}

/// The other end of a connection (SO_PEERCRED, unix(7)), and who started it (proc_pid_stat(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Of `pinfold run`.
    pub run_pid: i32,
    /// When that process began, in clock ticks since the start of the machine; 0 when it is not known.
    pub run_began: u64,
    /// Of its parent, which is the MCP client; 0 when it is not known.
    pub pid: i32,
    /// What the parent calls itself, safe to show.
    pub command: String,
}

/// What a session process knows of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    /// `None` before the server runs.
    pub server_pid: Option<i32>,
    /// Tool calls of the client, the denied ones among them.
    pub calls: u64,
    /// Tool calls that did not reach the server.
    pub denied: u64,
    /// Bytes from the server to the network, and back.
    pub egress_sent: u64,
    pub egress_received: u64,
    /// Bytes of memory of the session process and all that it started.
    pub memory: u64,
    /// Milliseconds of processor time of the same.
    pub processor: u64,
    /// Names of the layers that are not in force around the server.
    pub missing: Vec<String>,
}

/// What `run` says on its connection once a session process has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum FromRun {
    /// It was asked to stop by this signal.
    Signal { number: i32 },
}

/// What `run` hears there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ToRun {
    /// From the daemon, again and again while others are started first.
    Waiting,
    /// From the session process, before it reads anything of the client: from here on it is the one
    /// that answers.
    Taken,
    /// From the session process, at the very end.
    Ended { code: u8 },
    /// From the daemon, in place of [`ToRun::Taken`].
    Refused { reason: String },
}

/// What the daemon says to a session process, on the channel between them. The end of the channel
/// means that the daemon is gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// First of all.
    Launch(Launch),
    /// With four descriptors: the client's three, and its connection. To one that is to be kept warm
    /// only after [`Report::Warm`].
    Take { client: Client },
    /// Answered by [`Report::Status`].
    Status,
    /// End, and tell the client why.
    Stop { reason: String },
    /// Answered by [`Report::Held`]. This and the next two are answered in their order.
    Held,
    /// Answered by [`Report::Shown`].
    Show { number: u64 },
    /// Answered by [`Report::Decided`].
    Decide { number: u64, accept: bool },
}

/// What a session process is to serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// The id of the session.
    pub session: String,
    pub server: String,
    /// The folder of its control group, where it has one.
    pub group: Option<String>,
    /// Whether the server is to be started before there is a client.
    pub warm: bool,
}

/// What a session process says to the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Report {
    /// The server runs, or it was refused: the work of starting is over.
    Started,
    /// The server runs, and waits for [`Order::Take`]. What it was started from, as one text.
    Warm {
        fingerprint: String,
    },
    /// It was to be kept warm, and could not be started or has ended.
    Failed {
        reason: String,
    },
    Status(Status),
    Held {
        calls: Vec<HeldCall>,
    },
    Shown {
        call: Option<Box<ShownCall>>,
    },
    Decided(Decided),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope<Message> {
    pinfold: u32,
    message: Message,
}

/// Why a frame is none of ours.
#[derive(Debug, thiserror::Error)]
pub enum ProtocolError {
    #[error(
        "the control protocol has version {VERSION} here, and {0} was spoken: `pinfold run` and `pinfold daemon` are of different versions of pinfold; `systemctl --user restart pinfold` starts the present one"
    )]
    Version(u64),
    #[error("the message is not one of the control protocol: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("a message of more than {MAX_FRAME} bytes")]
    TooLong,
}

/// The frame of a message.
///
/// # Errors
/// When it would be longer than [`MAX_FRAME`].
pub fn write<Message: Serialize>(message: &Message) -> Result<Vec<u8>, ProtocolError> {
    let frame = serde_json::to_vec(&Envelope {
        pinfold: VERSION,
        message,
    })?;
    if frame.len() > MAX_FRAME {
        return Err(ProtocolError::TooLong);
    }
    Ok(frame)
}

/// The message of a frame.
///
/// # Errors
/// Another version, or anything but exactly one message.
pub fn read<Message: DeserializeOwned>(frame: &[u8]) -> Result<Message, ProtocolError> {
    /// Of another version nothing else is known.
    #[derive(Deserialize)]
    struct Versioned {
        pinfold: u64,
    }
    if frame.len() > MAX_FRAME {
        return Err(ProtocolError::TooLong);
    }
    let Versioned { pinfold } = serde_json::from_slice(frame)?;
    if pinfold != u64::from(VERSION) {
        return Err(ProtocolError::Version(pinfold));
    }
    Ok(serde_json::from_slice::<Envelope<Message>>(frame)?.message)
}

/// As much of a call's arguments as fits into a frame.
pub fn shown(call: HeldCall, arguments: &str) -> ShownCall {
    let mut bytes = 0;
    let fits = arguments.char_indices().find(|(_, letter)| {
        // As JSON writes it.
        bytes += match letter {
            '"' | '\\' => 2,
            letter if letter.is_control() => 6,
            letter => letter.len_utf8(),
        };
        bytes > MAX_ARGUMENTS
    });
    let end = fits.map_or(arguments.len(), |(place, _)| place);
    ShownCall {
        call,
        arguments: arguments[..end].to_owned(),
        missing: arguments[end..].chars().count(),
    }
}

/// A reason that fits into a frame.
pub fn reason(text: &str) -> String {
    text.chars().take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Request {
        let place = |name: &str| format!("/home/ada/{name}");
        Request::Run(Wanted {
            server: "everything".to_owned(),
            places: Places {
                manifest: place("pinfold.toml"),
                data: place("data"),
                state: place("state"),
            },
        })
    }

    #[test]
    fn what_is_written_is_read() {
        for request in [
            wanted(),
            Request::Streams,
            Request::Ps,
            Request::Stop(Target::All),
            Request::Held,
            Request::Show {
                call: "a@k7q2x9m/1".to_owned(),
            },
            Request::Decide {
                call: "a@k7q2x9m/1".to_owned(),
                accept: true,
            },
            Request::Stop(Target::Named("a@k7q2x9m".to_owned())),
        ] {
            let frame = write(&request).unwrap();
            assert!(frame.starts_with(br#"{"pinfold":1,"#));
            assert_eq!(read::<Request>(&frame).unwrap(), request);
        }
    }

    #[test]
    fn anything_more_less_or_else_is_refused() {
        let whole = String::from_utf8(write(&wanted()).unwrap()).unwrap();
        for (from, to) in [
            (r#""server":"#, r#""command":"sh","server":"#),
            (r#""server":"#, r#""env":{},"server":"#),
            (r#""server":"everything","#, ""),
            (
                r#""server":"everything""#,
                r#""server":"everything","server":"other""#,
            ),
            (r#""server":"everything""#, r#""server":["everything"]"#),
            (r#""data":"#, r#""policy":"","data":"#),
            (r#""message":"#, r#""more":1,"message":"#),
            (r#"{"pinfold":1,"#, r#"{"pinfold":1,"pinfold":1,"#),
            (r#""pinfold":1,"#, ""),
            (r#""pinfold":1"#, r#""pinfold":"1""#),
            (r#""pinfold":1"#, r#""pinfold":1.5"#),
            (r#"{"run":"#, r#"{"execute":"#),
            ("}}}}", "}}}} {}"),
            ("}}}}", "}}}"),
        ] {
            let broken = whole.replacen(from, to, 1);
            assert_ne!(broken, whole, "{from}");
            let refused = read::<Request>(broken.as_bytes());
            assert!(
                matches!(refused, Err(ProtocolError::Malformed(_))),
                "{broken}"
            );
        }
        // The control.
        assert!(read::<Request>(whole.as_bytes()).is_ok());
    }

    #[test]
    fn another_version_is_told_apart_whatever_else_it_says() {
        for text in [
            r#"{"pinfold":2,"new":true}"#,
            r#"{"pinfold":0,"message":"ps"}"#,
        ] {
            assert!(matches!(
                read::<Request>(text.as_bytes()),
                Err(ProtocolError::Version(_))
            ));
        }
    }

    #[test]
    fn a_long_frame_is_refused_and_a_long_reason_fits() {
        let mut frame = write(&Request::Ps).unwrap();
        frame.resize(MAX_FRAME, b' ');
        assert!(read::<Request>(&frame).is_ok());
        frame.push(b' ');
        assert!(matches!(
            read::<Request>(&frame),
            Err(ProtocolError::TooLong)
        ));
        for letter in ["\u{1}", "x", "\u{1f642}"] {
            let reason = reason(&letter.repeat(100_000));
            assert!(write(&Answer::Refused { reason }).is_ok());
        }
    }
    #[test]
    fn arguments_are_cut_where_a_frame_ends_and_say_so() {
        let call = || HeldCall {
            number: u64::MAX,
            tool: "t".repeat(128),
            left_seconds: 60,
        };
        for letter in ["\u{1}", "\"", "x", "\u{1f642}", "\u{7f}", "ß"] {
            let long = letter.repeat(70_000);
            let cut = shown(call(), &long);
            assert!(cut.missing > 0, "{letter:?}");
            assert_eq!(cut.arguments.chars().count() + cut.missing, 70_000);
            write(&Report::Shown {
                call: Some(Box::new(cut.clone())),
            })
            .unwrap();
            let answer = Answer::Shown {
                server: "s".repeat(128),
                call: Some(Box::new(cut)),
            };
            write(&answer).unwrap();
        }
        // The control.
        let whole = shown(call(), &"x".repeat(MAX_ARGUMENTS));
        assert_eq!((whole.missing, whole.arguments.len()), (0, MAX_ARGUMENTS));
        // So many wait at most in one session.
        let calls = vec![call(); 32];
        write(&Report::Held { calls }).unwrap();
    }
}
