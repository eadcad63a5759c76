//! From spawn to the answer to `initialize`, for a server of the Python package index.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::options::Options;
use crate::place::{Place, with_network};
use crate::starts::interleaved;
use crate::table::{self, Worse};

/// What the section measures.
const PACKAGE: &str = "mcp-server-time";
/// Installed by pip where the machine has none.
const UV: &str = "uv==0.13.9";

/// The interpreter alone, uvx, pinfold; all on the interpreter of the lock, with compiled modules.
pub(crate) fn measure(place: &Place, options: &Options) {
    let Some(uv) = uv(place) else {
        println!("python: not measured, there is no uv and pip can't install it\n");
        return;
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::iter::once(uv.clone()).chain(std::env::split_paths(&path));
    let path = std::env::join_paths(path).unwrap();
    place.add_on_path("python", &format!("pypi:{PACKAGE}"), &path);
    let locked = place.locked("python");
    let python = locked["interpreter"]["path"].as_str().unwrap();
    let version = locked["version"].as_str().unwrap();
    let launcher = place.entry_point("python");
    let launcher = launcher.to_str().unwrap();

    let uv = |program: &str, arguments: &[&str]| {
        let mut command = place.command(&uv.join(program), arguments);
        command.env("UV_CACHE_DIR", place.path().join("uv-cache"));
        command
    };
    let venv = place.path().join("venv");
    let venv = venv.to_str().unwrap();
    let wanted = format!("{PACKAGE}=={version}");
    let venv_python = format!("{venv}/bin/python");
    for arguments in [
        &["venv", "--quiet", "--python", python, venv][..],
        &[
            "pip",
            "install",
            "--quiet",
            "--compile-bytecode",
            "--python",
            &venv_python,
            &wanted,
        ],
    ] {
        let mut install = uv("uv", arguments);
        with_network(&mut install);
        assert!(install.status().unwrap().success(), "uv {arguments:?}");
    }
    let script = format!("{venv}/bin/{PACKAGE}");
    let uvx = |more: &[&str]| {
        let mut command = uv("uvx", &[&["--python", python], more, &[&wanted]].concat());
        with_network(&mut command);
        command
    };
    let rows = interleaved(
        options.runs,
        &[
            ("python, pinfold's tree", &|| {
                place.command(Path::new(python), &["-I", "-S", "-B", launcher])
            }),
            ("python, a venv of uv", &|| {
                place.command(Path::new(&venv_python), &[&script])
            }),
            ("uvx", &|| uvx(&[])),
            ("uvx --offline", &|| uvx(&["--offline"])),
            ("pinfold run", &|| place.pinfold(&["run", "python"])),
        ],
    );
    table::print(
        &format!("Spawn to the answer to `initialize`: {wanted}"),
        "ms",
        Worse::High,
        &rows,
    );
    let pinfold = &rows[4];
    table::goal(pinfold, 1.1, &rows[0]);
    table::goal(pinfold, 1.1, &rows[1]);
    table::goal(pinfold, 0.4, &rows[2]);
    println!();
}

/// The folder with uv and uvx.
fn uv(place: &Place) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let own = std::env::split_paths(&path).find(|folder| folder.join("uvx").is_file());
    own.or_else(|| {
        let folder = place.path().join("uv");
        let installed = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--no-input", "--target"])
            .args([folder.as_os_str(), UV.as_ref()])
            .status();
        installed
            .is_ok_and(|status| status.success())
            .then(|| folder.join("bin"))
    })
}
