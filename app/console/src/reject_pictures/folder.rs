//! The folder: `{event}_{views}.pictures`, where bit n of the hexadecimal `views` says that view n has a picture. The
//! names alone tell what is there, so that nothing is opened at start. Event ids are UUIDv7: their order is the order of
//! time.

use super::lock;
use anyhow::{Context, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

const SUFFIX: &str = "pictures";
/// Being written; left by a station that died, removed by the next.
const UNFINISHED: &str = "unfinished";
/// The disk keeps so much free for the journal.
const FREE: u64 = 256 << 20;

struct Entry {
    views: u64,
    bytes: u64,
}

/// What lies there.
pub struct Folder {
    folder: PathBuf,
    budget: u64,
    bytes: u64,
    parts: BTreeMap<String, Entry>,
}

impl Folder {
    /// Looks at what is there.
    pub fn open(folder: &Path, budget: u64) -> anyhow::Result<Self> {
        let trouble = || format!("console.pictures: cannot use {}", folder.display());
        fs::create_dir_all(folder).with_context(trouble)?;
        let mut pictures = Self {
            folder: folder.to_owned(),
            budget,
            bytes: 0,
            parts: BTreeMap::new(),
        };
        for entry in fs::read_dir(folder).with_context(trouble)? {
            let entry = entry.with_context(trouble)?;
            let path = entry.path();
            match path.extension().and_then(|e| e.to_str()) {
                Some(UNFINISHED) => fs::remove_file(&path).with_context(trouble)?,
                Some(SUFFIX) => {
                    let bytes = entry.metadata().with_context(trouble)?.len();
                    if let Some((event, views)) = parse(&path) {
                        pictures.bytes += bytes;
                        pictures.parts.insert(event, Entry { views, bytes });
                    }
                }
                _ => {}
            }
        }
        Ok(pictures)
    }

    /// The oldest part, out of the list, where `bytes` more would be too much.
    fn too_much(&mut self, bytes: u64) -> Option<(String, Entry)> {
        let is_full = self.bytes + bytes > self.budget;
        let (event, entry) = is_full.then(|| self.parts.pop_first()).flatten()?;
        self.bytes -= entry.bytes;
        Some((event, entry))
    }

    fn add(&mut self, event: String, entry: Entry) {
        self.bytes += entry.bytes;
        self.parts.insert(event, entry);
    }

    /// Whether view `view` of a part has a picture.
    pub fn has(&self, event: &str, view: usize) -> bool {
        let entry = self.parts.get(event);
        entry.is_some_and(|e| view < 64 && e.views >> view & 1 == 1)
    }

    /// A part's file.
    pub fn path(&self, event: &str) -> Option<PathBuf> {
        let entry = self.parts.get(event)?;
        Some(self.name(event, entry.views))
    }

    /// Parts, bytes they take, and the budget.
    pub fn stand(&self) -> (u32, (u64, u64)) {
        (self.parts.len() as u32, (self.bytes, self.budget))
    }

    fn name(&self, event: &str, views: u64) -> PathBuf {
        self.folder.join(format!("{event}_{views:x}.{SUFFIX}"))
    }
}

/// Writes a part's file, after the oldest have made room for it. The disk may take its time: the list is free meanwhile.
pub fn put(
    pictures: &Mutex<Folder>,
    event: &str,
    views: impl Iterator<Item = bool>,
    packed: &[u8],
) -> anyhow::Result<()> {
    let bytes = packed.len() as u64;
    let views = views.take(64).enumerate();
    let views = views.fold(0, |all, (i, has)| all | u64::from(has) << i);
    let (path, folder, budget) = {
        let pictures = lock(pictures);
        (
            pictures.name(event, views),
            pictures.folder.clone(),
            pictures.budget,
        )
    };
    ensure!(
        bytes <= budget,
        "expected at most console.pictures_mb, {budget} bytes, found {bytes}"
    );
    make_room(pictures, bytes)?;
    let free = rustix::fs::statvfs(&folder).map(|s| s.f_bavail * s.f_frsize)?;
    ensure!(
        free >= FREE,
        "expected {FREE} bytes free on the disk of {}, found {free}",
        folder.display()
    );
    let beside = path.with_extension(UNFINISHED);
    let written = fs::write(&beside, packed).and_then(|()| fs::rename(&beside, &path));
    if let Err(error) = written {
        // Half of it may lie there.
        let _ = fs::remove_file(&beside);
        return Err(error).with_context(|| format!("cannot write {}", path.display()));
    }
    lock(pictures).add(event.to_owned(), Entry { views, bytes });
    Ok(())
}

/// Removes the oldest until `bytes` more are within the budget.
pub fn make_room(pictures: &Mutex<Folder>, bytes: u64) -> anyhow::Result<()> {
    loop {
        let (path, event, entry) = {
            let mut pictures = lock(pictures);
            let Some((event, entry)) = pictures.too_much(bytes) else {
                return Ok(());
            };
            (pictures.name(&event, entry.views), event, entry)
        };
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => {
                lock(pictures).add(event, entry);
                return Err(e).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
    }
}

/// Event and views of a file's name.
fn parse(path: &Path) -> Option<(String, u64)> {
    let (event, views) = path.file_stem()?.to_str()?.rsplit_once('_')?;
    let plain = |c: char| c.is_ascii_hexdigit() || c == '-';
    let is_event = !event.is_empty() && event.chars().all(plain);
    is_event.then_some((event.to_owned(), u64::from_str_radix(views, 16).ok()?))
}
