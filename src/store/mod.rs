//! The store: bytes at rest, addressed by sha256.
//!
//! Two kinds of things live here. *Artifacts* are downloaded files, kept as
//! they came. *Trees* are artifacts unpacked and ready to run. Both are written
//! in a private staging folder, checked while they stream in, made read-only
//! and renamed into place, so that what has a name in the store is complete:
//!
//! ```text
//! ROOT/artifacts/HEX       one downloaded file; HEX is the sha256 of its bytes
//! ROOT/trees/HEX/          one unpacked tree; HEX is its tree digest
//! ROOT/trees/HEX.index     what was last found in it; a cache, see `verify`
//! ROOT/definitions/HEX     what a server said of itself; for people, see `definition`
//! ROOT/staging/…           work in progress, each piece under its own lock
//! ```
//!
//! No network here, no policy and no knowledge of the lock beyond
//! [`crate::lockfile::Digest`]. Everything blocks: async callers use
//! `spawn_blocking`.

mod archive;
mod artifact;
mod bounds;
mod builder;
mod compare;
mod copy;
mod definition;
mod directory;
mod entry;
mod error;
mod file_digests;
mod gc;
mod in_use;
mod index;
mod intake;
mod integrity;
mod layout;
mod links;
mod modules;
mod names;
mod pax;
mod plan;
mod recognise;
mod record;
mod scan;
mod staging;
mod stamp;
mod verify;
mod wheel;
mod workshop;
mod zip;

#[cfg(test)]
mod copy_tests;
#[cfg(test)]
mod index_tests;
#[cfg(test)]
mod recognise_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod unpack_tests;
#[cfg(test)]
mod verify_tests;
#[cfg(test)]
mod zip_testing;
#[cfg(test)]
mod zip_tests;

pub use artifact::{ArtifactWriter, Expected, StoredArtifact};
pub use bounds::Bounds;
pub use builder::TreeBuilder;
pub use definition::MAX_DEFINITION;
pub use error::{Difference, Rule, StoreError, What};
pub use file_digests::FileDigests;
pub use gc::{Collected, Collector, Referenced, Stored};
pub use in_use::TreeInUse;
pub use integrity::{Integrity, IntegrityError};
pub use layout::Store;
pub use staging::Staging;
pub use verify::{TreeReport, Verification};
pub use wheel::{SITE_PACKAGES, Script, ScriptKind, UnpackedWheel, WheelRule};
pub use workshop::Workshop;
pub use zip::{Links, ZipRule, read_zip_file};
