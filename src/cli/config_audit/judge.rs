//! All rules over all configs.

use super::super::import::Mask;
use super::entry::Entry;
use super::finding::{Finding, Severity};
use super::machine::Machine;
use super::rules::{across, files, of_file, of_server};
use crate::config::clients::{ClientFile, ClientFileError, FoundPlace};

/// A config that was found, and what it says.
pub(super) struct Read {
    pub place: FoundPlace,
    pub file: Result<ClientFile, ClientFileError>,
}

/// A config and what is wrong with it, in the order of its lines.
pub(super) struct Audited<'r> {
    pub place: &'r FoundPlace,
    pub findings: Vec<Finding>,
}

pub(super) fn audited<'r>(read: &'r [Read], machine: &dyn Machine) -> Vec<Audited<'r>> {
    let entries: Vec<Vec<Entry<'_>>> = read
        .iter()
        .map(|one| match &one.file {
            Ok(file) => {
                let servers = file.servers.iter();
                servers.map(|server| Entry::new(file, server)).collect()
            }
            Err(_) => Vec::new(),
        })
        .collect();
    let across = across::rule(&entries);
    let of_each = read.iter().zip(&entries).zip(across);
    of_each
        .map(|((one, entries), across)| {
            let mut findings = match &one.file {
                Err(error) => vec![files::unreadable(error)],
                Ok(file) => {
                    let mut findings = of_file(file, entries, machine);
                    for entry in entries {
                        findings.extend(of_server(entry, machine));
                    }
                    findings.extend(across);
                    hide_secrets(file, &mut findings);
                    findings
                }
            };
            findings.sort_by(|a, b| (a.at, a.rule, &a.subject).cmp(&(b.at, b.rule, &b.subject)));
            findings.dedup();
            Audited {
                place: &one.place,
                findings,
            }
        })
        .collect()
}

/// Whatever a message quotes: no secret of the file is in it.
fn hide_secrets(file: &ClientFile, findings: &mut [Finding]) {
    let mask = Mask::of(file);
    for finding in findings {
        finding.message = mask.apply(&finding.message);
        finding.subject = mask.apply(&finding.subject);
    }
}

/// How many there are of a severity.
pub(super) fn count(audited: &[Audited<'_>], severity: Severity) -> usize {
    let all = audited.iter().flat_map(|file| &file.findings);
    all.filter(|finding| finding.row().severity == severity)
        .count()
}

/// The worst there is.
pub(super) fn worst(audited: &[Audited<'_>]) -> Option<Severity> {
    let all = audited.iter().flat_map(|file| &file.findings);
    all.map(|finding| finding.row().severity).min()
}
