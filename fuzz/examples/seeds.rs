//! Writes the first inputs of every target into `fuzz/corpus/`: the hostile lines of
//! `tests/hostile_lines/`, alone and in the state that they need, and a few choices.

use std::fs;
use std::path::{Path, PathBuf};

#[path = "../../tests/relay_model/mod.rs"]
mod relay_model;

use relay_model::choices::bytes_of_seed;
use relay_model::corpus::read;
use relay_model::{From, Sent};

/// A message of each kind of the control protocol.
const CONTROL: [&str; 13] = [
    r#"{"run":{"server":"a","places":{"manifest":"/m","data":"/d","state":"/s"}}}"#,
    r#""streams""#,
    r#""ps""#,
    r#"{"stop":"all"}"#,
    r#"{"stop":{"named":"a@1"}}"#,
    r#""ready""#,
    r#"{"refused":{"reason":"no"}}"#,
    r#"{"session":{"id":"a@1","server":"a","age_seconds":1,"client":{"run_pid":1,"pid":2,"command":"c"},"session_pid":3,"outdated":false,"status":{"server_pid":4,"calls":1,"denied":0,"egress_sent":0,"egress_received":0,"memory":1}}}"#,
    r#"{"complete":{"sessions":1}}"#,
    r#"{"signal":{"number":15}}"#,
    r#"{"ended":{"code":0}}"#,
    r#"{"launch":{"session":"a@1","server":"a"}}"#,
    r#"{"status":{"server_pid":4,"calls":1,"denied":0,"egress_sent":0,"egress_received":0,"memory":1}}"#,
];

fn main() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = project.join("corpus");
    let [framing, message, session, conversation, control] =
        ["framing", "message", "session", "conversation", "control"].map(|target| {
            let folder = corpus.join(target);
            fs::create_dir_all(&folder).unwrap();
            folder
        });
    for (number, hostile) in read(&project.join("../tests/hostile_lines"))
        .iter()
        .enumerate()
    {
        let line = &hostile.sent.line;
        write(&message, number, line);
        // No sizes of pieces, then two lines.
        write(
            &framing,
            number,
            &[b"\0", line.as_slice(), b"\n", line, b"\n"].concat(),
        );
        for (index, era) in hostile.eras.iter().enumerate() {
            let mut said = hostile.before(*era);
            said.push(hostile.sent.clone());
            write(&session, number * 2 + index, &as_input(&said));
        }
    }
    for (number, message) in CONTROL.iter().enumerate() {
        let frame = format!(r#"{{"pinfold":1,"message":{message}}}"#);
        write(&control, number, frame.as_bytes());
    }
    for seed in 0..200 {
        let number = usize::try_from(seed).unwrap();
        write(&conversation, number, &bytes_of_seed(seed, 40 + 5 * number));
    }
}

/// The lines as the target `session` reads them.
fn as_input(said: &[Sent]) -> Vec<u8> {
    let mut input = Vec::new();
    for sent in said {
        input.push(if sent.from == From::Server {
            b'>'
        } else {
            b'<'
        });
        input.extend_from_slice(&sent.line);
        input.push(b'\n');
    }
    input
}

fn write(folder: &Path, number: usize, input: &[u8]) {
    let path: PathBuf = folder.join(format!("seed-{number}"));
    fs::write(path, input).unwrap();
}
