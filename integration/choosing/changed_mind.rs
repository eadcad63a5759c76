//! Another allowlist for a server that is locked already: chosen again on the terminal, or said.

use std::fs;

use super::{Menu, expect, names};
use crate::support::{Ran, Terminal};

/// With `fetch` allowed, and a comment in its manifest.
fn locked() -> Menu {
    let menu = Menu::usual();
    let ran = Ran::of(&mut menu.adding("files", &["--allow", "fetch"]));
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    let text = fs::read_to_string(menu.home.manifest()).unwrap();
    let text = text.replace("allow = [", "# mine\nallow = [");
    fs::write(menu.home.manifest(), text).unwrap();
    menu
}

impl Menu {
    fn manifest(&self) -> String {
        fs::read_to_string(self.home.manifest()).unwrap()
    }

    fn tools(&self, more: &[&str], code: i32) -> String {
        let ran = self.home.run([&["tools", "files"], more].concat());
        assert_eq!(ran.code, Some(code), "{ran:#?}");
        ran.stdout + &ran.stderr
    }

    /// What a session gives its client.
    fn given(&self) -> Vec<String> {
        let mut client = self.home.client("files");
        client.initialize();
        let tools = client.tools();
        client.close();
        tools
    }
}

#[test]
fn chosen_on_the_terminal() {
    let menu = locked();
    let start = || {
        let mut command = menu.home.pinfold(["tools", "files", "--choose"]);
        command.env("TERM", "xterm");
        let mut terminal = Terminal::start(&command, 80, 24, |_| {});
        terminal.wait_for("Enter done");
        terminal
    };
    let (manifest, lock) = (menu.manifest(), menu.lock());
    let mut terminal = start();
    let shown = terminal.screen.text();
    assert!(
        shown.contains("> [x] fetch") && shown.contains("[ ] write_file  destroys"),
        "{shown}"
    );
    terminal.press("*\u{1b}");
    expect(&terminal.end(), 0, "Nothing was written.");
    assert_eq!((menu.manifest(), menu.lock()), (manifest.clone(), lock));

    let mut terminal = start();
    terminal.press(" write \r");
    let ended = terminal.end();
    expect(&ended, 0, "allowed: `write_file`");
    expect(&ended, 0, "withheld: `fetch`");
    assert_eq!(menu.allowed("files"), names(&["write_file"]));
    assert_eq!(
        menu.manifest(),
        manifest.replace("[\"fetch\"]", "[\"write_file\"]")
    );
    assert_eq!(menu.given(), ["write_file"]);
}

#[test]
fn said() {
    let menu = locked();
    menu.tools(&["--allow", "read_file", "--withhold", "fetch"], 0);
    assert_eq!(menu.given(), ["read_file"]);
    for (options, code, words) in [
        (
            &["--allow", "none-such"][..],
            2,
            "offered no tool `none-such`",
        ),
        (&["--withhold", "none-such"], 2, "has no tool `none-such`"),
        (
            &["--allow", "fetch", "--withhold", "fetch"],
            2,
            "allowed and withheld",
        ),
        (&["--choose"], 2, "--allow TOOL"),
        (&["--allow", "read_file"], 0, "nothing was written"),
    ] {
        let before = (menu.manifest(), menu.lock());
        let said = menu.tools(options, code);
        assert!(said.contains(words), "{options:?}: {said}");
        assert_eq!((menu.manifest(), menu.lock()), before, "{options:?}");
    }
}

#[test]
fn another_change_of_the_manifest_is_not_agreed_to_by_the_way() {
    let menu = locked();
    let before = menu.lock();
    let widened = menu.manifest().replace("# mine\n", "repeat = \"5s\"\n");
    fs::write(menu.home.manifest(), &widened).unwrap();
    let said = menu.tools(&["--allow", "read_file"], 1);
    assert!(said.contains("run `pinfold lock files` first"), "{said}");
    assert_eq!((menu.manifest(), menu.lock()), (widened, before));
    // The control: locked first, it goes through.
    menu.home.succeed(["lock", "files"]);
    menu.tools(&["--allow", "read_file"], 0);
    assert_eq!(menu.allowed("files"), names(&["fetch", "read_file"]));
}
