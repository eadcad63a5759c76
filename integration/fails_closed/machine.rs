//! A kernel that lacks something: each call that the box is made of fails in turn.

use super::Launch;

/// What is injected (fixtures/kernel.py), and what pinfold says about it.
const KERNELS: &[(&str, &[&str], &[&str])] = &[
    (
        "no Landlock in the kernel",
        &["landlock_create_ruleset,ENOSYS"],
        &["no Landlock", "lsm="],
    ),
    (
        "Landlock off at boot",
        &["landlock_create_ruleset,EOPNOTSUPP"],
        &["no Landlock", "lsm="],
    ),
    (
        "Linux 5.19",
        &["landlock=2"],
        &["Landlock ABI 2", "ABI 4", "newer kernel"],
    ),
    ("Linux 6.2", &["landlock=3"], &["Landlock ABI 3", "ABI 4"]),
    // The question is answered and the rules are refused.
    (
        "Landlock rulesets",
        &["landlock_create_ruleset,2,0,EPERM"],
        &["step `landlock`", "pinfold doctor"],
    ),
    (
        "Landlock rules",
        &["landlock_add_rule,ENOMEM"],
        &["step `landlock`", "pinfold doctor"],
    ),
    (
        "Landlock itself",
        &["landlock_restrict_self,EPERM"],
        &["step `landlock`", "pinfold doctor"],
    ),
    (
        "seccomp",
        &["seccomp,EPERM"],
        &["step `seccomp`", "pinfold doctor"],
    ),
    (
        "seccomp call",
        &["seccomp,ENOSYS"],
        &["step `seccomp`", "pinfold doctor"],
    ),
    (
        "no_new_privs",
        &["prctl,0,38,EPERM"],
        &["step `no-new-privileges`", "pinfold doctor"],
    ),
    (
        "rlimits",
        &["prlimit64,2,!0,EPERM"],
        &["step `resource-limits`", "pinfold doctor"],
    ),
    (
        "capabilities",
        &["capset,EPERM"],
        &["step `capabilities`", "pinfold doctor"],
    ),
    // The call succeeds and nothing has happened: the box is tried before it is trusted.
    (
        "Landlock that does nothing",
        &["landlock_restrict_self,LIES"],
        &["step `self-check`", "/ can be listed", "pinfold doctor"],
    ),
    (
        "seccomp that does nothing",
        &["seccomp,LIES"],
        &["step `self-check`", "UNIX socket", "pinfold doctor"],
    ),
    (
        "memfd",
        &["memfd_create,ENOSYS"],
        &["step `spec`", "pinfold doctor"],
    ),
    (
        "close_range",
        &["close_range,ENOSYS"],
        &["step `descriptors`", "pinfold doctor"],
    ),
    (
        "setsid",
        &["setsid,EPERM"],
        &["step `session`", "pinfold doctor"],
    ),
    (
        "dumpable",
        &["prctl,0,4,EPERM"],
        &["step `session`", "pinfold doctor"],
    ),
    (
        "PDEATHSIG",
        &["prctl,0,1,EPERM"],
        &["step `session`", "pinfold doctor"],
    ),
    (
        "subreaper",
        &["prctl,0,36,EPERM"],
        &["step `monitor`", "pinfold doctor"],
    ),
    (
        "signalfd",
        &["signalfd4,ENOSYS"],
        &["step `monitor`", "pinfold doctor"],
    ),
    (
        "pidfd",
        &["pidfd_open,ENOSYS"],
        &["step `monitor`", "pinfold doctor"],
    ),
    (
        "pidfd signals",
        &["pidfd_send_signal,ENOSYS"],
        &["step `monitor`", "pinfold doctor"],
    ),
];

/// Only root has these to lose.
const ROOT_KERNELS: &[(&str, &[&str], &[&str])] = &[
    (
        "capabilities that stay",
        &["capset,LIES"],
        &["step `self-check`", "CapPrm"],
    ),
    (
        "bounding set",
        &["prctl,0,24,EPERM"],
        &["step `capabilities`"],
    ),
    (
        "securebits",
        &["prctl,0,28,EPERM"],
        &["step `capabilities`"],
    ),
];

fn kernels() -> impl Iterator<
    Item = &'static (
        &'static str,
        &'static [&'static str],
        &'static [&'static str],
    ),
> {
    let of_root: &[_] = if crate::support::is_root() {
        ROOT_KERNELS
    } else {
        &[]
    };
    KERNELS.iter().chain(of_root)
}

#[test]
fn a_launch_is_refused_and_names_the_step() {
    let launch = Launch::new();
    // The injection itself harms nothing: with a call that nobody makes, or the true answer, it starts.
    launch.works_with(&mut launch.on_kernel(&["setsid,0,77,EPERM"], &["run", "puppet"]));
    launch.works_with(&mut launch.on_kernel(&["landlock=4"], &["run", "puppet"]));
    for (name, wishes, says) in kernels() {
        eprintln!("{name}");
        launch.refused_with(&mut launch.on_kernel(wishes, &["run", "puppet"]), says);
    }
    launch.works();
}

