//! What `explain --why` can be asked, read from one text. Pure but for the question whether this
//! machine has a system call.

use std::path::{Component, Path, PathBuf};

use crate::cli::exit::UsageError;
use crate::config::{EgressHost, EgressRule};
use crate::sandbox::{Architecture, FileUse};

/// What is asked of a server's rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// An absolute path; `..` is left where it is meant for the kernel.
    File {
        wanted: FileUse,
        path: PathBuf,
    },
    /// A program by its name alone.
    Program(String),
    /// One host: no pattern and no network.
    Connect(EgressRule),
    /// A UNIX socket.
    Socket(PathBuf),
    Tool(String),
    Resource(String),
    Prompt(String),
    Method(String),
    Variable(String),
    SystemCall(String),
    Run,
}

/// Where relative paths and `~` start.
#[derive(Clone, Copy)]
pub(super) struct Places<'p> {
    pub(super) current: &'p Path,
    pub(super) home: Option<&'p Path>,
}

/// For the help and the man page.
pub(in crate::cli) fn help() -> String {
    format!(
        "Questions for --why:\n{FORMS}\n\n\
         Each answer begins with yes, no, or ask: you are asked each time. Exit codes: 0 when no \
         answer is no, 1 when one is, 2 when a question can't be understood.\n\n\
         With --json the answers are in `why`, in order, each with question, answer, about, reason, \
         from (part; of a manifest key, line and column), change (null, or lines and then; a line \
         has table, header, text, and in replaces the first and last line that it takes the place \
         of, or null), refused, warnings, notes."
    )
}

const FORMS: &str = "  read PATH, write PATH, execute PATH-OR-NAME
  connect HOST:PORT, ADDRESS:PORT or URL; connect PATH (a UNIX socket)
  tool NAME, resource URI, prompt NAME, method NAME (for example sampling/createMessage)
  env NAME, syscall NAME, run";

impl Question {
    /// # Errors
    /// When it can't be understood; the error lists what can.
    pub(super) fn parse(text: &str, places: Places<'_>) -> Result<Self, UsageError> {
        let refused = |reason: String| {
            UsageError(format!(
                "can't understand --why {text:?}: {reason}; it can be one of\n{FORMS}"
            ))
        };
        let text = text.trim();
        let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let rest = rest.trim();
        if word == "run" && rest.is_empty() {
            return Ok(Self::Run);
        }
        let known = [
            "read", "write", "execute", "connect", "tool", "resource", "prompt", "method", "env",
            "syscall",
        ];
        if !known.contains(&word) {
            return Err(refused(format!("`{word}` is no question that it knows")));
        }
        if rest.is_empty() {
            return Err(refused(format!("`{word}` of what?")));
        }
        let own = || rest.to_owned();
        let file = |wanted| {
            let path = absolute(rest, places).map_err(refused)?;
            Ok(Self::File { wanted, path })
        };
        match word {
            "read" => file(FileUse::Read),
            "write" => file(FileUse::Write),
            "execute" if !rest.contains('/') => Ok(Self::Program(own())),
            "execute" => file(FileUse::Execute),
            "connect" if rest.starts_with('/') || rest.starts_with("~/") => {
                Ok(Self::Socket(absolute(rest, places).map_err(refused)?))
            }
            "connect" => host(rest).map(Self::Connect).map_err(refused),
            "tool" => Ok(Self::Tool(own())),
            "resource" => Ok(Self::Resource(own())),
            "prompt" => Ok(Self::Prompt(own())),
            "method" => Ok(Self::Method(own())),
            "env" => Ok(Self::Variable(own())),
            _ if (Architecture::HERE.number)(rest).is_none() => {
                Err(refused(format!("this machine has no system call `{rest}`")))
            }
            _ => Ok(Self::SystemCall(own())),
        }
    }
}

/// As the shell of whoever asks means it.
fn absolute(text: &str, places: Places<'_>) -> Result<PathBuf, String> {
    let home = || places.home.ok_or("there is no home directory for `~`");
    let path = match text.strip_prefix('~') {
        Some("") => home()?.to_owned(),
        Some(below) if below.starts_with('/') => home()?.join(below.trim_start_matches('/')),
        Some(_) => return Err("only your own home can be written as `~`".to_owned()),
        None if text.starts_with('/') => PathBuf::from(text),
        None => below_current(text, places.current),
    };
    let path: PathBuf = path.components().collect();
    for magic in ["exe", "cwd", "root", "fd"] {
        if path.starts_with(Path::new("/proc/self").join(magic)) {
            return Err(
                "that is a link of the kernel's own; ask about what it leads to".to_owned(),
            );
        }
    }
    Ok(path)
}

