//! Which shared libraries a compiled program loads, found as the dynamic linker finds them.
//!
//! Read from the ELF dynamic section (elf(5)) and looked up as in ld.so(8):
//! RPATH, RUNPATH, the configured folders, the default folders. Libraries that a
//! program opens by name while it runs (dlopen(3)) can't be known beforehand.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use object::elf::{
    DT_NEEDED, DT_RPATH, DT_RUNPATH, DT_STRSZ, DT_STRTAB, FileHeader64, PT_DYNAMIC, PT_INTERP,
    PT_LOAD,
};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::{Endianness, ReadCache, ReadRef};

/// Folders that the linker searches when nothing else names one (ld.so(8); the multi-architecture
/// ones are built into Debian's linker).
const DEFAULT_FOLDERS: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
    "/usr/local/lib",
];

/// Variants for newer processors, below each folder; the linker prefers them.
const HARDWARE_FOLDERS: &[&str] = &[
    "glibc-hwcaps/x86-64-v4",
    "glibc-hwcaps/x86-64-v3",
    "glibc-hwcaps/x86-64-v2",
];

/// A program can't need more libraries than this; stops at a cycle of hostile files.
const MAX_LIBRARIES: usize = 2_000;
/// Longest name or list of folders that is read (PATH_MAX, limits.h).
const MAX_NAME: u64 = 4096;
/// Largest dynamic section that is read, in bytes: 4096 entries. Chromium's has about 80.
const MAX_DYNAMIC: u64 = 4096 * 16;
/// Names of one file; a hostile one could repeat a long name thousands of times.
const MAX_NAMES: usize = 1024;

/// The linker and libraries of a set of programs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libraries {
    /// Program interpreters such as `/lib64/ld-linux-x86-64.so.2`; the kernel executes them.
    pub linkers: BTreeSet<PathBuf>,
    pub libraries: BTreeSet<PathBuf>,
}

/// What one ELF file says of its libraries.
#[derive(Default)]
struct Needs {
    linker: Option<PathBuf>,
    names: Vec<String>,
    run_paths: Vec<PathBuf>,
}

/// Finds everything that `programs` load. A file that is no ELF file needs nothing.
pub fn libraries_of(programs: impl IntoIterator<Item = PathBuf>) -> Libraries {
    libraries_with(programs, &[])
}

/// As [`libraries_of`], for programs some of which came with a server or as its interpreter, in one
/// of `trees`. What such a file says is not believed: it may ask for libraries by name, from the folders of the machine and its
/// own, and for the machine's linker. Else it could name any file, `/home/me/.ssh` as RUNPATH for
/// example, and would be let to read it.
pub(super) fn libraries_with(
    programs: impl IntoIterator<Item = PathBuf>,
    trees: &[&Path],
) -> Libraries {
    let inside = |path: &Path| {
        let is_plain = !path.components().any(|part| part.as_os_str() == "..");
        is_plain && trees.iter().any(|tree| path.starts_with(tree))
    };
    let configured = existing(&configured_folders());
    let mut found = Libraries::default();
    let mut seen = BTreeSet::new();
    // Names that were looked for in the configured folders alone: they give the same again.
    let mut located = BTreeSet::new();
    let mut next: Vec<PathBuf> = programs.into_iter().collect();
    while let Some(file) = next.pop() {
        if !seen.insert(file.clone()) || seen.len() > MAX_LIBRARIES {
            continue;
        }
        let Some(mut needs) = read(&file) else {
            continue;
        };
        if inside(&file) {
            needs.linker = needs.linker.filter(|linker| is_linker(linker));
            needs.names.retain(|name| !name.contains('/'));
            needs.run_paths.retain(|folder| inside(folder));
        }
        found.linkers.extend(needs.linker);
        let own = existing(&needs.run_paths);
        for name in needs.names {
            if own.is_empty() && !located.insert(name.clone()) {
                continue;
            }
            for library in locate(&name, own.iter().chain(&configured)) {
                next.push(library.clone());
                found.libraries.insert(library);
            }
        }
    }
    found
}

/// Whether this is a program that loads programs, by its place and name (ld.so(8)).
fn is_linker(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let in_place = path.parent().is_some_and(|folder| {
        DEFAULT_FOLDERS
            .iter()
            .any(|known| folder == Path::new(known))
    });
    in_place
        && ["ld-linux", "ld-musl-", "ld64.so", "ld.so."]
            .iter()
            .any(|start| name.starts_with(start))
}

