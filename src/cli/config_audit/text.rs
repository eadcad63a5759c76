//! The findings for people: by file, a line each, and below them what to do.

use super::super::output;
use super::finding::{Finding, Severity};
use super::judge::{Audited, count};

/// Longest message, in characters.
const MAX_MESSAGE: usize = 300;

pub(super) fn show(audited: &[Audited<'_>]) {
    let files = match audited.len() {
        1 => "1 file".to_owned(),
        count => format!("{count} files"),
    };
    for file in audited.iter().filter(|file| !file.findings.is_empty()) {
        let path = file.place.path.display().to_string();
        let client = file.place.client.name();
        output::data(&format!("{} ({client})", output::foreign(&path, 400)));
        for line in lines(&file.findings) {
            output::data(&line);
        }
        for (fix, codes) in fixes(&file.findings, &path) {
            let fix = output::foreign(&fix, MAX_MESSAGE + path.len());
            output::data(&format!("  fix {}: {fix}", codes.join(", ")));
        }
        output::data("");
    }
    let counts: Vec<String> = [Severity::Error, Severity::Warning, Severity::Note]
        .into_iter()
        .filter_map(|severity| match count(audited, severity) {
            0 => None,
            1 => Some(format!("1 {}", severity.name())),
            many => Some(format!("{many} {}s", severity.name())),
        })
        .collect();
    output::data(&match counts.is_empty() {
        true => format!("nothing found in {files}"),
        false => format!("{} in {files}", counts.join(", ")),
    });
}

fn lines(findings: &[Finding]) -> Vec<String> {
    let place = |finding: &Finding| {
        let at = finding.at;
        at.map_or_else(String::new, |at| format!("{}:{}", at.line, at.column))
    };
    let places: Vec<String> = findings.iter().map(place).collect();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or_default();
    let place_width = widest(&mut places.iter().map(String::len));
    let code_width = widest(&mut findings.iter().map(|finding| finding.row().code.len()));
    findings
        .iter()
        .zip(places)
        .map(|(finding, place)| {
            let row = finding.row();
            let server = match &finding.server {
                Some(server) => format!("{}: ", output::foreign(server, 60)),
                None => String::new(),
            };
            let message = output::foreign(&finding.message, MAX_MESSAGE);
            format!(
                "  {place:>place_width$}  {:<7}  {:<code_width$}  {server}{message}",
                row.severity.name(),
                row.code
            )
        })
        .collect()
}

/// Each fix once, with the codes that it is for.
fn fixes(findings: &[Finding], path: &str) -> Vec<(String, Vec<&'static str>)> {
    let mut fixes: Vec<(String, Vec<&'static str>)> = Vec::new();
    for finding in findings {
        let (fix, code) = (finding.fix(path), finding.row().code);
        match fixes.iter_mut().find(|(known, _)| *known == fix) {
            Some((_, codes)) if codes.contains(&code) => {}
            Some((_, codes)) => codes.push(code),
            None => fixes.push((fix, vec![code])),
        }
    }
    fixes
}
