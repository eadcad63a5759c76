//! Somebody who reads a page and types what it says: a home, a shell that goes on where it was,
//! and pinfold on the search path.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::pages::{self, Config, Place, READER, compare};
use crate::support::Home;
use crate::support::index::uv;

/// Where a page says that pinfold is installed.
const INSTALLED: &str = "/home/me/.cargo/bin/pinfold";

/// Ends what hangs; a command takes seconds.
const SECONDS: &str = "300";

/// Stands for cargo, which would compile for minutes what these tests are compiled with.
const CARGO: &str = r#"#!/bin/sh
[ "$1 $2 $3" = "run --release --" ] || { echo "cargo $*: not in a test" >&2; exit 101; }
shift 3
exec pinfold "$@"
"#;

/// Keeps the folder and the variables from one command to the next, and the code for `$?`.
const SHELL: &str = r#"
[ ! -e "$KEPT/variables" ] || . "$KEPT/variables"
cd "$(cat "$KEPT/folder" 2>/dev/null || echo "$HOME")" || exit 99
code=$(cat "$KEPT/code" 2>/dev/null || echo 0)
exec 2>&1
(exit "$code")
eval "$COMMAND"
code=$?
echo "$code" > "$KEPT/code"
pwd > "$KEPT/folder"
unset COMMAND
export -p > "$KEPT/variables"
exit "$code"
"#;

pub(super) fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The home of the reader who downloads; of one test, so that it is removed.
pub(super) type First = OnceLock<Result<Reader, String>>;

pub(super) struct Reader {
    home: Home,
    search_path: String,
}

impl Reader {
    pub(super) fn new() -> Self {
        let home = Home::new();
        let programs = home.path().join("programs");
        fs::create_dir(&programs).unwrap();
        fs::create_dir(home.path().join("kept")).unwrap();
        symlink(env!("CARGO_BIN_EXE_pinfold"), programs.join("pinfold")).unwrap();
        fs::write(programs.join("cargo"), CARGO).unwrap();
        fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
        let mut folders = vec![programs];
        folders.extend(uv().ok());
        let own = std::env::var_os("PATH").unwrap_or_default();
        folders.extend(std::env::split_paths(&own));
        let search_path = std::env::join_paths(folders).unwrap();
        Self {
            home,
            search_path: search_path.into_string().unwrap(),
        }
    }

    /// With the server that pages begin with, which is downloaded once for all of them.
    pub(super) fn begin(&self, server: &str, first: &First) -> Result<(), String> {
        if server != "everything" {
            return Err(format!("no page can begin with `{server}`"));
        }
        let first = first.get_or_init(|| {
            let reader = Self::new();
            reader.run("pinfold add everything npm:@modelcontextprotocol/server-everything --allow echo --allow get-sum")?;
            Ok(reader)
        });
        let first = first.as_ref().map_err(Clone::clone)?;
        let from = first.home.user().display().to_string();
        let data = ".local/share/pinfold";
        self.run(&format!(
            "mkdir -p ~/.config ~/{data} && cp -a {from}/.config/pinfold ~/.config && ln -s {from}/{data}/store ~/{data}/store"
        ))?;
        Ok(())
    }

    /// A program, or what a server with a network needs.
    pub(super) fn has(&self, program: &str) -> bool {
        if program == "namespaces" {
            return self.run("unshare -Urn true").is_ok();
        }
        let mut folders = std::env::split_paths(&self.search_path);
        folders.any(|folder| folder.join(program).exists())
    }

    /// Runs a command of a page and compares what it prints, which is the result.
    pub(super) fn command(&self, command: &pages::Command) -> Result<String, String> {
        let (code, printed) = self.shell(&command.text);
        if code != Some(0) && !command.may_fail {
            return Err(format!(
                "`{}` ended with {code:?}:\n{printed}",
                command.text
            ));
        }
        if let Some(shown) = &command.prints {
            compare(shown, &printed).map_err(|what| format!("`{}`: {what}", command.text))?;
        }
        Ok(printed)
    }

    pub(super) fn run(&self, command: &str) -> Result<String, String> {
        match self.shell(command) {
            (Some(0), printed) => Ok(printed),
            (code, printed) => Err(format!("`{command}` ended with {code:?}:\n{printed}")),
        }
    }

    fn shell(&self, text: &str) -> (Option<i32>, String) {
        let mut command = Command::new("timeout");
        self.home.environment(&mut command);
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"] {
            command.env_remove(name);
        }
        let output = command
            .args(["--kill-after=5", SECONDS, "bash", "-c", SHELL])
            .env("PATH", &self.search_path)
            .env("KEPT", self.home.path().join("kept"))
            .env("COMMAND", self.to_machine(text))
            .current_dir(self.home.user())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        (output.status.code(), self.to_page(&printed))
    }

    /// Writes a file of the page, or compares it.
    pub(super) fn config(&self, config: &Config) -> Result<(), String> {
        match &config.place {
            Place::Nowhere | Place::NotChecked(_) => Ok(()),
            Place::Written(path) => {
                let path = self.path(path)?;
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, self.to_machine(&config.text)).unwrap();
                // As a reader's umask makes it; the tests may run with another one.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
                Ok(())
            }
            Place::Result(path) => {
                let text = fs::read_to_string(self.path(path)?)
                    .map_err(|error| format!("{path}: {error}"))?;
                let what = match config.text.contains('…') {
                    true => {
                        let shown: Vec<String> = config.text.lines().map(str::to_owned).collect();
                        compare(&shown, &self.to_page(&text))
                    }
                    // To the byte.
                    false if self.to_machine(&config.text) == text => Ok(()),
                    false => Err(format!("it is now\n{}", self.to_page(&text))),
                };
                what.map_err(|what| format!("{path}: {what}"))
            }
        }
    }

    fn path(&self, path: &str) -> Result<PathBuf, String> {
        let below = path.strip_prefix("~/").ok_or("its path begins with `~/`")?;
        Ok(self.home.user().join(below))
    }

    /// Where the search path has pinfold.
    fn installed(&self) -> String {
        let link = self.home.path().join("programs/pinfold");
        link.to_str().unwrap().to_owned()
    }

    fn to_machine(&self, text: &str) -> String {
        text.replace(INSTALLED, &self.installed())
            .replace(READER, self.home.user().to_str().unwrap())
    }

    fn to_page(&self, text: &str) -> String {
        text.replace(&self.installed(), INSTALLED)
            .replace(self.home.user().to_str().unwrap(), READER)
    }
}
