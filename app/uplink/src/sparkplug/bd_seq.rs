//! `bdSeq` from one run to the next, so that a death of the run before is not taken for one of this.

use std::io::Write;
use std::path::{Path, PathBuf};

/// Its name in the folder.
const FILE: &str = "sparkplug-bdseq";

/// Where the number of the next connection is kept.
#[derive(Debug)]
pub(crate) struct BdSeq {
    file: Option<PathBuf>,
    next: u8,
}

impl BdSeq {
    /// From `folder`; without one, or where nothing can be read there, it begins somewhere else with every second.
    pub(crate) fn read(folder: Option<&Path>, now_s: u64) -> Self {
        let file = folder.map(|folder| folder.join(FILE));
        let kept = file.as_ref().and_then(|f| std::fs::read_to_string(f).ok());
        let next = kept.and_then(|text| text.trim().parse().ok());
        Self {
            file,
            next: next.unwrap_or(now_s as u8),
        }
    }

    /// What the first connection takes.
    pub(crate) fn next(&self) -> u8 {
        self.next
    }

    /// A connection takes `number`; the next run takes the one behind it.
    pub(crate) fn taken(&self, number: u8) {
        let Some(file) = &self.file else { return };
        if let Err(error) = write(file, number.wrapping_add(1)) {
            tracing::warn!(%error, path = %file.display(), "bdSeq is not kept for the next run");
        }
    }
}

fn write(file: &Path, next: u8) -> std::io::Result<()> {
    let new = file.with_extension("new");
    let mut to = std::fs::File::create(&new)?;
    writeln!(to, "{next}")?;
    to.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_the_run_before_was() {
        let folder = tempfile::tempdir().unwrap();
        let first = BdSeq::read(Some(folder.path()), 0);
        assert_eq!(first.next(), 0);
        first.taken(0);
        first.taken(1);
        let second = BdSeq::read(Some(folder.path()), 0);
        assert_eq!(second.next(), 2);
        second.taken(255);
        assert_eq!(BdSeq::read(Some(folder.path()), 7).next(), 0);
    }

    #[test]
    fn without_a_place_it_is_another_one_all_the_same() {
        let [one, two] = [1_000, 1_007].map(|s| BdSeq::read(None, s).next());
        assert_ne!(one, two);
    }
}
