//! For tests: machines that are only said to be there, and the kernel's half of the system call
//! filter: what its machine makes of our programs.

use super::{Architecture, NamespaceSupport, Probe};
use crate::sys;

/// A machine that has all but what is said here.
pub(crate) fn machine(landlock_abi: Option<u32>, namespaces: NamespaceSupport) -> Probe {
    Probe {
        kernel: "6.1.0".to_owned(),
        landlock_abi,
        landlock_errata: None,
        seccomp: true,
        namespaces,
        proc: true,
    }
}

/// A call as a filter sees it (`struct seccomp_data`, linux/seccomp.h).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub number: u32,
    pub architecture: u32,
    pub arguments: [u64; 6],
}

/// What the kernel does with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    /// The call returns this errno.
    Refused(i32),
    Killed,
}

/// Both architectures, whichever this is compiled for.
pub(crate) const ARCHITECTURES: [Architecture; 2] = [
    Architecture {
        name: "x86_64",
        audit: 0xC000_003E,
        number: |name| sys::testing::calls("x86_64").get(name).copied(),
    },
    Architecture {
        name: "aarch64",
        audit: 0xC000_00B7,
        number: |name| sys::testing::calls("aarch64").get(name).copied(),
    },
];

/// Runs all programs, as the kernel does: the strictest answer wins, and among equals that of the
/// program that was installed last (seccomp(2), SECCOMP_SET_MODE_FILTER).
pub(crate) fn answer(programs: &[Vec<u64>], call: Call) -> Answer {
    const ACTION: u32 = 0xffff_0000;
    // As in the kernel, the actions are compared as signed numbers: killing is below everything.
    let action = |verdict: u32| (verdict & ACTION).cast_signed();
    let verdict = programs
        .iter()
        .rev()
        .map(|program| run(program, call))
        .reduce(|strictest, next| {
            if action(next) < action(strictest) {
                next
            } else {
                strictest
            }
        })
        .unwrap();
    match verdict & ACTION {
        0x7fff_0000 => Answer::Allowed,
        0x0005_0000 => Answer::Refused((verdict & 0xffff).cast_signed()),
        0x8000_0000 => Answer::Killed,
        other => panic!("no filter of ours answers {other:#x}"),
    }
}

/// The machine of linux/filter.h, with the instructions that our programs are made of. One that it
/// doesn't know ends the test.
fn run(program: &[u64], call: Call) -> u32 {
    let word = |offset: u32| -> u32 {
        let halves = |value: u64| {
            [value & 0xffff_ffff, value >> 32].map(|half| u32::try_from(half).unwrap())
        };
        match offset {
            0 => call.number,
            4 => call.architecture,
            16..64 if offset.is_multiple_of(4) => {
                let place = (offset - 16) as usize;
                halves(call.arguments[place / 8])[place % 8 / 4]
            }
            other => panic!("a load from {other}"),
        }
    };
    let (mut at, mut accumulator) = (0_usize, 0_u32);
    // Every jump leads forward, so it ends.
    loop {
        let instruction = program[at];
        let part = |shift: u32, mask: u64| u32::try_from(instruction >> shift & mask).unwrap();
        let (code, yes, no, k) = (
            part(48, 0xffff),
            part(40, 0xff),
            part(32, 0xff),
            part(0, 0xffff_ffff),
        );
        let mut jump_if = |condition: bool| at += if condition { yes } else { no } as usize;
        match code {
            0x20 => accumulator = word(k),
            0x54 => accumulator &= k,
            0x05 => at += k as usize,
            0x15 => jump_if(accumulator == k),
            0x25 => jump_if(accumulator > k),
            0x35 => jump_if(accumulator >= k),
            0x45 => jump_if(accumulator & k != 0),
            0x06 => return k,
            other => panic!("an instruction {other:#x}"),
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Call = Call {
        number: 5,
        architecture: 7,
        arguments: [0x1_0000_0002, 0, 0, 0, 0, 9],
    };

    /// `code << 48 | yes << 40 | no << 32 | k`
    fn load_and_return(offset: u64) -> Vec<u64> {
        vec![
            0x20 << 48 | offset,
            0x15 << 48 | 1 << 32 | 2,
            0x06 << 48 | 0x7fff_0000,
            0x06 << 48 | 0x8000_0000,
        ]
    }

    #[test]
    fn it_runs_programs_as_the_kernel_does() {
        // The lower half of the first argument is 2, the upper one isn't.
        assert_eq!(answer(&[load_and_return(16)], ANY), Answer::Allowed);
        assert_eq!(answer(&[load_and_return(20)], ANY), Answer::Killed);
        let verdict = |k: u64| vec![0x06 << 48 | k];
        let [allow, first, second, kill] =
            [0x7fff_0000, 0x0005_0001, 0x0005_0026, 0x8000_0000].map(verdict);
        for (programs, expected) in [
            (vec![allow.clone(), first.clone()], Answer::Refused(1)),
            (vec![first.clone(), allow], Answer::Refused(1)),
            (vec![first.clone(), second.clone()], Answer::Refused(38)),
            (vec![second.clone(), first], Answer::Refused(1)),
            (vec![kill, second], Answer::Killed),
        ] {
            assert_eq!(answer(&programs, ANY), expected);
        }
    }
}
