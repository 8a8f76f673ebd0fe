//! Numbers that may have been given away, in a file beside the journal.
//!
//! Should the journal itself be lost, the numbering goes on above the lease: no two results ever share a number.

use crate::JournalError;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

const FILE: &str = "numbers";
/// Numbers taken at a time; at most so many are skipped when the journal is lost.
const STEP: u64 = 10_000;

pub(crate) struct Lease {
    folder: PathBuf,
    /// Every number given so far is below.
    below: u64,
}

impl Lease {
    /// Reads it. No file, or one that is not a number, is the lease of a station that has numbered nothing.
    pub(crate) fn read(folder: &Path) -> Self {
        let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
        Self {
            folder: folder.to_path_buf(),
            below: text.trim().parse().unwrap_or(1),
        }
    }

    pub(crate) fn below(&self) -> u64 {
        self.below
    }

    /// Makes sure that `next_seq` is below it, also after a power cut.
    pub(crate) fn cover(&mut self, next_seq: u64) -> Result<(), JournalError> {
        if next_seq < self.below {
            return Ok(());
        }
        let below = next_seq + STEP;
        self.write(below).map_err(|source| JournalError::Folder {
            path: self.folder.join(FILE),
            source,
        })?;
        self.below = below;
        Ok(())
    }

    fn write(&self, below: u64) -> std::io::Result<()> {
        let new = self.folder.join("numbers.new");
        let mut file = File::create(&new)?;
        write!(file, "{below}")?;
        file.sync_all()?;
        fs::rename(&new, self.folder.join(FILE))?;
        File::open(&self.folder)?.sync_all()
    }
}
