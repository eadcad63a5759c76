//! What is measured, and how often.

/// The server that `launch` and `add` measure.
const PACKAGE: &str = "@modelcontextprotocol/server-everything";

pub(crate) const USAGE: &str = "\
cargo bench -- [--runs N] [--installs N] [--pings N] [--megabytes N] [--sessions N] [--package NAME]
               [SECTION]…

  launch   spawn to the answer to `initialize`: node, npx, pinfold (needs node, npm, a registry)
  python   the same for a Python server: the interpreter alone, uvx, pinfold (needs an index)
  native   the same for a server that starts at once: pinfold's own share
  peers    the same for a small Node server, in the boxes of bwrap and srt where installed
  add      `pinfold add` against `npx -y`, both with empty caches (needs npm, a registry)
  relay    round trip and throughput, against a relay that only copies
  transfer a large download of a server, against the same without pinfold
  memory   what pinfold itself holds during a session
  warm     spawn to the answer to `initialize` through the daemon, which keeps the server started,
           against npx (needs node, npm, a registry)
  many     sessions at once through one daemon: starting, round trips, memory, the end

Without SECTION: all of them. Defaults: 30 launches, 5 installs, 5000 pings, 200 MB of answers,
5 downloads of 1 GB, 300 sessions at once.";

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    Launch,
    Python,
    Native,
    Peers,
    Add,
    Relay,
    Transfer,
    Memory,
    Warm,
    Many,
}

pub(crate) struct Options {
    pub(crate) sections: Vec<Section>,
    /// Launches of each kind.
    pub(crate) runs: usize,
    /// Installs of each kind.
    pub(crate) installs: usize,
    /// Requests of each kind, one after the other.
    pub(crate) pings: usize,
    /// Answers of each kind, in 10^6 bytes.
    pub(crate) megabytes: usize,
    /// At once.
    pub(crate) sessions: usize,
    pub(crate) package: String,
}

impl Options {
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            sections: Vec::new(),
            runs: 30,
            installs: 5,
            pings: 5000,
            megabytes: 200,
            sessions: 300,
            package: PACKAGE.to_owned(),
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            let mut count = || -> Result<usize, String> {
                rest.next()
                    .and_then(|text| text.parse().ok())
                    .filter(|count| *count > 0)
                    .ok_or_else(|| format!("`{argument}` needs a number above 0"))
            };
            match argument.as_str() {
                // cargo adds it.
                "--bench" => {}
                "--runs" => options.runs = count()?,
                "--installs" => options.installs = count()?,
                "--pings" => options.pings = count()?,
                "--megabytes" => options.megabytes = count()?,
                "--sessions" => options.sessions = count()?,
                "--package" => {
                    let name = rest.next().ok_or("`--package` needs a name")?;
                    options.package.clone_from(name);
                }
                "launch" => options.sections.push(Section::Launch),
                "python" => options.sections.push(Section::Python),
                "native" => options.sections.push(Section::Native),
                "peers" => options.sections.push(Section::Peers),
                "add" => options.sections.push(Section::Add),
                "relay" => options.sections.push(Section::Relay),
                "transfer" => options.sections.push(Section::Transfer),
                "memory" => options.sections.push(Section::Memory),
                "warm" => options.sections.push(Section::Warm),
                "many" => options.sections.push(Section::Many),
                other => return Err(format!("`{other}` is not known here")),
            }
        }
        if options.sections.is_empty() {
            options.sections = vec![
                Section::Launch,
                Section::Python,
                Section::Native,
                Section::Peers,
                Section::Add,
                Section::Relay,
                Section::Transfer,
                Section::Memory,
                Section::Warm,
                Section::Many,
            ];
        }
        Ok(options)
    }
}
