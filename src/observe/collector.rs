//! System calls become findings. Pure: what it must know of a process it asks a [`Process`].

use std::collections::{HashMap, HashSet};
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;

use super::filter::Filters;
use super::observed::{Observed, Seen, Wish, kept};
use super::table::{Named, Place, Want, name_of, paths_of};
use crate::sandbox::ShortName;
use crate::sys;

/// linux/sched.h; glibc has no name for what is of no use to anybody else.
const CLONE_UNTRACED: u64 = 0x0080_0000;
/// The longest address that is read (`struct sockaddr_in6`).
const ADDRESS_BYTES: usize = 28;

/// What can be asked of a process that has stopped.
pub trait Process {
    /// The text that ends with a NUL at this address; `None` when there is none.
    fn text(&self, address: u64) -> Option<Vec<u8>>;
    /// As many bytes from this address as are there.
    fn bytes(&self, address: u64, length: usize) -> Vec<u8>;
    /// Its working directory.
    fn working_directory(&self) -> Option<PathBuf>;
    /// What one of its descriptors is.
    fn descriptor(&self, number: i32) -> Option<PathBuf>;
}

/// A call that was entered.
struct Entered {
    number: i64,
    arguments: [u64; 6],
    wishes: Vec<(PathBuf, Wish)>,
    address: Option<Vec<u8>>,
}

/// Collects one run.
#[derive(Default)]
pub struct Collector {
    filters: Filters,
    /// The server's own list, which lets everything through where there is none.
    own_list: Filters,
    /// What the server's code is called in the box.
    short_name: Option<ShortName>,
    entered: HashMap<i32, Entered>,
    /// Numbers of the calls whose names are among the findings.
    made: HashSet<i64>,
    /// Whether the server's own program is running: what comes before is the box being built.
    has_begun: bool,
    observed: Observed,
}

impl Collector {
    /// Of a box with these programs as its filter and its own list of system calls, packed as
    /// `SandboxSpec::filters` says.
    pub fn new(filters: &[Vec<u64>], own_list: Option<&Vec<u64>>, observed: Observed) -> Self {
        let own_list = own_list.into_iter().cloned().collect();
        Self {
            filters: Filters::new(filters.to_vec(), sys::AUDIT_ARCH),
            own_list: Filters::new(own_list, sys::AUDIT_ARCH),
            observed,
            ..Self::default()
        }
    }

    /// In this box the server's code has a second name; findings are told under the first.
    #[must_use]
    pub fn with_short_name(mut self, short_name: Option<ShortName>) -> Self {
        self.short_name = short_name;
        self
    }

    pub fn observed(&self) -> &Observed {
        &self.observed
    }

    pub fn observed_mut(&mut self) -> &mut Observed {
        &mut self.observed
    }

    /// A call begins that is not of this architecture's interface, which no box lets through: its
    /// filter ends the process. Its number means another call than here, and its arguments, too.
    pub fn enters_foreign(&mut self, thread: i32, name: &str, moment: &str) {
        self.entered.remove(&thread);
        if !self.has_begun {
            return;
        }
        let Observed {
            refused_calls,
            lost,
            ..
        } = &mut self.observed;
        if let Some(seen) = kept(refused_calls, name, lost) {
            note(seen, None, moment);
        }
    }

    /// A call begins.
    pub fn enters(
        &mut self,
        thread: i32,
        number: i64,
        arguments: [u64; 6],
        process: &impl Process,
    ) {
        let wishes = paths_of(number)
            .iter()
            .filter_map(|named| wish(named, &arguments, process))
            .collect();
        let is = |name: &str| sys::syscall_number(name) == Some(number);
        let address = match () {
            () if is("connect") => Some((arguments[1], arguments[2])),
            () if is("sendto") && arguments[4] != 0 => Some((arguments[4], arguments[5])),
            () => None,
        }
        .map(|(address, length)| {
            let length = usize::try_from(length).unwrap_or(0).min(ADDRESS_BYTES);
            process.bytes(address, length)
        });
        if self.has_begun && is("clone") && arguments[0] & CLONE_UNTRACED != 0 {
            self.observed.hidden += 1;
        }
        let entered = Entered {
            number,
            arguments,
            wishes,
            address,
        };
        self.entered.insert(thread, entered);
    }