/// A current folder has no links in it, so going up from there is leaving names away.
fn below_current(text: &str, current: &Path) -> PathBuf {
    let mut path = current.to_owned();
    let mut left = Path::new(text).components().peekable();
    while left
        .next_if(|part| matches!(part, Component::ParentDir | Component::CurDir))
        .is_some_and(|part| part == Component::CurDir || path.pop() || path.as_os_str() == "/")
    {
    }
    path.extend(left);
    path
}

fn host(text: &str) -> Result<EgressRule, String> {
    let rule = match text.split_once("://") {
        None => text.parse::<EgressRule>(),
        Some((scheme, rest)) => {
            let port = match scheme {
                "https" | "wss" => 443,
                "http" | "ws" => 80,
                _ => {
                    return Err(format!(
                        "the port of `{scheme}` is not known; write HOST:PORT"
                    ));
                }
            };
            let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = host.rsplit('@').next().unwrap_or_default();
            let behind = host.rsplit(']').next().unwrap_or_default();
            if behind.contains(':') {
                host.parse()
            } else {
                EgressRule::of_endpoint(host, port)
            }
        }
    };
    let rule = rule.map_err(|error| error.to_string())?;
    let is_one = match &rule.host {
        EgressHost::Name(_) | EgressHost::Localhost => true,
        EgressHost::Network(network) => network.prefix_len() == network.max_prefix_len(),
        EgressHost::Subdomains(_) | EgressHost::AnyName => false,
    };
    if is_one {
        Ok(rule)
    } else {
        Err("ask about one host".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Question, String> {
        let places = Places {
            current: Path::new("/work/here"),
            home: Some(Path::new("/home/me")),
        };
        Question::parse(text, places).map_err(|error| error.to_string())
    }

    #[test]
    fn paths_are_those_of_the_shell() {
        for (text, expected) in [
            ("read ~/x", "/home/me/x"),
            ("read ~", "/home/me"),
            ("read  /a//b/./c/ ", "/a/b/c"),
            ("read x/y", "/work/here/x/y"),
            ("read .", "/work/here"),
            ("read ../x", "/work/x"),
            ("read ../../../x", "/x"),
            ("read a/../b", "/work/here/a/../b"),
            ("read /a/../b", "/a/../b"),
            ("read two words", "/work/here/two words"),
        ] {
            let wanted = FileUse::Read;
            let path = expected.into();
            assert_eq!(parse(text), Ok(Question::File { wanted, path }), "{text}");
        }
        assert_eq!(
            parse("execute git"),
            Ok(Question::Program("git".to_owned()))
        );
        let path = "/work/here/git".into();
        let wanted = FileUse::Execute;
        assert_eq!(parse("execute ./git"), Ok(Question::File { wanted, path }));
    }

    #[test]
    fn hosts_are_one_host_each() {
        for (text, expected) in [
            ("connect api.example.com:443", "api.example.com:443"),
            ("connect API.example.com:443", "api.example.com:443"),
            ("connect https://api.example.com/x?y", "api.example.com:443"),
            ("connect http://me:x@a.test:8080/", "a.test:8080"),
            ("connect http://[::1]/", "[::1]:80"),
            ("connect [2001:db8::1]:22", "[2001:db8::1]:22"),
            ("connect 10.0.0.1:5432", "10.0.0.1:5432"),
            ("connect localhost:3000", "localhost:3000"),
        ] {
            let rule = expected.parse().unwrap();
            assert_eq!(parse(text), Ok(Question::Connect(rule)), "{text}");
        }
        assert_eq!(
            parse("connect /run/docker.sock"),
            Ok(Question::Socket("/run/docker.sock".into()))
        );
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_is() {
        for text in [
            "",
            "read",
            "eat x",
            "run fast",
            "read ~other/x",
            "read /proc/self/root/etc",
            "connect a.test",
            "connect *.a.test:443",
            "connect 10.0.0.0/8:443",
            "connect ftp://a.test/",
            "connect a.test:0",
            "syscall no_such_call",
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains("connect HOST:PORT"), "{text}: {error}");
        }
        for text in ["run", "tool a", "env LANG", "syscall ptrace", "prompt a b"] {
            assert!(parse(text).is_ok(), "{text}");
        }
    }
}
