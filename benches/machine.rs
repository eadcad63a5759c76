//! On what the figures were measured.

use std::fs;
use std::process::Command;

/// One line: kernel, processors, load, and the versions that matter.
pub(crate) fn description() -> String {
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo")
        .unwrap_or_default()
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map(|(_, model)| format!(" ({model})"))
        .unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "pinfold {}, Linux {}, {processors} processors{model}, load {} at the start, node {}, npm {}",
        env!("CARGO_PKG_VERSION"),
        kernel.trim(),
        load.split(' ').next().unwrap_or_default(),
        version("node"),
        version("npm"),
    )
}

pub(crate) fn version(program: &str) -> String {
    Command::new(program)
        .arg("--version")
        .output()
        .ok()
        .filter(|output| output.status.success())
        .map_or_else(
            || "missing".to_owned(),
            |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
        )
}
