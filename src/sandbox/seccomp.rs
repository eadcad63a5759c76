//! The system call filter: rules in, BPF programs out, and their installation.
//!
//! Three programs are stacked and the kernel takes the strictest answer, the
//! youngest program's among equals: a guard against other architectures' calls,
//! the allowlist (ENOSYS for the rest), and the denials (EPERM). In the latter two, calls whose
//! arguments don't matter are answered first (`call_search`); the others are left to seccompiler's
//! program, which follows.
//!
//! A server whose manifest lists its system calls has a fourth program, which can only take away.

use std::collections::{BTreeMap, BTreeSet};

use seccompiler::{
    SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    TargetArch, sock_filter,
};

use super::SandboxError;
use super::call_search::{
    JUMP_IF_AT_LEAST, KILL_PROCESS, RETURN, answer_for, instruction, number_of_own,
};
use crate::sys;

/// What a server may call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyscallRules {
    /// Everything else gets ENOSYS.
    pub allow: Vec<CallRule>,
    /// EPERM, also where `allow` would let it through.
    pub deny: Vec<CallRule>,
}

/// Calls that share a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRule {
    pub calls: Vec<String>,
    /// Alternatives, each a list of conditions that must all hold; empty means always.
    pub when: Vec<Vec<Condition>>,
}

/// A test of one argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// 0–5.
    pub argument: u8,
    /// Whether only the lower 32 bits are compared, as the kernel does for an `int`.
    pub lower_half: bool,
    pub test: Test,
}

/// How an argument is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Test {
    Equals(u64),
    Differs(u64),
    Masked { mask: u64, equals: u64 },
}

/// An architecture whose calls are judged.
#[derive(Clone, Copy)]
pub struct Architecture {
    /// As `std::env::consts::ARCH` has it.
    pub name: &'static str,
    /// `AUDIT_ARCH_*` (linux/audit.h), as the kernel says it of a call.
    pub audit: u32,
    /// The number of a call; `None` when there is no such call.
    pub number: fn(&str) -> Option<i64>,
}

impl Architecture {
    /// The one that this is compiled for.
    pub const HERE: Self = Self {
        name: std::env::consts::ARCH,
        audit: sys::AUDIT_ARCH,
        number: sys::syscall_number,
    };
}

/// linux/bpf_common.h: `BPF_MAXINSNS`
const MAX_INSTRUCTIONS: usize = 4096;

type Chains = BTreeMap<i64, Vec<SeccompRule>>;

/// Compiles the programs that [`install`] takes, packed as [`super::SandboxSpec::filters`] says.
///
/// Names that this architecture doesn't have are left out.
///
/// # Errors
/// When a condition is impossible or a program grows over the kernel's bound.
pub fn compile(rules: &SyscallRules) -> Result<Vec<Vec<u64>>, SandboxError> {
    compile_for(rules, Architecture::HERE)
}

/// As [`compile`], for any architecture.
///
/// # Errors
/// As [`compile`], and when the architecture is unknown.
pub fn compile_for(
    rules: &SyscallRules,
    architecture: Architecture,
) -> Result<Vec<Vec<u64>>, SandboxError> {
    let refused = SeccompAction::Errno(libc_errno(nix::errno::Errno::EPERM));
    let unknown = SeccompAction::Errno(libc_errno(nix::errno::Errno::ENOSYS));
    let target = TargetArch::try_from(architecture.name).map_err(build_error)?;
    let program = |rules, otherwise, matched| {
        let chains = chains(rules, architecture.number)?;
        program(chains, otherwise, matched, target, architecture.audit)
    };
    Ok(vec![
        architecture_guard(architecture.audit),
        program(&rules.allow, unknown, SeccompAction::Allow)?,
        program(&rules.deny, SeccompAction::Allow, refused)?,
    ])
}

/// The program of a server's own list: whatever it doesn't name gets ENOSYS. It is stacked upon those
/// of [`compile`], so it can only take away. Names that this architecture doesn't have are left out.
///
/// # Errors
/// As [`compile`].
pub fn compile_list(calls: &BTreeSet<String>) -> Result<Vec<u64>, SandboxError> {
    let listed = CallRule {
        calls: calls.iter().cloned().collect(),
        when: Vec::new(),
    };
    let unknown = SeccompAction::Errno(libc_errno(nix::errno::Errno::ENOSYS));
    let here = Architecture::HERE;
    let target = TargetArch::try_from(here.name).map_err(build_error)?;
    let chains = chains(&[listed], here.number)?;
    program(chains, unknown, SeccompAction::Allow, target, here.audit)
}

/// Installs the programs on this thread, in order.
pub(super) fn install<'f>(
    filters: impl IntoIterator<Item = &'f Vec<u64>>,
) -> Result<(), SandboxError> {
    for packed in filters {
        let program: Vec<sock_filter> = packed.iter().copied().map(unpack).collect();
        seccompiler::apply_filter(&program)
            .map_err(|error| SandboxError::FilterInstall(error.to_string()))?;
    }
    Ok(())
}

