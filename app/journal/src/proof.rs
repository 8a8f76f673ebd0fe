//! Checksums of records: the first 16 bytes of SHA-256 over the kind of record and its fields, each with its length.
//!
//! They find what a disk or memory changed. Against people who change a record and its checksum stand the seals in the
//! audit trail (`seal.rs`), whose links are published.

use sha2::{Digest, Sha256};

/// A checksum as it is stored.
pub(crate) type Sum = [u8; 16];

/// A checksum while it is made.
pub(crate) struct Proof(Sha256);

impl Proof {
    /// `kind` keeps one table's record from passing as another's.
    pub(crate) fn of(kind: &str) -> Self {
        Self(Sha256::new()).bytes(kind.as_bytes())
    }

    pub(crate) fn int(mut self, value: i64) -> Self {
        self.0.update(value.to_be_bytes());
        self
    }

    pub(crate) fn bytes(mut self, value: &[u8]) -> Self {
        self.0.update((value.len() as u64).to_be_bytes());
        self.0.update(value);
        self
    }

    pub(crate) fn maybe_int(self, value: Option<i64>) -> Self {
        self.int(i64::from(value.is_some()))
            .int(value.unwrap_or_default())
    }

    pub(crate) fn maybe(self, value: Option<&str>) -> Self {
        self.int(i64::from(value.is_some()))
            .bytes(value.unwrap_or_default().as_bytes())
    }

    pub(crate) fn sum(self) -> Sum {
        let mut sum = Sum::default();
        sum.copy_from_slice(&self.0.finalize()[..16]);
        sum
    }

    /// A record of layout 1 has no checksum and is taken as it is.
    pub(crate) fn agrees(self, stored: Option<&[u8]>) -> bool {
        stored.is_none_or(|stored| stored == self.sum())
    }
}

/// What a row that is not as it was written is called.
pub(crate) const CHANGED: &str = "its checksum does not agree: it is not what was written";