    /// It has ended: with this result, or with `-errno`.
    pub fn leaves(&mut self, thread: i32, result: i64, moment: &str, process: &impl Process) {
        let Some(entered) = self.entered.remove(&thread) else {
            return;
        };
        if !self.has_begun {
            return;
        }
        let errno = i32::try_from(result.saturating_neg()).ok();
        let error = errno.filter(|_| result < 0).map(Errno::from_raw);
        // Only these two are answers of the filter, and running it takes longer than most calls.
        if matches!(error, Some(Errno::EPERM | Errno::ENOSYS)) {
            let Entered {
                number, arguments, ..
            } = &entered;
            let is_let_through = self.filters.allow(*number, arguments);
            if !is_let_through || !self.own_list.allow(*number, arguments) {
                let name = name_of(*number);
                match is_let_through {
                    true => self.refused_by_own_list(&name, error, moment),
                    false => self.refused_by_filter(&name, &entered, error, moment),
                }
                return;
            }
        }
        // The kernel's own numbers for calls that are begun again (linux/errno.h).
        let begins_again = errno.is_some_and(|errno| result < 0 && errno >= 512);
        if !begins_again && self.made.insert(entered.number) {
            let name = name_of(entered.number);
            self.observed.system_calls.insert(name);
        }
        if let Some(address) = &entered.address {
            self.connects(address, error, moment);
        }
        let opened = error
            .is_none()
            .then(|| opened(&entered, result, process))
            .flatten();
        for (path, wish) in &entered.wishes {
            let path = match (&opened, wish) {
                (Some(opened), _) => opened,
                (None, _) => path,
            };
            self.asked(path, *wish, error, moment);
        }
    }

    /// The thread executes another program now, in the place of its process's first one.
    pub fn executes(&mut self, thread: i32, moment: &str) {
        // The exit of the call comes later.
        let entered = self
            .entered
            .get_mut(&thread)
            .map(|entered| std::mem::take(&mut entered.wishes));
        if !self.has_begun {
            // The server's own program; everything until here was the box.
            self.has_begun = true;
            self.entered.clear();
            self.observed.system_calls.insert("execve".to_owned());
            return;
        }
        for (path, wish) in entered.into_iter().flatten() {
            self.asked(&path, wish, None, moment);
        }
    }

    /// A thread has ended.
    pub fn ends(&mut self, thread: i32) {
        self.entered.remove(&thread);
    }

    fn asked(&mut self, path: &Path, wish: Wish, error: Option<Errno>, moment: &str) {
        let name = self.short_name.as_ref();
        let real = name.and_then(|short| short.lengthen(path));
        let path = real.as_deref().unwrap_or(path);
        // What stands in for descriptors, pipes and the like is no path.
        if !path.is_absolute() {
            return;
        }
        let refused = match error {
            None => false,
            // Landlock, a read-only mount, a move between granted folders; or not shown in the box.
            Some(
                Errno::EACCES
                | Errno::EPERM
                | Errno::EROFS
                | Errno::EXDEV
                | Errno::ENOENT
                | Errno::ENOTDIR,
            ) => true,
            // It is there, or that says nothing of rights.
            Some(_) => return,
        };
        let Observed {
            used, denied, lost, ..
        } = &mut self.observed;
        let into = if refused { denied } else { used };
        let path = path.to_string_lossy();
        if let Some(seen) = kept(into, &path, lost) {
            seen.wishes.insert(wish);
            note(seen, error, moment);
        }
    }

    fn refused_by_filter(
        &mut self,
        name: &str,
        entered: &Entered,
        error: Option<Errno>,
        moment: &str,
    ) {
        let Observed {
            sockets,
            refused_calls,
            lost,
            ..
        } = &mut self.observed;
        let (into, key) = match (name, family(entered.arguments[0])) {
            ("socket", Some(family)) => (sockets, family),
            _ => (refused_calls, name),
        };
        if let Some(seen) = kept(into, key, lost) {
            note(seen, error, moment);
        }
    }

    fn refused_by_own_list(&mut self, name: &str, error: Option<Errno>, moment: &str) {
        let Observed { unlisted, lost, .. } = &mut self.observed;
        if let Some(seen) = kept(unlisted, name, lost) {
            note(seen, error, moment);
        }
    }

