//! The smallest program that can be executed: it ends with code 0.

/// Machine code of `exit(0)`.
#[cfg(target_arch = "x86_64")]
const CODE: &[u8] = &[
    0x31, 0xff, // xor edi, edi
    0xb8, 0x3c, 0x00, 0x00, 0x00, // mov eax, 60
    0x0f, 0x05, // syscall
];
#[cfg(target_arch = "aarch64")]
const CODE: &[u8] = &[
    0x00, 0x00, 0x80, 0xd2, // mov x0, 0
    0xa8, 0x0b, 0x80, 0xd2, // mov x8, 93
    0x01, 0x00, 0x00, 0xd4, // svc 0
];

#[cfg(target_arch = "x86_64")]
const MACHINE: u16 = 62;
#[cfg(target_arch = "aarch64")]
const MACHINE: u16 = 183;

/// Where it lies in memory.
const BASE: u64 = 0x40_0000;
const FILE_HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;

/// An ELF file of one loaded segment (elf(5)).
pub(super) fn bytes() -> Vec<u8> {
    let start = u64::from(FILE_HEADER + PROGRAM_HEADER);
    let length = start + CODE.len() as u64;
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let half = |values: &[u16]| -> Vec<u8> {
        let bytes = values.iter().flat_map(|value| value.to_le_bytes());
        bytes.collect()
    };
    // ET_EXEC, machine, version.
    file.extend(half(&[2, MACHINE, 1, 0]));
    for value in [BASE + start, u64::from(FILE_HEADER), 0] {
        file.extend(value.to_le_bytes());
    }
    // Flags; sizes and counts of headers.
    file.extend(half(&[0, 0, FILE_HEADER, PROGRAM_HEADER, 1, 0, 0, 0]));
    // PT_LOAD, readable and executable.
    file.extend(half(&[1, 0, 5, 0]));
    for value in [0, BASE, BASE, length, length, 0x1000] {
        file.extend(value.to_le_bytes());
    }
    file.extend(CODE);
    file
}

#[cfg(test)]
mod tests {
    use object::Object as _;

    use super::*;

    #[test]
    fn it_is_a_program() {
        let bytes = bytes();
        let file = object::File::parse(bytes.as_slice()).unwrap();
        assert_eq!(file.kind(), object::ObjectKind::Executable);
        assert_eq!(file.entry(), BASE + 120);
        assert_eq!(&bytes[120..], CODE);
    }
}
