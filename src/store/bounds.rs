//! How much an archive or a folder may ask of us.
//!
//! Only the numbers; the readers enforce them while they stream, so that a
//! small file that unpacks to a large one is stopped on the way.

/// Limits on untrusted input. Sizes are bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Files, folders and links of one artifact, folders that are only implied included.
    pub max_entries: u64,
    /// The same for all artifacts of a tree together.
    pub max_tree_entries: u64,
    /// Unpacked content of one artifact.
    pub max_bytes: u64,
    /// Unpacked content of all artifacts of a tree together.
    pub max_tree_bytes: u64,
    /// One path component; the kernel's own NAME_MAX is 255.
    pub max_component: usize,
    /// A whole path inside one artifact, and a link target.
    pub max_path: usize,
    /// Components of a path.
    pub max_depth: usize,
    /// One pax header.
    pub max_pax: u64,
}

/// Room for headers and their padding in an archive, for each entry.
const OVERHEAD_PER_ENTRY: u64 = 4096;

impl Default for Bounds {
    fn default() -> Self {
        Self {
            max_entries: 100_000,
            max_tree_entries: 400_000,
            max_bytes: 1 << 30,
            max_tree_bytes: 4 << 30,
            max_component: 255,
            max_path: 1024,
            max_depth: 64,
            max_pax: 64 << 10,
        }
    }
}

impl Bounds {
    /// Bytes that the decompressor may produce for one archive: its content and its headers.
    pub(super) fn max_stream(&self) -> u64 {
        self.max_bytes
            .saturating_add(self.max_entries.saturating_mul(OVERHEAD_PER_ENTRY))
    }
}