fn libc_errno(errno: nix::errno::Errno) -> u32 {
    (errno as i32).unsigned_abs()
}

fn chains(rules: &[CallRule], number: fn(&str) -> Option<i64>) -> Result<Chains, SandboxError> {
    let mut chains = Chains::new();
    let mut unconditional = Vec::new();
    for rule in rules {
        let numbers = rule.calls.iter().filter_map(|name| number(name));
        for number in numbers {
            if rule.when.is_empty() {
                unconditional.push(number);
            }
            let chain = chains.entry(number).or_default();
            for alternative in &rule.when {
                chain.push(alternative_rule(alternative)?);
            }
        }
    }
    for number in unconditional {
        // An empty chain matches always.
        chains.insert(number, Vec::new());
    }
    Ok(chains)
}

fn alternative_rule(conditions: &[Condition]) -> Result<SeccompRule, SandboxError> {
    let conditions = conditions
        .iter()
        .map(|condition| {
            let length = if condition.lower_half {
                SeccompCmpArgLen::Dword
            } else {
                SeccompCmpArgLen::Qword
            };
            let (operator, value) = match condition.test {
                Test::Equals(value) => (SeccompCmpOp::Eq, value),
                Test::Differs(value) => (SeccompCmpOp::Ne, value),
                Test::Masked { mask, equals } => (SeccompCmpOp::MaskedEq(mask), equals),
            };
            SeccompCondition::new(condition.argument, length, operator, value)
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(build_error)?;
    SeccompRule::new(conditions).map_err(build_error)
}

fn program(
    chains: Chains,
    otherwise: SeccompAction,
    matched: SeccompAction,
    target: TargetArch,
    audit: u32,
) -> Result<Vec<u64>, SandboxError> {
    let (always, conditional): (Chains, Chains) = chains
        .into_iter()
        .partition(|(_, alternatives)| alternatives.is_empty());
    let numbers: Result<Vec<u32>, _> = always.into_keys().map(u32::try_from).collect();
    let numbers = numbers.map_err(build_error)?;
    let mut program = answer_for(&numbers, u32::from(matched.clone()), audit);
    let filter =
        SeccompFilter::new(conditional, otherwise, matched, target).map_err(build_error)?;
    let rest = seccompiler::BpfProgram::try_from(filter).map_err(build_error)?;
    program.extend(rest.iter().map(pack));
    if program.len() > MAX_INSTRUCTIONS {
        return Err(build_error(
            "it has more instructions than the kernel takes",
        ));
    }
    Ok(program)
}

fn build_error(error: impl std::fmt::Display) -> SandboxError {
    SandboxError::FilterBuild(error.to_string())
}

/// Kills the process for calls of another architecture and, on x86_64, of the x32 interface, whose
/// numbers pass for x86_64 ones in `seccomp_data.arch` (seccomp(2), "Caveats").
fn architecture_guard(audit: u32) -> Vec<u64> {
    // linux/seccomp.h and asm/unistd.h
    const ALLOW: u64 = 0x7fff_0000;
    const X32_BIT: u64 = 0x4000_0000;
    let mut program = number_of_own(audit);
    program.extend([
        instruction(JUMP_IF_AT_LEAST, 0, 1, X32_BIT),
        instruction(RETURN, 0, 0, KILL_PROCESS),
        instruction(RETURN, 0, 0, ALLOW),
    ]);
    program
}

fn pack(filter: &sock_filter) -> u64 {
    instruction(
        filter.code.into(),
        filter.jt.into(),
        filter.jf.into(),
        filter.k.into(),
    )
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "each field is cut out of its own bits"
)]
fn unpack(packed: u64) -> sock_filter {
    sock_filter {
        code: (packed >> 48) as u16,
        jt: (packed >> 40) as u8,
        jf: (packed >> 32) as u8,
        k: packed as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_every_field() {
        let instruction = sock_filter {
            code: 0x1234,
            jt: 0x56,
            jf: 0x78,
            k: 0x9abc_def0,
        };
        let back = unpack(pack(&instruction));
        assert_eq!(
            (back.code, back.jt, back.jf, back.k),
            (
                instruction.code,
                instruction.jt,
                instruction.jf,
                instruction.k
            )
        );
    }

    #[test]
    fn an_unconditional_rule_wins_over_a_conditional_one() {
        let conditional = CallRule {
            calls: vec!["socket".into()],
            when: vec![vec![Condition {
                argument: 0,
                lower_half: true,
                test: Test::Equals(2),
            }]],
        };
        let unconditional = CallRule {
            calls: vec!["socket".into()],
            when: vec![],
        };
        for rules in [
            [conditional.clone(), unconditional.clone()],
            [unconditional, conditional],
        ] {
            let chains = chains(&rules, sys::syscall_number).unwrap();
            assert!(chains.values().all(Vec::is_empty));
        }
    }

    #[test]
    fn unknown_names_are_left_out() {
        let rule = CallRule {
            calls: vec!["no_such_call".into()],
            when: vec![],
        };
        assert!(chains(&[rule], sys::syscall_number).unwrap().is_empty());
    }
}