/// Whether a program says itself where its libraries are (RPATH, RUNPATH), beside it for example.
pub(super) fn names_folders(program: &Path) -> bool {
    read(program).is_some_and(|needs| !needs.run_paths.is_empty())
}

/// The files that a program gets which loads the library `name` while it runs (dlopen(3)).
pub(super) fn library_named(name: &str) -> Vec<PathBuf> {
    locate(name, existing(&configured_folders()).iter())
}

/// A folder that is searched.
struct SearchFolder {
    path: PathBuf,
    /// Its folders for newer processors, the linker's favourite first.
    variants: Vec<PathBuf>,
}

/// Those of `folders` that exist, each once: most of a search would ask for files in folders that
/// aren't there.
fn existing(folders: &[PathBuf]) -> Vec<SearchFolder> {
    let mut seen = BTreeSet::new();
    folders
        .iter()
        .filter(|path| seen.insert(*path) && path.is_dir())
        .map(|path| SearchFolder {
            path: path.clone(),
            variants: HARDWARE_FOLDERS
                .iter()
                .map(|variant| path.join(variant))
                .filter(|variant| variant.is_dir())
                .collect(),
        })
        .collect()
}

/// The first match in search order, and the processor variants that may be preferred to it.
fn locate<'a>(name: &str, folders: impl Iterator<Item = &'a SearchFolder>) -> Vec<PathBuf> {
    if name.contains('/') {
        return vec![PathBuf::from(name)];
    }
    let mut found = Vec::new();
    for folder in folders {
        for variant in &folder.variants {
            let candidate = variant.join(name);
            if candidate.is_file() {
                found.push(candidate);
            }
        }
        let candidate = folder.path.join(name);
        if candidate.is_file() {
            found.push(candidate);
            break;
        }
    }
    found
}

fn configured_folders() -> Vec<PathBuf> {
    let mut folders = Vec::new();
    read_configuration(Path::new("/etc/ld.so.conf"), &mut folders, 0);
    folders.extend(DEFAULT_FOLDERS.iter().map(PathBuf::from));
    folders
}

/// /etc/ld.so.conf: a folder a line, `include PATTERN` where the pattern ends in `*.conf` (ldconfig(8)).
fn read_configuration(file: &Path, folders: &mut Vec<PathBuf>, depth: u8) {
    let Ok(text) = fs::read_to_string(file) else {
        return;
    };
    for line in text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
    {
        if let Some(pattern) = line.strip_prefix("include ") {
            let pattern = Path::new("/etc").join(pattern.trim());
            let Some(folder) = pattern.parent().filter(|_| depth < 4) else {
                continue;
            };
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            let mut included: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
            included.retain(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "conf")
            });
            included.sort();
            for file in included {
                read_configuration(&file, folders, depth + 1);
            }
        } else if line.starts_with('/') {
            folders.push(PathBuf::from(line));
        }
    }
}

fn read(path: &Path) -> Option<Needs> {
    let cache = ReadCache::new(File::open(path).ok()?);
    parse(&cache, path.parent()?)
}

