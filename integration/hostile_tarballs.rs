//! A tarball with a trick in it is refused although its published digest is right, and nothing
//! of it stays behind. Each test ends with its control: the same package without the trick.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{Home, Package, Ran, Registry, gzip, is_root, tar_entry, tar_header};

/// Every file of the home but pinfold's own, with its content.
fn outside(home: &Home) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![home.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path == home.path().join("data") || path == home.path().join("state") {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push(path.clone());
            }
            found.insert(path.clone(), std::fs::read(&path).ok());
        }
    }
    found
}

fn decoy(home: &Home) -> PathBuf {
    let decoy = home.user().join("decoy");
    std::fs::write(&decoy, "as it was").unwrap();
    decoy
}

/// `pinfold add` refuses `hostile` and says `reason`.
fn refused(home: &Home, hostile: Package, reason: &str) {
    decoy(home);
    let before = outside(home);
    let plain = Package::server(&hostile.name, &hostile.version);
    let registry = Registry::new([hostile]);
    let ran = registry.add(home, "server", "npm:hostile");
    assert!(matches!(ran.code, Some(1 | 4)), "{ran:#?}");
    assert!(ran.stderr.contains("`hostile@1.0.0` "), "{ran:#?}");
    assert!(ran.stderr.contains(reason), "{ran:#?}");
    assert!(ran.stderr.len() < 2000, "{}", ran.stderr.len());
    assert_eq!(outside(home), before);
    for folder in ["trees", "staging"] {
        let left: Vec<_> = std::fs::read_dir(home.store().join(folder))
            .unwrap()
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }

    registry.publish(plain);
    assert_eq!(
        registry.add_and_ask(home, "server", "npm:hostile"),
        "hostile@1.0.0"
    );
}

fn hostile() -> Package {
    Package::server("hostile", "1.0.0")
}

fn with_entry(name: &[u8], kind: u8, link: &[u8], content: &[u8]) -> Package {
    hostile().entry(&tar_entry(name, kind, link, content))
}

/// The control of the control: a trusting extractor does what the archive says.
fn trusting_tar(home: &Home, package: &Package) -> Ran {
    let folder = home.path().join("a/b");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(home.path().join("x.tgz"), package.bytes()).unwrap();
    let mut tar = Command::new("tar");
    tar.args(["-xzPf", "../../x.tgz"]).current_dir(folder);
    Ran::of(&mut tar)
}

#[test]
fn parent_components() {
    let home = Home::new();
    let package = with_entry(b"package/../../../planted", b'0', b"", b"x");
    trusting_tar(&home, &package);
    let planted = home.path().join("planted");
    assert!(planted.exists(), "the trick does not work");
    std::fs::remove_file(planted).unwrap();
    refused(&home, package, "`..` could leave the folder");
}

#[test]
fn absolute_path() {
    let home = Home::new();
    let planted = home.user().join("planted");
    let package = with_entry(planted.to_str().unwrap().as_bytes(), b'0', b"", b"x");
    trusting_tar(&home, &package);
    assert!(planted.exists(), "the trick does not work");
    std::fs::remove_file(planted).unwrap();
    refused(&home, package, "an absolute path could be written anywhere");
}

/// A link out of the tree, and then a file written through it.
#[test]
fn symbolic_link_out() {
    let through = tar_entry(b"package/door/decoy", b'0', b"", b"overwritten");
    let link_to = |target: &str| tar_entry(b"package/door", b'2', target.as_bytes(), b"");
    let is_true = |home: &Home, package: &Package| {
        trusting_tar(home, package);
        let written = std::fs::read(home.user().join("decoy")).unwrap();
        assert_eq!(written, b"overwritten", "the trick does not work");
    };

    let home = Home::new();
    let link = link_to(home.user().to_str().unwrap());
    let package = hostile().entry(&link).entry(&through);
    is_true(&home, &package);
    refused(&home, package, "the link's target is absolute");

    let home = Home::new();
    let link = link_to("../../../home");
    let package = hostile().entry(&link).entry(&through);
    is_true(&home, &package);
    refused(
        &home,
        package,
        "is needed as a folder and is something else",
    );
    let home = Home::new();
    refused(
        &home,
        hostile().entry(&link),
        "the link leads out of its folder",
    );
}

#[test]
fn hard_link() {
    let home = Home::new();
    let target = decoy(&home);
    let target = target.to_str().unwrap().as_bytes();
    let package = with_entry(b"package/alias", b'1', target, b"");
    trusting_tar(&home, &package);
    assert!(
        home.path().join("a/b/package/alias").exists(),
        "the trick does not work"
    );
    refused(&home, package, "hard links are not accepted");
}

