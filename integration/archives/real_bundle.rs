//! A bundle as its authors' own tool packs it, of a server that is published for npm.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::support::{Home, Ran, registry_is_reachable, skip, tools};

/// A bundle, and the program in it as it was before it was packed.
pub(crate) struct Packed {
    pub(crate) bundle: PathBuf,
    pub(crate) program: PathBuf,
}

impl Packed {
    /// `Err` with the reason when the packer can't be installed.
    pub(crate) fn everything(home: &Home) -> Result<Self, String> {
        let packer = tools::bundle_packer()
            .map_err(|reason| format!("the packer can't be installed: {reason}"))?;
        let folder = home.path().join("everything");
        fs::create_dir_all(folder.join("node_modules")).unwrap();
        copy_production_packages(&packer, &folder);
        let entry = "node_modules/@modelcontextprotocol/server-everything/dist/index.js";
        let manifest = json!({
            "manifest_version": "0.3",
            "name": "everything",
            "version": "2026.8.31",
            "description": "every feature",
            "author": { "name": "its authors" },
            "server": {
                "type": "node",
                "entry_point": entry,
                "mcp_config": { "command": "node", "args": [format!("${{__dirname}}/{entry}"), "stdio"] },
            },
            "tools": [{ "name": "echo", "description": "says it again" }],
            "tools_generated": false,
            "compatibility": { "platforms": ["linux"], "runtimes": { "node": ">=18.0.0" } },
        });
        fs::write(folder.join("manifest.json"), manifest.to_string()).unwrap();
        let bundle = home.path().join("everything.mcpb");
        let packed = Ran::of(
            Command::new("node")
                .arg(packer.join("node_modules/@anthropic-ai/mcpb/dist/cli/cli.js"))
                .args(["pack", "."])
                .arg(&bundle)
                .current_dir(&folder),
        );
        assert_eq!(packed.code, Some(0), "{packed:#?}");
        let program = folder.join(entry);
        Ok(Self { bundle, program })
    }
}

/// That its tools are those of the server and work is in `server_table`.
#[test]
fn what_a_real_bundle_proposes_is_shown() {
    let test = "archives::real_bundle::what_a_real_bundle_proposes_is_shown";
    if !registry_is_reachable() {
        return skip(test, "no registry can be reached");
    }
    let home = Home::new();
    let bundle = match Packed::everything(&home) {
        Ok(packed) => packed.bundle,
        Err(reason) => return skip(test, &reason),
    };
    let source = format!("path:{}", bundle.display());
    let ran = home.run(["add", "everything", &source]);
    assert_eq!(ran.code, Some(2), "{ran:#?}");
    for says in [
        "The bundle proposes: --allow echo.",
        "node >=18.0.0",
        "doesn't list and the server offers",
    ] {
        assert!(ran.stderr.contains(says), "{says}: {ran:#?}");
    }
}

/// Everything but the packer itself, which is far larger than what is packed.
fn copy_production_packages(from: &Path, to: &Path) {
    let copied = Command::new("sh")
        .args(["-c", "cp -r \"$0/node_modules/.\" \"$1/node_modules\" && rm -rf \"$1/node_modules/@anthropic-ai\" \"$1/node_modules/.bin\" \"$1/node_modules/node-forge\" \"$1/node_modules/@inquirer\""])
        .args([from, to])
        .status();
    assert!(copied.unwrap().success());
}
