//! The part of a filter that answers for calls whose arguments don't matter: a search by halves for
//! the number of the call.
//!
//! The kernel runs a filter at each call that it can't answer by the number alone (`openat`, whose
//! mode is looked at; before Linux 5.11 at every call), and looks at each instruction when one is
//! installed. A comparison for each of some three hundred numbers, one after the other, is what
//! costs there.

// linux/bpf_common.h
const LOAD_WORD: u64 = 0x20;
const JUMP: u64 = 0x05;
const JUMP_IF_EQUAL: u64 = 0x15;
pub(super) const JUMP_IF_AT_LEAST: u64 = 0x35;
pub(super) const RETURN: u64 = 0x06;
// linux/seccomp.h: offsets in struct seccomp_data, and an answer.
const NUMBER_OFFSET: u64 = 0;
const ARCHITECTURE_OFFSET: u64 = 4;
pub(super) const KILL_PROCESS: u64 = 0x8000_0000;

/// Instructions that return `answer` for the calls in `numbers`, in rising order and each once, and
/// go on behind themselves for all others. A call of another architecture than `audit`
/// (`AUDIT_ARCH_*`) kills the process. Packed as `SandboxSpec::filters` says.
pub(super) fn answer_for(numbers: &[u32], answer: u32, audit: u32) -> Vec<u64> {
    let search = search(&edges(numbers), false);
    let end = search.len();
    let steps = search.into_iter().enumerate().map(|(at, step)| match step {
        Step::AtLeast { edge, skip } => {
            instruction(JUMP_IF_AT_LEAST, u64::from(skip), 0, u64::from(edge))
        }
        Step::Below { edge } => instruction(JUMP_IF_AT_LEAST, 0, 1, u64::from(edge)),
        Step::Skip { count } => instruction(JUMP, 0, 0, count as u64),
        Step::Answer => instruction(RETURN, 0, 0, u64::from(answer)),
        Step::Leave => instruction(JUMP, 0, 0, (end - at - 1) as u64),
    });
    number_of_own(audit).into_iter().chain(steps).collect()
}

/// Instructions that load the number of the call; one of another architecture than `audit` kills the
/// process.
pub(super) fn number_of_own(audit: u32) -> Vec<u64> {
    vec![
        instruction(LOAD_WORD, 0, 0, ARCHITECTURE_OFFSET),
        instruction(JUMP_IF_EQUAL, 1, 0, u64::from(audit)),
        instruction(RETURN, 0, 0, KILL_PROCESS),
        instruction(LOAD_WORD, 0, 0, NUMBER_OFFSET),
    ]
}

/// One instruction each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Skips so many steps if the number is this or more.
    AtLeast {
        edge: u32,
        skip: u8,
    },
    /// Skips one step if the number is less.
    Below {
        edge: u32,
    },
    Skip {
        count: usize,
    },
    /// The number is one of those.
    Answer,
    /// It isn't; the search is over.
    Leave,
}

/// Where the set begins and where it ends, by turns.
fn edges(numbers: &[u32]) -> Vec<u32> {
    let mut edges: Vec<u32> = Vec::new();
    for number in numbers {
        if edges.last() == Some(number) {
            edges.pop();
        } else {
            edges.push(*number);
        }
        edges.push(number.saturating_add(1));
    }
    edges
}

/// `is_in`: whether what is below the first edge is in the set.
fn search(edges: &[u32], is_in: bool) -> Vec<Step> {
    let middle = edges.len() / 2;
    let Some(edge) = edges.get(middle).copied() else {
        return vec![if is_in { Step::Answer } else { Step::Leave }];
    };
    let below = search(&edges[..middle], is_in);
    let above = search(&edges[middle + 1..], is_in != middle.is_multiple_of(2));
    let mut steps = match u8::try_from(below.len()) {
        Ok(skip) => vec![Step::AtLeast { edge, skip }],
        // A conditional jump reaches 255 instructions far.
        Err(_) => {
            let count = below.len();
            vec![Step::Below { edge }, Step::Skip { count }]
        }
    };
    steps.extend(below);
    steps.extend(above);
    steps
}

/// As `SandboxSpec::filters` packs it.
pub(super) fn instruction(code: u64, if_true: u64, if_false: u64, value: u64) -> u64 {
    code << 48 | if_true << 40 | if_false << 32 | value
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIT: u32 = 0xc000_003e;
    const ANSWER: u32 = 7;

    /// What the program answers, and after how many instructions; `None` when it goes on behind
    /// itself.
    fn run(program: &[u64], architecture: u32, number: u32) -> (Option<u32>, usize) {
        let (mut accumulator, mut next, mut steps) = (0, 0, 0);
        while next < program.len() {
            let packed = program[next];
            let field = |shift: u32, mask: u64| u32::try_from(packed >> shift & mask).unwrap();
            let (code, value) = (packed >> 48, field(0, 0xffff_ffff));
            let jump = |holds: bool| {
                let count = if holds {
                    field(40, 0xff)
                } else {
                    field(32, 0xff)
                };
                usize::try_from(count).unwrap()
            };
            next += 1;
            steps += 1;
            match code {
                LOAD_WORD if value == 0 => accumulator = number,
                LOAD_WORD => accumulator = architecture,
                JUMP => next += usize::try_from(value).unwrap(),
                JUMP_IF_EQUAL => next += jump(accumulator == value),
                JUMP_IF_AT_LEAST => next += jump(accumulator >= value),
                RETURN => return (Some(value), steps),
                other => panic!("{other:#x}"),
            }
        }
        assert_eq!(next, program.len(), "it jumps out of what follows");
        (None, steps)
    }

    #[test]
    fn exactly_the_numbers_of_the_set_are_answered() {
        let sets: [Vec<u32>; 8] = [
            vec![],
            vec![0],
            vec![5],
            (0..1200).collect(),
            (3..40).chain([41]).chain(300..302).collect(),
            (0..1200).filter(|number| number % 2 == 0).collect(),
            (0..1200).filter(|number| number % 7 != 3).collect(),
            (0..1200)
                .filter(|number| ((number * 2_654_435_761_u64) >> 13) & 3 == 1)
                .map(|number| u32::try_from(number).unwrap())
                .collect(),
        ];
        for set in sets {
            let program = answer_for(&set, ANSWER, AUDIT);
            for number in (0..1300).chain([0x4000_0000, 0x4000_0005, u32::MAX - 1, u32::MAX]) {
                let (answer, steps) = run(&program, AUDIT, number);
                let expected = set.contains(&number).then_some(ANSWER);
                assert_eq!(answer, expected, "{number} of {set:?}");
                assert!(steps < 32, "{steps}");
            }
            let (foreign, _) = run(&program, 0x4000_0003, 5);
            assert_eq!(foreign, Some(0x8000_0000));
        }
    }

    #[test]
    fn numbers_in_a_row_cost_no_more_than_one() {
        let row: Vec<u32> = (10..300).collect();
        assert_eq!(
            answer_for(&row, ANSWER, AUDIT).len(),
            answer_for(&[10], ANSWER, AUDIT).len()
        );
    }
}
