//! Which numbers were given, beside the journal: in its folder, and in a second place outside it.
//!
//! Numbers never begin again, whatever happens to the journal: the next one is above everything that is known from the
//! journal and from these. `below` is written ahead and synced: every number ever given is below it. `committed` is written
//! behind every commit without a sync: exact as long as the machine was not switched off since, or the station ended in order.

use crate::JournalError;
use crate::gaps::Gap;
use crate::proof::Proof;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The file in the journal's folder.
const FILE: &str = "numbers";
/// Numbers taken at a time; at most so many are skipped when it is not known how many were used.
const STEP: u64 = 10_000;
const HEAD: &str = "sightline-numbers-3";
/// The same without the open gap.
const HEAD_2: &str = "sightline-numbers-2";

/// What was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// Every number given is below.
    pub below: u64,
    /// The highest number that was committed, or had to be given up.
    pub committed: Option<u64>,
    /// The broker had everything up to this one.
    pub acknowledged: u64,
    /// The lowest number of a gap that nobody has taken note of; 0: none.
    pub open_gap: u64,
    /// `committed` is the last one, not an earlier one.
    pub exact: bool,
}

impl Known {
    /// The first number that was surely never given.
    pub(crate) fn next(&self) -> u64 {
        match self.committed {
            Some(committed) if self.exact => committed + 1,
            _ => self.below,
        }
    }
}

impl Known {
    /// Where a journal cannot say which numbers up to `acknowledged_to` nobody has taken note of: one gap over all that it
    /// may be, if there are any.
    pub(crate) fn open_gaps(&self, acknowledged_to: u64) -> impl Iterator<Item = Gap> {
        let gap = Gap {
            first: self.open_gap,
            last: acknowledged_to,
            why: "some of them were missing and nobody had taken note; which ones, only the journal knew that was lost".into(),
        };
        Some(gap)
            .filter(|gap| gap.first > 0 && gap.first <= gap.last)
            .into_iter()
    }
}

/// The numbers at work.
pub(crate) struct Numbers {
    places: Vec<PathBuf>,
    open: Vec<Option<File>>,
    pub known: Known,
    boot: String,
}

impl Numbers {
    /// Reads what is known. No file, or one that is none, is that of a station that has numbered nothing.
    pub(crate) fn read(folder: &Path, marker: Option<&Path>) -> Self {
        let places: Vec<PathBuf> = std::iter::once(folder.join(FILE))
            .chain(marker.map(Path::to_path_buf))
            .collect();
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let boot = boot.trim().to_string();
        let nothing = Known {
            below: 1,
            committed: None,
            acknowledged: 0,
            open_gap: 0,
            exact: true,
        };
        let known = places
            .iter()
            .filter_map(|place| parse(&fs::read_to_string(place).ok()?, &boot))
            .reduce(merge);
        Self {
            open: places.iter().map(|_| None).collect(),
            places,
            known: known.unwrap_or(nothing),
            boot,
        }
    }

    /// Makes sure that `next_seq` is below, also after a power cut.
    pub(crate) fn cover(&mut self, next_seq: u64) -> Result<(), JournalError> {
        if next_seq < self.known.below && self.open.iter().any(Option::is_some) {
            return Ok(());
        }
        self.known.below = self.known.below.max(next_seq + STEP);
        self.write(false)
    }

    /// The same in a folder that was made anew.
    pub(crate) fn cover_anew(&mut self, next_seq: u64) -> Result<(), JournalError> {
        self.open.iter_mut().for_each(|file| *file = None);
        self.cover(next_seq)
    }

    /// Notes a commit. Cheap, and of no consequence where it fails: the journal has it.
    pub(crate) fn note(&mut self, committed: u64, acknowledged: u64) {
        self.known.committed = Some(committed);
        self.known.acknowledged = acknowledged;
        let line = self.line(false);
        for file in self.open.iter().flatten() {
            if let Err(error) = file.write_all_at(line.as_bytes(), 0) {
                tracing::debug!(%error, "the numbers beside the journal are behind");
            }
        }
    }

    /// Notes that nothing more comes.
    pub(crate) fn close(&mut self) {
        if let Err(error) = self.write(true) {
            tracing::warn!(%error, "the numbers beside the journal are behind");
        }
    }

