//! Several sessions and one file: races, boots, damage, kills.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Barrier;

use super::*;
use crate::lockfile::{Digest, ToolName};
use crate::relay::Rate;

const SECOND: Duration = Duration::from_secs(1);
const BOOT: Boot = Boot([7; 16]);

/// A state folder.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(crate::lockfile::private_test_folder())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("budget")
    }

    fn budget(&self) -> SharedBudget {
        SharedBudget::new(self.path())
    }

    fn size(&self) -> u64 {
        fs::metadata(self.path()).unwrap().len()
    }
}

fn echo() -> ToolName {
    "echo".parse().unwrap()
}

/// A call of a tool that may be called twice in ten seconds.
fn limited(budget: &mut SharedBudget, second: u64) -> Result<(), Unpaid> {
    limited_in(budget, second, BOOT)
}

fn limited_in(budget: &mut SharedBudget, second: u64, boot: Boot) -> Result<(), Unpaid> {
    let cost = Cost {
        tool: &echo(),
        rate: Some(Rate {
            calls: 2,
            period: 10 * SECOND,
        }),
        repeat: None,
    };
    budget.boot = None;
    budget.spend_as_of(&cost, || Ok(Duration::from_secs(second)), || Ok(boot))
}

fn repeated(budget: &mut SharedBudget, call: u64, second: u64) -> Result<(), Unpaid> {
    let cost = Cost {
        tool: &echo(),
        rate: None,
        repeat: Some((Digest::of(&call.to_le_bytes()), 10 * SECOND)),
    };
    budget.boot = None;
    budget.spend_as_of(&cost, || Ok(Duration::from_secs(second)), || Ok(BOOT))
}

fn too_often(seconds: u64) -> Result<(), Unpaid> {
    let wait = Duration::from_secs(seconds);
    Err(Unpaid::TooOften { wait })
}

#[track_caller]
fn unknown(result: Result<(), Unpaid>, part: &str) {
    match result {
        Err(Unpaid::Unknown { reason }) => assert!(reason.contains(part), "{reason}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn two_sessions_have_one_budget() {
    let place = Place::new();
    let (mut one, mut other) = (place.budget(), place.budget());
    assert!(!place.path().exists(), "nothing has cost anything");
    assert_eq!(limited(&mut one, 100), Ok(()));
    assert_eq!(limited(&mut other, 100), Ok(()));
    assert_eq!(limited(&mut one, 100), too_often(5));
    assert_eq!(limited(&mut other, 104), too_often(1));
    assert_eq!(limited(&mut place.budget(), 105), Ok(()));
    assert_eq!(limited(&mut one, 105), too_often(5));

    assert_eq!(repeated(&mut one, 1, 106), Ok(()));
    assert_eq!(repeated(&mut other, 2, 106), Ok(()));
    let left = 10 * SECOND;
    assert_eq!(repeated(&mut other, 1, 106), Err(Unpaid::Repeated { left }));
    assert_eq!(repeated(&mut other, 1, 116), Ok(()));
    assert_eq!(place.size(), SIZE * 7);
    let mode = fs::metadata(place.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn those_who_race_get_exactly_what_there_is() {
    let place = Place::new();
    let barrier = Barrier::new(8);
    let passed: usize = thread::scope(|scope| {
        let racing: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let mut budget = place.budget();
                    barrier.wait();
                    let rate = Rate {
                        calls: 100,
                        period: 3600 * SECOND,
                    };
                    let cost = Cost {
                        tool: &echo(),
                        rate: Some(rate),
                        repeat: None,
                    };
                    let now = Instant::now();
                    (0..50).filter(|_| budget.spend(&cost, now).is_ok()).count()
                })
            })
            .collect();
        racing.into_iter().map(|one| one.join().unwrap()).sum()
    });
    assert_eq!(passed, 100);
}

#[test]
fn another_boot_starts_empty() {
    let place = Place::new();
    let mut budget = place.budget();
    for _ in 0..2 {
        assert_eq!(limited(&mut budget, 1_000_000), Ok(()));
    }
    assert_eq!(limited(&mut budget, 1_000_000), too_often(5));
    let later = Boot([8; 16]);
    for mut budget in [place.budget(), budget] {
        assert_eq!(limited_in(&mut budget, 10, later), Ok(()));
    }
    assert_eq!(limited_in(&mut place.budget(), 10, later), too_often(5));
}

