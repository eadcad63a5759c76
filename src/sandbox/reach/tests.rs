//! Names that are followed, on files that were planted.

use std::os::unix::fs::symlink;

use super::super::Access;
use super::*;

fn rule(path: &Path, access: Access) -> PathRule {
    PathRule {
        path: path.to_owned(),
        access,
    }
}

struct Ground {
    _folder: tempfile::TempDir,
    at: PathBuf,
    base: Walls,
    full: Walls,
}

fn ground() -> Ground {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let at = fs::canonicalize(folder.path()).unwrap();
    for name in ["read/inner", "write", "other"] {
        fs::create_dir_all(at.join(name)).unwrap();
    }
    for name in ["read/file", "write/file", "other/secret", "other/one"] {
        fs::write(at.join(name), "x").unwrap();
    }
    symlink(at.join("read"), at.join("alias")).unwrap();
    symlink("../other/secret", at.join("read/out")).unwrap();
    symlink("../other/one", at.join("read/one")).unwrap();
    symlink("loop", at.join("read/loop")).unwrap();
    let rules = vec![
        rule(&at.join("read"), Access::Read),
        rule(&at.join("write"), Access::Write),
        rule(&at.join("other/one"), Access::Read),
        rule(Path::new("/dev/null"), Access::Device),
        rule(Path::new("/proc/self/status"), Access::Read),
        rule(Path::new("/proc/cpuinfo"), Access::Read),
    ];
    let base = Walls::of_base(rules.clone(), Some(4));
    let short_name = ShortName {
        folder: at.join("read"),
        name: "/short".into(),
    };
    let files = vec!["/etc/hosts".into()];
    let full = Walls::of_full(rules, Vec::new(), files, Some(short_name), Some(4));
    Ground {
        _folder: folder,
        at,
        base,
        full,
    }
}

#[test]
fn a_name_is_followed_as_the_box_follows_it() {
    use FileUse::{Execute, Read, Write};
    use Obstacle::{Links, NoFolder, NotGranted, NotInRoot};
    let ground = ground();
    for (name, wanted, base, full) in [
        ("read", Read, None, None),
        ("read/file", Read, None, None),
        ("read/inner/..", Read, None, None),
        ("read/../write/file", Write, None, None),
        ("read/missing", Read, None, None),
        ("read/one", Read, None, None),
        ("read/loop", Read, Some(Links), Some(Links)),
        ("read/file/x", Read, Some(NoFolder), Some(NoFolder)),
        ("read/file", Write, Some(NotGranted), Some(NotGranted)),
        ("read/new", Write, Some(NotGranted), Some(NotGranted)),
        ("read/file", Execute, Some(NotGranted), Some(NotGranted)),
        ("read/out", Read, Some(NotGranted), Some(NotInRoot)),
        ("write", Write, None, None),
        ("write/new", Write, None, None),
        ("write/file", Read, None, None),
        ("write/file", Execute, Some(NotGranted), Some(NotGranted)),
        ("other/secret", Read, Some(NotGranted), Some(NotInRoot)),
        // In the base tier the link is there, and Landlock judges where it leads.
        ("alias/file", Read, None, Some(NotInRoot)),
        ("missing/..", Read, Some(NotGranted), Some(NotGranted)),
    ] {
        let path = ground.at.join(name);
        let found = ground.base.judge(&path, wanted).obstacle;
        assert_eq!(found, base, "{name} {wanted:?} in the base tier");
        let found = ground.full.judge(&path, wanted).obstacle;
        assert_eq!(found, full, "{name} {wanted:?} in the full tier");
    }
    let missing = ground.base.judge(&ground.at.join("read/missing"), Read);
    assert!(!missing.is_there && missing.rule.is_some());
    let out = ground.base.judge(&ground.at.join("read/out"), Read);
    assert_eq!(out.path, ground.at.join("other/secret"));
}