fn parse<'data, R: ReadRef<'data>>(data: R, origin: &Path) -> Option<Needs> {
    let header = FileHeader64::<Endianness>::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let segments = header.program_headers(endian, data).ok()?;
    let mut needs = Needs::default();
    let (mut names, mut run_paths) = (BTreeSet::new(), BTreeSet::new());
    let (mut strings, mut strings_size) = (None, 0);
    // The kernel and the linker look at one of each kind, and each is small: what a file could have
    // besides is not read, because it is kept in memory.
    let first = |kind, size| {
        segments
            .iter()
            .find(|segment| segment.p_type(endian) == kind)
            .filter(|segment| segment.p_filesz(endian) <= size)
    };
    if let Some(segment) = first(PT_INTERP, MAX_NAME)
        && let Ok(Some(linker)) = segment.interpreter(endian, data)
    {
        needs.linker = std::str::from_utf8(linker).ok().map(PathBuf::from);
    }
    if let Some(segment) = first(PT_DYNAMIC, MAX_DYNAMIC) {
        let entries = segment.dynamic(endian, data).ok().flatten();
        for entry in entries.unwrap_or_default() {
            let value = entry.d_val(endian);
            match u32::try_from(entry.d_tag(endian)) {
                Ok(DT_NEEDED) => {
                    names.insert(value);
                }
                Ok(DT_RUNPATH | DT_RPATH) => {
                    run_paths.insert(value);
                }
                Ok(DT_STRTAB) => strings = Some(value),
                Ok(DT_STRSZ) => strings_size = value,
                _ => {}
            }
        }
    }
    let strings = strings?;
    let offset = segments.iter().find_map(|segment| {
        let start = segment.p_vaddr(endian);
        let inside = segment.p_type(endian) == PT_LOAD
            && (start..start.saturating_add(segment.p_filesz(endian))).contains(&strings);
        inside.then(|| segment.p_offset(endian).checked_add(strings - start))
    })??;
    // One by one: the table of a large program holds megabytes of other names.
    let text = |start: u64| {
        let start = offset.checked_add(start)?;
        let end = offset.checked_add(strings_size)?;
        let range = start..end.min(start.checked_add(MAX_NAME)?);
        std::str::from_utf8(data.read_bytes_at_until(range, 0).ok()?).ok()
    };
    needs.names = names
        .into_iter()
        .take(MAX_NAMES)
        .filter_map(text)
        .map(str::to_owned)
        .collect();
    let origin = origin.to_string_lossy();
    needs.run_paths = run_paths
        .into_iter()
        .take(MAX_NAMES)
        .filter_map(text)
        .flat_map(|list| list.split(':'))
        .map(|folder| {
            folder
                .replace("$ORIGIN", &origin)
                .replace("${ORIGIN}", &origin)
        })
        .filter(|folder| folder.starts_with('/'))
        .map(PathBuf::from)
        .collect();
    Some(needs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_needs_libc_and_a_linker() {
        let found = libraries_of([std::env::current_exe().unwrap()]);
        assert!(!found.linkers.is_empty());
        let names: Vec<String> = found
            .libraries
            .iter()
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        assert!(
            names.iter().any(|name| name.contains("libc.so")),
            "{names:?}"
        );
        assert!(found.libraries.iter().all(|path| path.is_file()));
    }

    /// Browsers have tables of many megabytes, with the names of their libraries at the end.
    #[test]
    fn names_far_into_a_large_table_are_found() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        let library = home.path().join("liblast.so");
        std::fs::File::create(&library).unwrap();
        let mut file = std::fs::File::create(&program).unwrap();
        std::io::Write::write_all(&mut file, &elf_with_table(5 << 20)).unwrap();
        assert_eq!(
            libraries_of([program]).libraries,
            BTreeSet::from([home.path().join("./liblast.so")])
        );
    }

    /// A shared object (elf(5)) that needs `liblast.so`, beside it, after `filling` bytes of other strings.
    fn elf_with_table(filling: usize) -> Vec<u8> {
        elf_with(filling, "liblast.so", "$ORIGIN/.")
    }

    fn elf_with(filling: usize, needed: &str, run_path: &str) -> Vec<u8> {
        const ADDRESS_OF_DYNAMIC: u64 = 64 + 2 * 56;
        const ADDRESS_OF_STRINGS: u64 = ADDRESS_OF_DYNAMIC + 5 * 16;
        let names = format!("{needed}\0{run_path}\0");
        let size = (filling + names.len()) as u64;
        let mut elf = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        // e_type, e_machine, e_version, e_entry, e_phoff, e_shoff, e_flags, then sizes and counts.
        elf.extend([3, 0, 62, 0, 1, 0, 0, 0]);
        elf.extend([0, 64, 0].map(u64::to_le_bytes).concat());
        elf.extend(0_u32.to_le_bytes());
        elf.extend([64, 56, 2, 64, 0, 0].map(u16::to_le_bytes).concat());
        for (kind, offset, length) in [
            (1_u32, 0, ADDRESS_OF_STRINGS + size),
            (2, ADDRESS_OF_DYNAMIC, 5 * 16),
        ] {
            elf.extend([kind, 4].map(u32::to_le_bytes).concat());
            elf.extend(
                [offset, offset, offset, length, length, 8]
                    .map(u64::to_le_bytes)
                    .concat(),
            );
        }
        for (tag, value) in [
            (u64::from(DT_NEEDED), filling as u64),
            (u64::from(DT_RUNPATH), (filling + needed.len() + 1) as u64),
            (u64::from(DT_STRTAB), ADDRESS_OF_STRINGS),
            (u64::from(DT_STRSZ), size),
            (0, 0),
        ] {
            elf.extend([tag, value].map(u64::to_le_bytes).concat());
        }
        elf.resize(elf.len() + filling, b'x');
        elf.extend(names.as_bytes());
        elf
    }

    #[test]
    fn a_program_that_names_folders_is_told_from_one_that_does_not() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("program");
        let names = |run_path: &str| {
            let mut file = File::create(&program).unwrap();
            std::io::Write::write_all(&mut file, &elf_with(0, "liblast.so", run_path)).unwrap();
            names_folders(&program)
        };
        assert!(names("$ORIGIN/../lib"));
        assert!(!names(""));
    }

    /// Each costs memory: what is kept of a file must not grow with what it repeats.
    #[test]
    fn what_a_hostile_file_repeats_is_read_once() {
        let plain = elf_with(0, "liblast.so", "/lib");
        let parsed = |elf: &[u8]| parse(elf, Path::new("/")).map(|needs| needs.names);
        assert_eq!(parsed(&plain).unwrap(), ["liblast.so"]);
        let dynamic = 64 + 2 * 56;
        // The same name in the place of RUNPATH.
        let mut twice = plain.clone();
        twice.copy_within(dynamic..dynamic + 16, dynamic + 16);
        assert_eq!(parsed(&twice).unwrap(), ["liblast.so"]);
        // A dynamic section that is larger than any linker's work.
        let size = plain
            .windows(8)
            .position(|bytes| bytes == 80_u64.to_le_bytes())
            .expect("the size of the section");
        let mut large = plain.clone();
        large[size..size + 8].copy_from_slice(&(MAX_DYNAMIC + 16).to_le_bytes());
        large.resize(plain.len() + usize::try_from(MAX_DYNAMIC).unwrap(), 0);
        assert_eq!(parsed(&large), None);
    }

    #[test]
    fn what_a_file_of_the_server_says_is_not_believed() {
        let home = tempfile::tempdir().unwrap();
        let tree = home.path().join("tree");
        let secret = home.path().join("secret");
        let own = tree.join("libs");
        for folder in [&tree, &secret, &own] {
            std::fs::create_dir_all(folder).unwrap();
            std::fs::File::create(folder.join("key")).unwrap();
        }
        let module = tree.join("module.so");
        let found = |run_path: &Path, needed: &str, trees: &[&Path]| {
            let elf = elf_with(0, needed, run_path.to_str().unwrap());
            let mut file = File::create(&module).unwrap();
            std::io::Write::write_all(&mut file, &elf).unwrap();
            libraries_with([module.clone()], trees).libraries
        };
        // Control: a program of the machine is believed.
        let key = BTreeSet::from([secret.join("key")]);
        assert_eq!(found(&secret, "key", &[]), key);
        let path = secret.join("key");
        assert_eq!(found(&own, path.to_str().unwrap(), &[]), key);

        let nothing = BTreeSet::new();
        let inside: &[&Path] = &[&tree];
        assert_eq!(found(&secret, "key", inside), nothing);
        assert_eq!(found(&own, path.to_str().unwrap(), inside), nothing);
        assert_eq!(found(&tree.join("../secret"), "key", inside), nothing);
        assert_eq!(
            found(&own, "key", inside),
            BTreeSet::from([own.join("key")])
        );
        for linker in ["/usr/bin/bash", "/tmp/ld-linux.so", "/lib64/other"] {
            assert!(!is_linker(Path::new(linker)), "{linker}");
        }
        assert!(is_linker(Path::new("/lib64/ld-linux-x86-64.so.2")));
    }

    #[test]
    fn folders_are_searched_in_order_and_variants_come_along() {
        let home = tempfile::tempdir().unwrap();
        let place = |path: &str| {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(&path).unwrap();
            path
        };
        let variant = place("first/glibc-hwcaps/x86-64-v3/libone.so");
        let first = place("first/libone.so");
        place("second/libone.so");
        let second = place("second/libtwo.so");
        let folders = ["missing", "first", "second", "first"].map(|name| home.path().join(name));
        let folders = existing(&folders);
        assert_eq!(folders.len(), 2);
        assert_eq!(locate("libone.so", folders.iter()), [variant, first]);
        assert_eq!(locate("libtwo.so", folders.iter()), [second]);
        assert!(locate("libthree.so", folders.iter()).is_empty());
        assert_eq!(
            locate("/own/place.so", folders.iter()),
            [PathBuf::from("/own/place.so")]
        );
    }

    #[test]
    fn a_library_is_found_by_its_name() {
        let found = library_named("libc.so.6");
        assert!(!found.is_empty() && found.iter().all(|path| path.is_file()));
        assert!(library_named("libno-such-thing.so").is_empty());
    }

    #[test]
    fn a_text_file_needs_nothing() {
        assert_eq!(
            libraries_of([PathBuf::from("/etc/passwd")]),
            Libraries::default()
        );
    }
}