/// Calls that make the full tier. Where one fails, the machine is one that refuses namespaces.
const NAMESPACES: &[&str] = &[
    "clone,0,0x7e020011,EPERM",
    "clone,0,0x7e020011,ENOSPC",
    "sethostname,EPERM",
    "mount,EPERM",
    "fsopen,ENOSYS",
    "fsopen,EPERM",
    "fsconfig,EPERM",
    "fsmount,EPERM",
    "open_tree,EPERM",
    "mount_setattr,EPERM",
    "move_mount,EPERM",
    "pivot_root,EINVAL",
    "umount2,EPERM",
];

#[test]
fn without_namespaces_it_falls_back_and_says_so() {
    let launch = Launch::new();
    let in_force = || {
        let log = std::fs::read_to_string(launch.home.state("puppet").join("stderr.log")).unwrap();
        log.lines()
            .rfind(|line| line.contains("in force"))
            .unwrap()
            .to_owned()
    };
    assert!(in_force().contains("own-root"), "{}", in_force());
    for wish in NAMESPACES {
        launch.works_with(&mut launch.on_kernel(&[wish], &["run", "puppet"]));
        let line = in_force();
        assert!(
            line.contains("landlock") && line.contains("seccomp"),
            "{wish}: {line}"
        );
        assert!(
            !line.contains("own-root") && !line.contains("namespaces"),
            "{wish}: {line}"
        );
        let output = launch.on_kernel(&[wish], &["doctor"]).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(
            report.contains("no namespaces on this machine"),
            "{wish}: {report}"
        );
    }
}

/// The same on machines that really refuse: no namespace left to make, and part of /proc hidden as
/// in most containers.
#[test]
fn where_namespaces_are_really_refused_it_falls_back() {
    const TEST: &str = "where_namespaces_are_really_refused_it_falls_back";
    let launch = Launch::new();
    let machines = [
        (
            "echo 0 > /proc/sys/user/max_user_namespaces",
            "could not make them",
        ),
        (
            "mount -t tmpfs -o ro none /proc/tty",
            "could not mount a /proc of its own",
        ),
    ];
    for (preparation, reason) in machines {
        let script = format!("{preparation} && exec \"$@\"");
        let unshare = [
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            &script,
            "sh",
        ];
        let mut starter = std::process::Command::new("unshare");
        starter.args(unshare);
        let able = std::process::Command::new("unshare")
            .args(unshare)
            .arg("true")
            .output();
        if !able.is_ok_and(|output| output.status.success()) {
            return crate::support::skip(TEST, "this machine has no namespaces to take away");
        }
        launch.works_with(&mut launch.behind(&starter, &["run", "puppet"]));
        let output = launch.behind(&starter, &["doctor"]).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout);
        assert!(
            report.contains(reason) && report.contains("ok       box"),
            "{report}"
        );
    }
}

#[test]
fn without_namespaces_it_is_refused_where_they_are_required() {
    let launch = Launch::new();
    let manifest = launch.home.manifest();
    let mut text = std::fs::read_to_string(&manifest).unwrap();
    text.push_str("\n[servers.puppet.layers]\nnamespaces = \"required\"\n");
    std::fs::write(&manifest, text).unwrap();
    launch.home.succeed(["lock", "puppet"]);
    launch.works();
    for wish in NAMESPACES {
        launch.refused_with(
            &mut launch.on_kernel(&[wish], &["run", "puppet"]),
            &["namespaces are required", "packaging/apparmor/pinfold"],
        );
    }
    launch.works();
}

/// An old kernel with namespaces is enough where the manifest says so.
#[test]
fn without_landlock_a_root_of_its_own_is_enough_where_it_is_required() {
    let launch = Launch::new();
    let manifest = launch.home.manifest();
    let mut text = std::fs::read_to_string(&manifest).unwrap();
    text.push_str(
        "\n[servers.puppet.layers]\nnamespaces = \"required\"\nlandlock = \"preferred\"\n",
    );
    std::fs::write(&manifest, text).unwrap();
    launch.home.succeed(["lock", "puppet"]);
    launch.works();
    for wish in [
        "landlock_create_ruleset,ENOSYS",
        "landlock=1",
        "landlock=2",
        "landlock=3",
    ] {
        launch.works_with(&mut launch.on_kernel(&[wish], &["run", "puppet"]));
    }
    launch.refused_with(
        &mut launch.on_kernel(
            &["landlock_create_ruleset,ENOSYS", "clone,0,0x7e020011,EPERM"],
            &["run", "puppet"],
        ),
        &["namespaces are required"],
    );
}

#[test]
fn doctor_says_what_is_missing() {
    let launch = Launch::new();
    let doctor = |wishes: &[&str]| {
        let output = launch.on_kernel(wishes, &["doctor"]).output().unwrap();
        let report = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), report)
    };
    let (code, report) = doctor(&["setsid,0,77,EPERM"]);
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("ok       box"), "{report}");
    for (name, wishes, says) in kernels() {
        let (code, report) = doctor(wishes);
        assert_eq!(code, Some(3), "{name}: {report}");
        assert!(report.contains("missing  box"), "{name}: {report}");
        // In `run` it points here; here it says what to do instead.
        for word in says.iter().filter(|word| **word != "pinfold doctor") {
            assert!(report.contains(word), "{name}: no `{word}` in {report}");
        }
    }
    let (_, report) = doctor(&["landlock_create_ruleset,ENOSYS"]);
    assert!(report.contains("missing  landlock"), "{report}");
    let (_, report) = doctor(&["landlock=2"]);
    assert!(report.contains("missing  landlock      ABI 2"), "{report}");
}