#[test]
fn device_and_pipe() {
    let home = Home::new();
    let package = with_entry(b"package/null", b'3', b"", b"");
    if is_root() {
        trusting_tar(&home, &package);
        assert!(
            home.path().join("a/b/package/null").exists(),
            "the trick does not work"
        );
    }
    refused(&home, package, "device files are not accepted");
    let home = Home::new();
    refused(
        &home,
        with_entry(b"package/pipe", b'6', b"", b""),
        "named pipes are not accepted",
    );
}

#[test]
fn one_name_twice() {
    let package = with_entry(b"package/server.js", b'0', b"", b"process.exit(3)");
    refused(&Home::new(), package, "(entry `package/server.js`)");
    let package = with_entry(b"package/./server.js", b'0', b"", b"process.exit(3)");
    refused(&Home::new(), package, "(entry `package/./server.js`)");
    // The first component is left out, so this is the same file.
    let package = with_entry(b"other/server.js", b'0', b"", b"process.exit(3)");
    refused(&Home::new(), package, "server.js`)");
}

#[test]
fn names_that_differ_in_case() {
    let package = with_entry(b"package/SERVER.js", b'0', b"", b"process.exit(3)");
    refused(&Home::new(), package, "differs only in case from");
}

#[test]
fn a_name_of_five_thousand_bytes() {
    let long = [b"package/".as_slice(), &[b'n'; 4992]].concat();
    let gnu = tar_entry(b"././@LongLink", b'L', b"", &[&long[..], b"\0"].concat());
    let gnu = hostile()
        .entry(&gnu)
        .entry(&tar_entry(b"package/n", b'0', b"", b""));
    refused(&Home::new(), gnu, "longer than 1024 bytes");
    // LENGTH SPACE KEY=VALUE NEWLINE, the length counting all of it.
    let record = [b"5011 path=".as_slice(), &long, b"\n"].concat();
    assert_eq!(record.len(), 5011);
    let pax = tar_entry(b"package/pax", b'x', b"", &record);
    let pax = hostile()
        .entry(&pax)
        .entry(&tar_entry(b"package/n", b'0', b"", b""));
    refused(&Home::new(), pax, "longer than 1024 bytes");
    let deep = format!("package/{}f", "d/".repeat(44));
    let nested = "d/".repeat(70);
    let deeper = tar_entry(
        b"././@LongLink",
        b'L',
        b"",
        format!("package/{nested}f\0").as_bytes(),
    );
    let deeper = hostile()
        .entry(&deeper)
        .entry(&tar_entry(deep.as_bytes(), b'0', b"", b""));
    refused(&Home::new(), deeper, "deeper than 64 folders");
}

/// Compressed members may follow each other; so one of them, repeated, is a large stream.
fn repeated(head: &[u8], member: &[u8], times: usize) -> Vec<u8> {
    [gzip(head), gzip(member).repeat(times)].concat()
}

#[test]
fn ten_gigabytes_of_zeros() {
    let mut package = hostile();
    let mut tar = package.tar();
    tar.extend(tar_header(b"package/zeros", b'0', b"", 10 << 30));
    package.tarball = Some(repeated(&tar, &vec![0; 64 << 20], 160));
    refused(
        &Home::new(),
        package,
        "unpacks to more than 1073741824 bytes",
    );
    // The same behind the end of the archive, where no header announces it.
    let mut package = hostile();
    package.tarball = Some(repeated(&package.tar(), &vec![0; 64 << 20], 160));
    refused(
        &Home::new(),
        package,
        "unpacks to more than 1073741824 bytes",
    );
}

#[test]
fn a_million_entries() {
    let mut package = hostile();
    let entries: Vec<u8> = (0..100_000)
        .flat_map(|n| tar_header(format!("package/{}/{n}", n / 1000).as_bytes(), b'0', b"", 0))
        .collect();
    package.tarball = Some(repeated(&package.tar(), &entries, 10));
    refused(&Home::new(), package, "it holds more than 100000 entries");
}

#[test]
fn a_download_that_was_cut_before_it_was_published() {
    for part in [3, 2] {
        let mut package = hostile();
        let whole = package.bytes();
        package.tarball = Some(whole[..whole.len() / part].to_vec());
        refused(
            &Home::new(),
            package,
            "is not a complete gzip-compressed tar archive",
        );
    }
    let mut package = hostile();
    package.tarball = Some([package.bytes(), b"and more".to_vec()].concat());
    refused(
        &Home::new(),
        package,
        "something other than zeros after its end",
    );
}

#[test]
fn names_that_would_fool_a_terminal() {
    let package = with_entry(b"package/\x1b]0;owned\x07", b'0', b"", b"");
    refused(&Home::new(), package, "a name holds a control character");
    let package = with_entry(b"package/\xff\xfe", b'0', b"", b"");
    refused(&Home::new(), package, "a name is not UTF-8");
}