    fn connects(&mut self, address: &[u8], error: Option<Errno>, moment: &str) {
        // Of what else goes wrong with connections the network is to blame.
        if !matches!(error, Some(Errno::EACCES | Errno::EPERM)) {
            return;
        }
        let Observed {
            addresses, lost, ..
        } = &mut self.observed;
        if let Some(address) = shown(address)
            && let Some(seen) = kept(addresses, &address, lost)
        {
            note(seen, error, moment);
        }
    }
}

fn note(seen: &mut Seen, error: Option<Errno>, moment: &str) {
    seen.times += 1;
    seen.note_moment(moment);
    if let Some(error) = error {
        seen.errors.insert(format!("{error:?}"));
    }
}

/// What was really opened: the path may have been changed, or have led through links.
fn opened(entered: &Entered, result: i64, process: &impl Process) -> Option<PathBuf> {
    let opens = paths_of(entered.number)
        .iter()
        .any(|named| matches!(named.want, Want::Open { .. }));
    let number = i32::try_from(result).ok().filter(|_| opens)?;
    process.descriptor(number)
}

fn wish(named: &Named, arguments: &[u64; 6], process: &impl Process) -> Option<(PathBuf, Wish)> {
    let argument = |place: u8| arguments.get(usize::from(place)).copied().unwrap_or(0);
    let text = process.text(argument(named.path))?;
    // The descriptor itself is meant (AT_EMPTY_PATH), or nothing is.
    if text.is_empty() {
        return None;
    }
    let path = <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(&text);
    let path = Path::new(path);
    let whole = if path.is_absolute() {
        path.to_owned()
    } else {
        let folder = match named.folder.map(|place| lower_int(argument(place))) {
            None | Some(libc::AT_FDCWD) => process.working_directory(),
            Some(number) => process.descriptor(number),
        };
        folder?.join(path)
    };
    let wish = match named.want {
        Want::Open { flags } => open_wish(match flags {
            Place::Argument(place) => lower_int(argument(place)),
            Place::Behind(place) => {
                let word: [u8; 8] = process.bytes(argument(place), 8).try_into().ok()?;
                lower_int(u64::from_ne_bytes(word))
            }
            Place::Always(flags) => flags,
        }),
        Want::Look { flags: Some(place) }
            if lower_int(argument(place)) & libc::AT_SYMLINK_NOFOLLOW != 0 =>
        {
            Wish::Walk
        }
        Want::Look { .. } => Wish::Look,
        Want::Walk => Wish::Walk,
        Want::Execute => Wish::Execute,
        Want::Enter => Wish::List,
        Want::Make => Wish::Make,
        Want::Change => Wish::Write,
    };
    Some((without_dots(&whole), wish))
}

fn open_wish(flags: i32) -> Wish {
    match flags {
        flags if flags & libc::O_PATH != 0 => Wish::Look,
        flags if flags & libc::O_CREAT != 0 => Wish::Make,
        flags if flags & libc::O_ACCMODE != libc::O_RDONLY || flags & libc::O_TRUNC != 0 => {
            Wish::Write
        }
        flags if flags & libc::O_DIRECTORY != 0 => Wish::List,
        _ => Wish::Read,
    }
}

/// The kernel reads an int and ignores the rest of the register.
fn lower_int(argument: u64) -> i32 {
    let [a, b, c, d, ..] = argument.to_le_bytes();
    i32::from_le_bytes([a, b, c, d])
}

/// `.` and `..` worked out by the names alone.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            other => plain.push(other),
        }
    }
    plain
}

fn family(argument: u64) -> Option<&'static str> {
    match lower_int(argument) {
        libc::AF_INET => Some("IPv4"),
        libc::AF_INET6 => Some("IPv6"),
        _ => None,
    }
}

/// `ADDRESS:PORT` of a `struct sockaddr` of IPv4 or IPv6.
fn shown(address: &[u8]) -> Option<String> {
    let family = i32::from(u16::from_ne_bytes([*address.first()?, *address.get(1)?]));
    let port = u16::from_be_bytes([*address.get(2)?, *address.get(3)?]);
    match family {
        libc::AF_INET => {
            let bytes: [u8; 4] = address.get(4..8)?.try_into().ok()?;
            let address = std::net::Ipv4Addr::from(bytes);
            Some(std::net::SocketAddrV4::new(address, port).to_string())
        }
        libc::AF_INET6 => {
            let bytes: [u8; 16] = address.get(8..24)?.try_into().ok()?;
            let address = std::net::Ipv6Addr::from(bytes);
            Some(std::net::SocketAddrV6::new(address, port, 0, 0).to_string())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
