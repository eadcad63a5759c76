//! What a zip archive may not do, in the words that the user reads.

/// The rule of the accepted subset that a zip archive broke.
///
/// Section numbers are those of PKWARE's APPNOTE.TXT 6.3.10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ZipRule {
    #[error("its directory is not where its last record says; some readers would see other files")]
    DirectoryMisplaced,
    #[error("its comment holds what looks like another end of an archive")]
    AmbiguousEnd,
    #[error("it is one part of an archive that is split over several files")]
    Split,
    #[error("it is a zip64 archive, which nothing of an accepted size needs to be")]
    Zip64Archive,
    #[error("its directory counts {stated} entries and holds {found}")]
    CountDisagrees { stated: u16, found: u64 },
    #[error(
        "there are bytes before the file that belong to none; another archive could hide there"
    )]
    Gap,
    #[error("two files share bytes of the archive")]
    Overlap,
    #[error("the directory and the file's own header disagree about its {0}")]
    HeaderDisagrees(&'static str),
    #[error("encrypted files are not accepted")]
    Encrypted,
    #[error("flags 0x{0:04x} are not accepted")]
    Flags(u16),
    #[error("compression method {0} is not accepted, only stored and deflate are")]
    Method(u16),
    #[error("a stored file says its size only after its content, where no reader can find it")]
    StoredWithDescriptor,
    #[error("the size after its content is not the size in the directory")]
    DescriptorDisagrees,
    #[error("the sizes of a stored file differ")]
    StoredSize,
    #[error("its content is not as long as the directory says")]
    SizeDisagrees,
    #[error("its checksum is wrong")]
    Checksum,
    #[error("an extra field is malformed")]
    ExtraMalformed,
    #[error("an extra field (0x{0:04x}) gives the file a second name or hides one")]
    ExtraName(u16),
    #[error("a zip64 field is missing, not needed or not the only one")]
    Zip64Field,
    #[error("a name that is not ASCII is not marked as UTF-8")]
    UnmarkedName,
    #[error("a name holds a backslash, which is a folder to some readers")]
    Backslash,
    #[error("the name is not written as plainly as it could be")]
    NotPlain,
    #[error("its attributes and its name disagree about what it is")]
    KindDisagrees,
    #[error("symbolic links are not accepted in this kind of archive")]
    Link,
}
