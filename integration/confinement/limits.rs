//! Limits hold, and no capability is left.

use serde_json::json;

use super::Ground;
use crate::support::skip;

#[test]
fn limits_cannot_be_raised_again() {
    let mut ground = Ground::new(&[]);
    let outside: Vec<u64> = serde_json::from_str(
        ground
            .bare(
                "
                import resource
                return [resource.getrlimit(number)[1] % (1 << 64) for number in (1, 2, 7)]",
                &json!({}),
            )
            .strip_prefix("ok: ")
            .unwrap(),
    )
    .unwrap();
    // RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_NOFILE
    for (resource, hard) in [1, 2, 7].into_iter().zip(outside) {
        let limit = json!({"resource": resource, "hard": hard});
        let now = ground.allowed_inside(
            "
            import resource as limits
            soft, hard = limits.getrlimit(resource)
            assert soft == hard
            return hard % (1 << 64)",
            &json!({"resource": resource}),
        );
        if now.as_u64().unwrap() >= hard {
            skip(
                "limits_cannot_be_raised_again",
                &format!("limit {resource} is as low outside"),
            );
            continue;
        }
        // What was the limit outside is allowed there, and can't be had back inside.
        let raise = "call('prlimit64', 0, resource, ctypes.create_string_buffer(struct.pack('=QQ', hard, hard)), None)";
        ground.refused(raise, limit);
    }
    ground.allowed_inside(
        "
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))",
        &json!({}),
    );
}

#[test]
fn nothing_is_left_of_root() {
    let mut ground = Ground::new(&[]);
    let status = ground.allowed_inside(
        "return [line for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNewPrivs', 'Seccomp:'))]",
        &json!({}),
    );
    let status = status.to_string();
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert!(
            status.contains(&format!("{set}:\\t0000000000000000")),
            "{status}"
        );
    }
    assert!(
        status.contains("NoNewPrivs:\\t1") && status.contains("Seccomp:\\t2"),
        "{status}"
    );
    if crate::support::is_root() {
        assert!(status.contains("CapBnd:\\t0000000000000000"), "{status}");
    }
}