#[test]
fn a_damaged_file_is_a_spent_budget_and_not_for_ever() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 6] = [
        ("a header of zeros", |bytes| bytes[..64].fill(0)),
        ("a record of zeros", |bytes| bytes[64..128].fill(0)),
        ("a flipped bit in a record", |bytes| bytes[70] ^= 1),
        ("less than a header", |bytes| bytes.truncate(40)),
        ("other text", |bytes| *bytes = b"x".repeat(640)),
        ("too much", |bytes| bytes.resize(9 << 20, 0)),
    ];
    for (what, damage) in damages {
        // The one who had read it before, and one who had not.
        for known in [true, false] {
            let place = Place::new();
            let mut budget = place.budget();
            assert_eq!(limited(&mut budget, 100), Ok(()));
            assert_eq!(limited(&mut budget, 100), Ok(()));
            assert_eq!(limited(&mut budget, 200), Ok(()), "without the damage");
            let mut bytes = fs::read(place.path()).unwrap();
            damage(&mut bytes);
            fs::write(place.path(), &bytes).unwrap();
            if !known {
                budget = place.budget();
            }
            let in_a_record = what.contains("record") && known;
            if in_a_record {
                // What was read needs not be read again; it was right.
                assert_eq!(limited(&mut budget, 300), Ok(()), "{what}");
                continue;
            }
            assert_eq!(limited(&mut budget, 300), too_often(5), "{what}");
            assert!(repeated(&mut place.budget(), 1, 300).is_err(), "{what}");
            assert_eq!(limited(&mut place.budget(), 304), too_often(1), "{what}");
            assert_eq!(limited(&mut budget, 305), Ok(()), "{what}");
            assert_eq!(repeated(&mut budget, 1, 310), Ok(()), "{what}");
        }
    }
}

#[test]
fn what_a_killed_session_leaves_is_no_damage() {
    let place = Place::new();
    // Made and locked, and then nothing.
    fs::write(place.path(), b"").unwrap();
    let mut budget = place.budget();
    assert_eq!(limited(&mut budget, 100), Ok(()));
    // A full disk may have taken a part of a record, for which its call was refused.
    let mut bytes = fs::read(place.path()).unwrap();
    bytes.extend([1; 20]);
    fs::write(place.path(), &bytes).unwrap();
    fs::write(place.path().with_extension("new"), b"half").unwrap();
    assert_eq!(limited(&mut place.budget(), 100), Ok(()));
    assert_eq!(limited(&mut budget, 100), too_often(5));
    assert_eq!(place.size(), SIZE * 3);
    // Whoever throws the file away begins anew, also for sessions that had read it.
    fs::remove_file(place.path()).unwrap();
    assert_eq!(limited(&mut budget, 100), Ok(()));
}

#[test]
fn it_stays_small() {
    let place = Place::new();
    let (mut one, mut other) = (place.budget(), place.budget());
    for call in 0..5000 {
        let budget = if call % 3 == 0 { &mut other } else { &mut one };
        assert_eq!(repeated(budget, call, 100 + call / 100), Ok(()));
        assert!(place.size() <= SIZE * (2 + 2 * MANY), "{call}");
    }
    let left = 10 * SECOND;
    for budget in [&mut one, &mut other, &mut place.budget()] {
        assert_eq!(repeated(budget, 4999, 149), Err(Unpaid::Repeated { left }));
    }
    assert!(!place.path().with_extension("new").exists());
}

#[test]
fn what_can_not_be_noted_is_refused() {
    let place = Place::new();
    let folder = SharedBudget::new(place.0.path().join("none/budget"));
    for (mut budget, part) in [
        (folder, "No such file"),
        (SharedBudget::new("/dev/full".into()), "regular"),
    ] {
        unknown(limited(&mut budget, 100), part);
    }
    std::os::unix::fs::symlink(place.0.path().join("x"), place.path()).unwrap();
    unknown(limited(&mut place.budget(), 100), "symbolic link");
    fs::remove_file(place.path()).unwrap();
    let mut budget = place.budget();
    assert_eq!(limited(&mut budget, 100), Ok(()));
    let held = budget.lock().unwrap();
    unknown(limited(&mut place.budget(), 100), "another session");
    drop(held);
    assert_eq!(limited(&mut place.budget(), 100), Ok(()));
}
