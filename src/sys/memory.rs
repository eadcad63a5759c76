//! Memory of this very process.

use std::ffi::c_char;
use std::ptr;

unsafe extern "C" {
    /// The first byte of the program in memory (ld(1), lld, mold).
    static __executable_start: c_char;
    /// The first byte after its code (end(3)).
    static etext: c_char;
}

/// Gives the pages of the program's code back, which go on being in the page cache; those that are
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
    let start = ptr::addr_of!(__executable_start);
    let end = ptr::addr_of!(etext);
    let start = start.wrapping_add(start.align_offset(page));
    let length = (end.addr().saturating_sub(start.addr()) / page) * page;
    // SAFETY: from its header to the end of its code the program is mapped from its file, read-only,
    // and nothing of it was relocated or written; so every byte comes back as it was.
    let _ = unsafe { libc::madvise(start.cast_mut().cast(), length, libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

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
