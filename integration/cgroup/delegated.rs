//! What the daemon does with a subtree, in processes that are put into one: these are this very
//! program, started with [`OTHER_HALF`].

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

use nix::unistd::{Pid, getpid};
use pinfold::cgroup::{Group, own_folder};
use pinfold::daemon::cgroup::{Delegated, NotDelegated};

use super::{Ground, group_of, proc};
use crate::support::processes::wait_until;

const OTHER_HALF: &str = "cgroup::delegated::other_half";
const GROUP: &str = "PINFOLD_TEST_GROUP";
const TASK: &str = "PINFOLD_TEST_TASK";

fn run(ground: &Ground, task: &str) -> Output {
    Command::new(std::env::current_exe().unwrap())
        .args([OTHER_HALF, "--exact", "--ignored", "--nocapture"])
        .env(GROUP, ground.path())
        .env(TASK, task)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

#[test]
#[ignore = "the other half of the tests beside it, which start it"]
fn other_half() {
    let (Some(group), Ok(task)) = (std::env::var_os(GROUP), std::env::var(TASK)) else {
        return;
    };
    let group = Group::at(group);
    // Where one has passed its controllers on, nobody else gets into the group itself: systemd starts
    // the next one below it (DelegateSubgroup=).
    let below = Group::at(group.path().join("supervisor"));
    let place = if below.path().is_dir() { below } else { group };
    place.place(getpid()).unwrap();
    match task.as_str() {
        "find" => println!(
            "found: {:?}",
            Delegated::find().map_err(|error| named(&error))
        ),
        "find twice" => {
            let first = Delegated::find().unwrap();
            let second = Delegated::find().unwrap();
            assert_eq!(first.path(), second.path());
        }
        "sessions" => sessions(),
        other => panic!("{other}"),
    }
}

fn named(error: &NotDelegated) -> &'static str {
    match error {
        NotDelegated::NotMarked(_) => "not marked",
        NotDelegated::Shared(_) => "shared",
        NotDelegated::NotOurs(_) => "not ours",
        _ => "other",
    }
}

/// Neither made nor moved.
fn is_untouched(ground: &Ground) -> bool {
    ground.group.below().is_empty()
        && ground
            .group
            .read("cgroup.subtree_control")
            .is_some_and(|text| text.trim().is_empty())
}

#[test]
fn what_was_not_delegated_is_left_alone() {
    let test = "what_was_not_delegated_is_left_alone";
    let Some(ground) = Ground::new(test) else {
        return;
    };
    assert!(said(&run(&ground, "find")).contains("Err(\"not marked\")"));
    assert!(is_untouched(&ground));
    ground.mark("0");
    assert!(said(&run(&ground, "find")).contains("Err(\"not marked\")"));
    assert!(is_untouched(&ground));

    // Delegated to somebody else, who has started us.
    ground.mark("1");
    let mut other = Command::new("sleep").arg("600").spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(other.id()).unwrap());
    ground.group.place(pid).unwrap();
    assert!(said(&run(&ground, "find")).contains("Err(\"shared\")"));
    assert!(is_untouched(&ground));
    other.kill().unwrap();
    other.wait().unwrap();

    // The control: the same group is taken when nothing of this is so.
    assert!(said(&run(&ground, "find")).contains("Ok("));
    assert!(ground.path().join("supervisor").is_dir());
    // And by the next daemon.
    assert!(said(&run(&ground, "find twice")).contains("1 passed"));
}

#[test]
fn sessions_have_groups_that_end_with_all_that_is_in_them() {
    let test = "sessions_have_groups_that_end_with_all_that_is_in_them";
    let Some(ground) = Ground::new(test) else {
        return;
    };
    ground.mark("1");
    said(&run(&ground, "sessions"));
    let left: Vec<_> = ground.group.below();
    assert_eq!(left, [Group::at(ground.path().join("supervisor"))]);
}

/// A shell that waits for a line, and then has children that would not end by themselves and are
/// not waited for. None holds an output of ours.
fn stubborn() -> Child {
    let script = "read go; trap '' TERM HUP; (setsid sleep 600 &) ; setsid sleep 600 & sleep 600";
    Command::new("sh")
        .args(["-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn sessions() {
    let delegated = Delegated::find().unwrap();
    let own = own_folder(&proc("self/cgroup"), &proc("self/mountinfo")).unwrap();
    assert_eq!(own, delegated.path().join("supervisor"));

    for way in ["end", "drop", "one by one"] {
        let session = delegated.session("a-1").unwrap();
        assert!(delegated.session("a-1").is_err());
        let folder = session.folder().to_owned();
        let mut process = stubborn();
        let pid = Pid::from_raw(i32::try_from(process.id()).unwrap());
        session.place(pid).unwrap();
        assert!(group_of(pid.as_raw()).ends_with("/a-1/relay"));
        process.stdin.take().unwrap().write_all(b"go\n").unwrap();
        let relay = Group::at(folder.join("relay"));
        wait_until("all that it starts", || relay.processes().len() >= 3);
        assert!(Group::at(&folder).is_populated());
        match way {
            "end" => session.end().unwrap(),
            "drop" => drop(session),
            _ => {
                Group::at(&folder).kill_one_by_one();
                assert!(!Group::at(&folder).is_populated());
                drop(session);
            }
        }
        process.wait().unwrap();
        wait_until("the group to go", || !folder.exists());
    }
    for odd in ["..", "a/b", "", "supervisor"] {
        assert!(delegated.session(odd).is_err(), "{odd}");
    }
    let empty = delegated.session("empty").unwrap();
    assert_eq!(empty.counts(), pinfold::cgroup::Counts::default());
    empty.end().unwrap();
}
