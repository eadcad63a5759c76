//! The same server twice: started bare, and through `pinfold run`.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::bare;
use crate::support::index::with_uv;
use crate::support::{Client, Home, Ran, npm_view};

pub(super) struct Pair {
    pub(super) home: Home,
    pub(super) bare: Client,
    pub(super) boxed: Client,
    version: String,
    profile: String,
    tools: usize,
}

/// What is said of a server that did what it should.
pub(super) struct Row {
    pub(super) version: String,
    pub(super) profile: String,
    pub(super) tools: usize,
    pub(super) call: &'static str,
    pub(super) result: String,
}

/// The name that each server is added under.
const NAME: &str = "it";

impl Pair {
    /// Of the npm registry.
    pub(super) fn npm(package: &str, options: &[&str], arguments: &[&str]) -> Result<Self, String> {
        Self::npm_with(package, options, arguments, &[])
    }

    /// With variables for the bare one; the other gets them by `--env`.
    pub(super) fn npm_with(
        package: &str,
        options: &[&str],
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self, String> {
        let home = Home::new();
        add(&home, &format!("npm:{package}"), options, arguments)?;
        let mut bare = bare::npm(&home, NAME, package)?;
        bare.args(arguments).envs(environment.iter().copied());
        Ok(Self::start(home, &mut bare))
    }

    /// Of the Python package index.
    pub(super) fn pypi(
        home: Home,
        package: &str,
        options: &[&str],
        arguments: &[&str],
    ) -> Result<Self, String> {
        add(&home, &format!("pypi:{package}"), options, arguments)?;
        let mut bare = bare::python(&home, NAME, package)?;
        Ok(Self::start(home, bare.args(arguments)))
    }

    /// Of a file of this machine; `bare` starts what is in it.
    pub(super) fn path(home: Home, source: &str, bare: &mut Command) -> Result<Self, String> {
        add(&home, &format!("path:{source}"), &[], &[])?;
        home.environment(bare);
        Ok(Self::start(home, bare))
    }

    /// Starts both and compares all that they say of their tools.
    fn start(home: Home, bare: &mut Command) -> Self {
        home.succeed(["verify"]);
        let mut bare = Client::start(bare.current_dir(home.user()));
        let mut boxed = home.client(NAME);
        let [expected, found] = [&mut bare, &mut boxed].map(|client| {
            client.initialize();
            client.request("tools/list", json!({}))["result"]["tools"].clone()
        });
        let tools = expected.as_array().map_or(0, Vec::len);
        assert!(tools > 0, "{expected}");
        assert_eq!(found, expected);
        let locked = bare::locked(&home, NAME);
        let manifest = std::fs::read_to_string(home.manifest()).unwrap();
        let profile = manifest
            .lines()
            .find_map(|line| line.strip_prefix("profile = "))
            .unwrap_or("\"offline\"");
        Self {
            version: locked["version"].as_str().unwrap_or("-").to_owned(),
            profile: profile.trim_matches('"').to_owned(),
            tools,
            home,
            bare,
            boxed,
        }
    }

    /// The same call of both with the same answer, which is returned.
    pub(super) fn agree(&mut self, tool: &str, arguments: Value) -> String {
        let expected = self.bare.call_text(tool, arguments.clone());
        let found = self.boxed.call_text(tool, arguments);
        assert_eq!(found, expected, "{tool}");
        found
    }

    pub(super) fn row(&self, call: &'static str, result: impl Into<String>) -> Row {
        Row {
            version: self.version.clone(),
            profile: self.profile.clone(),
            tools: self.tools,
            call,
            result: result.into(),
        }
    }
}

/// Adds a server with all its tools. A registry that can't be asked is a reason to skip;
/// anything else has to work.
fn add(home: &Home, source: &str, options: &[&str], arguments: &[&str]) -> Result<(), String> {
    let mut words = vec!["add", NAME, source, "--allow-all"];
    words.extend(options);
    if !arguments.is_empty() {
        words.push("--");
        words.extend(arguments);
    }
    let mut command = home.pinfold(words);
    if source.starts_with("pypi:") {
        with_uv(&mut command)?;
    }
    let ran = Ran::of(&mut command);
    if ran.stderr.contains("can't ask the index") {
        return Err("the Python package index can't be reached".to_owned());
    }
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    Ok(())
}

/// Whether npm itself gets the package from the registry.
pub(super) fn in_registry(package: &str) -> Result<(), String> {
    match npm_view(package) {
        Ok(output) if output.status.success() && !output.stdout.is_empty() => Ok(()),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            let line = said.lines().find(|line| line.contains("code"));
            Err(format!(
                "the registry does not serve {package}: {}",
                line.unwrap_or("no answer")
            ))
        }
        Err(_) => Err("there is no npm".to_owned()),
    }
}
