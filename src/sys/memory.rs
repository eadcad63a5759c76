//! Memory of this very process.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr;

use libc::{dl_phdr_info, size_t};

/// elf(5)
const DT_FLAGS: u64 = 30;
const DF_TEXTREL: u64 = 4;
const DT_TEXTREL: u64 = 22;

/// Gives the pages of the program's code back, and of its libraries', which go on being in the page cache; those that are
/// needed come back by themselves (madvise(2), MADV_DONTNEED). The code that only ran at the start is
/// no part of what the process holds from then on.
pub fn give_back_code() {
    let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE);
    let Some(page) = page
        .ok()
        .flatten()
        .and_then(|page| usize::try_from(page).ok())
    else {
        return;
    };
    for range in constant() {
        let start = range.start.next_multiple_of(page);
        let length = range.end.saturating_sub(start) / page * page;
        let start = ptr::with_exposed_provenance_mut::<c_void>(start);
        // SAFETY: the headers of the program or the library say that these pages are mapped from its file without the right
        // to write, and that no relocation changes them; so every byte comes back as it was.
        let _ = unsafe { libc::madvise(start, length, libc::MADV_DONTNEED) };
    }
}

/// Gives memory back that was allocated and freed again (malloc_trim(3)), where the C library keeps
/// it for later.
pub fn give_back_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and locks the allocator while it works.
    let _ = unsafe { libc::malloc_trim(0) };
}

/// Addresses of what is mapped from files and never written.
fn constant() -> Vec<Range<usize>> {
    let mut constant = Vec::new();
    // SAFETY: `look` has the type that is asked for, keeps nothing of what it is given, and gets the
    // pointer to `constant` back, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(look), ptr::from_mut(&mut constant).cast()) };
    constant
}

/// Of the program or of one of its libraries (dl_iterate_phdr(3)). Nothing where the code itself was
/// changed at the start.
///
/// # Safety
/// Called by dl_iterate_phdr(3), with a list of ranges that nobody else has a reference to.
unsafe extern "C" fn look(info: *mut dl_phdr_info, _: size_t, into: *mut c_void) -> c_int {
    // SAFETY: dl_iterate_phdr(3) gives a valid structure for as long as this runs.
    let info = unsafe { &*info };
    // SAFETY: it is the list that `constant` has given, and nobody else has a reference to it.
    let into = unsafe { &mut *into.cast::<Vec<Range<usize>>>() };
    // SAFETY: so many headers are there, and nobody writes to them.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into()) };
    let mut found = Vec::new();
    let mut is_relocated = false;
    let number = |value| usize::try_from(value).unwrap_or(0);
    for header in headers {
        let start = number(info.dlpi_addr).wrapping_add(number(header.p_vaddr));
        match header.p_type {
            libc::PT_LOAD if header.p_flags & libc::PF_W == 0 => {
                found.push(start..start + number(header.p_filesz));
            }
            libc::PT_DYNAMIC => {
                let entries = number(header.p_memsz) / size_of::<[u64; 2]>();
                let table = ptr::with_exposed_provenance::<[u64; 2]>(start);
                // SAFETY: its dynamic section is mapped there, aligned and so long (elf(5)),
                // and after the start nobody writes to it.
                let table = unsafe { std::slice::from_raw_parts(table, entries) };
                is_relocated |= table.iter().any(|[tag, value]| {
                    *tag == DT_TEXTREL || *tag == DT_FLAGS && value & DF_TEXTREL != 0
                });
            }
            _ => {}
        }
    }
    if !is_relocated {
        into.append(&mut found);
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_never_written() {
        static CONSTANT: [u8; 4] = *b"text";
        static WRITTEN: std::sync::atomic::AtomicU8 = std::sync::atomic::AtomicU8::new(1);
        let constant = constant();
        let has = |at: usize| constant.iter().any(|range| range.contains(&at));
        assert!(has(resident as fn() -> u64 as usize) && has(CONSTANT.as_ptr().addr()));
        // A table with addresses is relocated at the start, in a place of its own.
        static RELOCATED: [&&str; 1] = [&"x"];
        assert!(!has(WRITTEN.as_ptr().addr()) && !has(RELOCATED.as_ptr().addr()));
    }

    #[test]
    fn the_program_goes_on() {
        let before = resident();
        give_back_code();
        let after = resident();
        assert!(after < before, "{before} {after}");
        assert_eq!(format!("{:?}", [1.5, 2.0]), "[1.5, 2.0]");
    }

    /// In KiB, of the mapping that holds this function.
    fn resident() -> u64 {
        let here = resident as fn() -> u64 as usize;
        let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
        let mut inside = false;
        for line in maps.lines() {
            let range = line.split(' ').next().and_then(|one| one.split_once('-'));
            let number = |text| usize::from_str_radix(text, 16).ok();
            if let Some((Some(start), Some(end))) =
                range.map(|(start, end)| (number(start), number(end)))
            {
                inside = (start..end).contains(&here);
            }
            if let Some(rest) = line.strip_prefix("Rss:").filter(|_| inside) {
                let kilobytes = rest.trim().trim_end_matches(" kB");
                return kilobytes.parse().unwrap();
            }
        }
        panic!("not mapped");
    }
}
