//! Reading numbers and counted fields, in network byte order, off the front of bytes.

/// What is left to be read. A field that doesn't fit is `None`.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(field)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|field| field[0])
    }

    /// A number of 16 bits.
    pub(super) fn number(&mut self) -> Option<u16> {
        self.take(2)
            .map(|field| u16::from_be_bytes([field[0], field[1]]))
    }

    /// A field after its length in one byte.
    pub(super) fn short_field(&mut self) -> Option<Fields<'a>> {
        let length = self.byte()?;
        self.take(length.into()).map(Fields)
    }

    /// A field after its length in two bytes.
    pub(super) fn long_field(&mut self) -> Option<Fields<'a>> {
        let length = self.number()?;
        self.take(length.into()).map(Fields)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