    /// Writes every place anew and synced. The one outside the folder may not be writable: it is said, once.
    fn write(&mut self, clean: bool) -> Result<(), JournalError> {
        let line = self.line(clean);
        for (i, place) in self.places.iter().enumerate() {
            match replace(place, &line) {
                Ok(file) => self.open[i] = Some(file),
                Err(source) if i == 0 => {
                    return Err(JournalError::Folder {
                        path: place.clone(),
                        source,
                    });
                }
                Err(error) => {
                    let path = place.display();
                    tracing::warn!(%path, %error, "the journal's numbers have no second place: should its folder be lost, they begin again");
                    self.open[i] = None;
                }
            }
        }
        Ok(())
    }

    fn line(&self, clean: bool) -> String {
        let Known {
            below,
            committed,
            acknowledged,
            open_gap,
            ..
        } = &self.known;
        let committed = committed.unwrap_or(0);
        let boot = &self.boot;
        let said = format!(
            "{HEAD} {below:020} {committed:020} {acknowledged:020} {open_gap:020} {} {boot}",
            u8::from(clean)
        );
        let sum = sum(&said);
        format!("{said} {sum}\n")
    }
}

fn sum(said: &str) -> String {
    let sum = Proof::of("numbers").bytes(said.as_bytes()).sum();
    sum.iter().map(|b| format!("{b:02x}")).collect()
}

/// Reads a line of this layout, or the number alone of the layout before.
fn parse(text: &str, boot: &str) -> Option<Known> {
    let text = text.trim_end_matches('\n');
    if let Ok(below) = text.parse() {
        return Some(Known {
            below,
            committed: None,
            acknowledged: 0,
            open_gap: 0,
            exact: false,
        });
    }
    let (said, found) = text.rsplit_once(' ')?;
    let mut words = said.split(' ');
    let head = words.next()?;
    if sum(said) != found || ![HEAD, HEAD_2].contains(&head) {
        return None;
    }
    let mut number = || words.next()?.parse::<u64>().ok();
    let (below, committed, acknowledged) = (number()?, number()?, number()?);
    let open_gap = if head == HEAD { number()? } else { 0 };
    let clean = number()? == 1;
    let same_boot = words.next() == Some(boot) && !boot.is_empty();
    Some(Known {
        below,
        committed: Some(committed),
        acknowledged,
        open_gap,
        exact: clean || same_boot,
    })
}

/// The later of two, and the higher of what must never be too low.
fn merge(a: Known, b: Known) -> Known {
    let below = a.below.max(b.below);
    let later = if b.committed > a.committed { b } else { a };
    Known { below, ..later }
}

fn replace(place: &Path, line: &str) -> std::io::Result<File> {
    let mut new = place.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o640)
        .open(&new)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, place)?;
    if let Some(folder) = place.parent().filter(|p| !p.as_os_str().is_empty()) {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_survives_the_loss_of_either_place() {
        let scratch = tempfile::tempdir().unwrap();
        let folder = scratch.path().join("journal");
        fs::create_dir(&folder).unwrap();
        let marker = scratch.path().join("journal.numbers");
        let read = || Numbers::read(&folder, Some(&marker)).known;
        assert_eq!(read().next(), 1);
        let mut numbers = Numbers::read(&folder, Some(&marker));
        numbers.cover(1).unwrap();
        numbers.note(41, 30);
        assert_eq!((read().next(), read().acknowledged), (42, 30));
        // Another boot: what was not synced may be missing.
        let mut later = Numbers::read(&folder, Some(&marker));
        later.known.exact = false;
        assert_eq!(later.known.next(), 10_001);
        numbers.close();
        fs::remove_file(folder.join(FILE)).unwrap();
        assert_eq!(read().next(), 42);
        numbers.close();
        // One flipped bit: it is not believed, the other is.
        let mut bytes = fs::read(&marker).unwrap();
        bytes[30] ^= 1;
        fs::write(&marker, bytes).unwrap();
        assert_eq!(read().next(), 42);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read().next(), 1, "neither is left");
    }

    #[test]
    fn the_number_alone_of_the_first_layout_is_read() {
        let known = parse("10001", "x").unwrap();
        assert_eq!((known.below, known.next()), (10_001, 10_001));
        assert_eq!(parse("nothing of the kind", "x"), None);
    }
}
