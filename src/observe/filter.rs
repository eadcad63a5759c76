//! What the box's filter answers to a call: the same programs that the kernel runs, run here.
//!
//! A call that was refused by the filter and one that the kernel refused for another reason look the
//! same from outside, but ask for different things.

/// `struct seccomp_data`: number, architecture, two words of the instruction pointer, and twelve of
/// the arguments, each 32 bits.
const WORDS: usize = 16;

/// linux/seccomp.h
const RET_ALLOW: u32 = 0x7fff_0000;

/// The programs of a box, packed as `SandboxSpec::filters` says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Filters {
    programs: Vec<Vec<u64>>,
    architecture: u32,
}

impl Filters {
    pub(super) fn new(programs: Vec<Vec<u64>>, architecture: u32) -> Self {
        Self {
            programs,
            architecture,
        }
    }

    /// Whether they let this call through.
    pub(super) fn allow(&self, number: i64, arguments: &[u64; 6]) -> bool {
        let data = data(number, self.architecture, arguments);
        self.programs
            .iter()
            .all(|program| run(program, &data) == Some(RET_ALLOW))
    }
}

fn data(number: i64, architecture: u32, arguments: &[u64; 6]) -> [u32; WORDS] {
    let mut data = [0; WORDS];
    let halves = |value: u64| {
        let bytes = value.to_ne_bytes();
        let half = |at: usize| {
            u32::from_ne_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        // As they lie in memory.
        [half(0), half(4)]
    };
    // The kernel's own is an int, too.
    data[0] = u32::try_from(number).unwrap_or(u32::MAX);
    data[1] = architecture;
    for (place, argument) in arguments.iter().enumerate() {
        let [first, second] = halves(*argument);
        data[4 + 2 * place] = first;
        data[5 + 2 * place] = second;
    }
    data
}

/// Classic BPF, as far as filters of system calls use it (linux/filter.h); `None` for a program that
/// the kernel would not take.
fn run(program: &[u64], data: &[u32; WORDS]) -> Option<u32> {
    let mut accumulator = 0_u32;
    let mut next = 0_usize;
    loop {
        let packed = *program.get(next)?;
        next += 1;
        let [_, code, if_true, if_false, value] = unpack(packed);
        let jump = |holds: bool| usize::try_from(if holds { if_true } else { if_false }).ok();
        match code {
            // BPF_LD | BPF_W | BPF_ABS
            0x20 => accumulator = *data.get(usize::try_from(value / 4).ok()?)?,
            // BPF_RET | BPF_K
            0x06 => return Some(value),
            // BPF_ALU | BPF_AND | BPF_K
            0x54 => accumulator &= value,
            // BPF_JMP: JA, JEQ, JGT, JGE, JSET
            0x05 => next = next.checked_add(usize::try_from(value).ok()?)?,
            0x15 => next += jump(accumulator == value)?,
            0x25 => next += jump(accumulator > value)?,
            0x35 => next += jump(accumulator >= value)?,
            0x45 => next += jump(accumulator & value != 0)?,
            _ => return None,
        }
    }
}

/// Nothing, code, jt, jf, k.
fn unpack(packed: u64) -> [u32; 5] {
    let part = |shift: u32, mask: u64| u32::try_from(packed >> shift & mask).unwrap_or(0);
    [
        0,
        part(48, 0xffff),
        part(40, 0xff),
        part(32, 0xff),
        part(0, 0xffff_ffff),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::{CallRule, Condition, SyscallRules, Test, compile};
    use crate::sys;

    fn filters() -> Filters {
        let rule = |call: &str, when: Vec<Vec<Condition>>| CallRule {
            calls: vec![call.to_owned()],
            when,
        };
        let inet = Condition {
            argument: 0,
            lower_half: true,
            test: Test::Equals(2),
        };
        let rules = SyscallRules {
            allow: vec![rule("read", vec![]), rule("socket", vec![vec![inet]])],
            deny: vec![rule("ptrace", vec![])],
        };
        Filters::new(compile(&rules).unwrap(), sys::AUDIT_ARCH)
    }

    #[test]
    fn it_answers_as_the_kernel_does() {
        let filters = filters();
        let number = |name: &str| sys::syscall_number(name).unwrap();
        let with = |first: u64| [first, 0, 0, 0, 0, 0];
        for (call, first, expected) in [
            ("read", 0, true),
            ("write", 0, false),
            ("ptrace", 0, false),
            ("socket", 2, true),
            ("socket", 2 | 1 << 32, true),
            ("socket", 1, false),
        ] {
            let allowed = filters.allow(number(call), &with(first));
            assert_eq!(allowed, expected, "{call}({first})");
        }
        assert!(!filters.allow(-1, &with(0)));
        assert!(!filters.allow(100_000, &with(0)));
    }

    #[test]
    fn a_foreign_architecture_is_not_let_through() {
        let mut filters = filters();
        filters.architecture = 0x4000_0003;
        let read = sys::syscall_number("read").unwrap();
        assert!(!filters.allow(read, &[0; 6]));
    }

    #[test]
    fn a_program_that_runs_over_its_end_allows_nothing() {
        assert_eq!(run(&[], &[0; WORDS]), None);
        assert_eq!(run(&[0x20_u64 << 48 | 4096], &[0; WORDS]), None);
        assert_eq!(
            run(&[0x06_u64 << 48 | u64::from(RET_ALLOW)], &[0; WORDS]),
            Some(RET_ALLOW)
        );
    }
}