#[test]
fn a_second_name_is_a_place_of_its_own_with_the_same_files() {
    use FileUse::{Execute, Read, Write};
    use Obstacle::{NoFolder, NotGranted, NotInRoot};
    let ground = ground();
    for (name, wanted, leads_to, obstacle) in [
        ("/short", Read, "read", None),
        ("/short/file", Read, "read/file", None),
        ("/short/../short/file", Read, "read/file", None),
        ("/short/inner/../file", Read, "read/file", None),
        ("/short/missing", Read, "read/missing", None),
        ("/short/file", Write, "read/file", Some(NotGranted)),
        ("/short/file", Execute, "read/file", Some(NotGranted)),
        ("/short/file/x", Read, "read/file", Some(NoFolder)),
        // A link that leads out of it starts at its second name.
        ("/short/one", Read, "/other/one", Some(NotInRoot)),
        ("/shorter", Read, "/shorter", Some(NotInRoot)),
    ] {
        let found = ground.full.judge(Path::new(name), wanted);
        assert_eq!(found.obstacle, obstacle, "{name} {wanted:?}");
        assert_eq!(found.path, ground.at.join(leads_to), "{name}");
        // The control: in the base tier there is no such name.
        let base = ground.base.judge(Path::new(name), wanted);
        assert_eq!(base.obstacle, Some(NotGranted), "{name} {wanted:?}");
    }
    // Without Landlock the mount decides.
    let alone = Walls {
        landlock_abi: None,
        ..ground.full.clone()
    };
    let written = alone.judge(Path::new("/short/file"), Write);
    assert_eq!(written.obstacle, Some(Obstacle::ReadOnly));
}

#[test]
fn memory_devices_and_files_of_processes() {
    use FileUse::{Execute, Read, Write};
    use Obstacle::{NoExecution, NotGranted, ReadOnly};
    let ground = ground();
    for (path, wanted, base, full) in [
        ("/dev/null", Write, None, None),
        ("/proc/self/status", Read, None, None),
        ("/proc/self/mem", Read, Some(NotGranted), Some(NotGranted)),
        ("/proc/cpuinfo", Read, None, None),
        ("/proc/cpuinfo", Write, Some(NotGranted), Some(NotGranted)),
        ("/proc/mounts", Read, Some(NotGranted), Some(NotGranted)),
        ("/etc/hosts", Read, Some(NotGranted), None),
    ] {
        for (walls, expected) in [(&ground.base, base), (&ground.full, full)] {
            let found = walls.judge(Path::new(path), wanted).obstacle;
            assert_eq!(found, expected, "{path} {wanted:?}");
        }
    }
    let memory = Path::new("/tmp/pinfold-reach-nothing-of-this-name");
    assert_eq!(ground.base.judge(memory, Write).obstacle, Some(NotGranted));
    assert_eq!(ground.full.judge(memory, Write).obstacle, None);
    let found = ground.full.judge(memory, Execute).obstacle;
    assert_eq!(found, Some(NotGranted));
    // Without Landlock the mounts alone decide.
    let alone = Walls {
        landlock_abi: None,
        ..ground.full.clone()
    };
    let judge = |name: &str, wanted| alone.judge(&ground.at.join(name), wanted).obstacle;
    assert_eq!(judge("read/file", Write), Some(ReadOnly));
    assert_eq!(judge("write/file", Execute), Some(NoExecution));
    assert_eq!(alone.judge(memory, Execute).obstacle, Some(NoExecution));
    assert_eq!(judge("write/file", Write), None);
}

#[test]
fn modes_count_whatever_is_granted() {
    use std::os::unix::fs::PermissionsExt as _;
    let ground = ground();
    let file = ground.at.join("write/file");
    for walls in [&ground.base, &ground.full] {
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        let found = walls.judge(&file, FileUse::Write).obstacle;
        assert_eq!(found, Some(Obstacle::Mode));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(walls.judge(&file, FileUse::Write).obstacle, None);
    }
}
