//! Pictures of rejected parts on disk, so that they outlive the station: as large as previews are, a file a part, within
//! a budget of bytes; the oldest go first.
//!
//! A thread of its own writes them, below other programs. What comes while it is busy is left out and counted: neither
//! the line nor the journal waits for a picture. No file is synced: a power cut may take the last few. Full pictures as
//! evidence are another matter. Where to start: [`RejectPictures::offer`], then `folder.rs` (the folder) and `file.rs` (one part).

mod file;
mod folder;

use crate::previews::Kept;
use anyhow::Context;
use folder::Folder;
use sightline_queue::{Receiver, Sender, bounded};
use sightline_wire::snapshot::PictureFacts;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Parts that wait to be written, at most.
const WAITING: usize = 8;

/// The pictures of a rejected part, one a view, where one is kept.
pub type Pictures = Arc<[Option<Kept>]>;

struct Offered {
    /// The result's id: it grows with time, and no other part ever has it.
    event: String,
    pictures: Pictures,
}

/// The folder and who writes into it.
pub struct RejectPictures {
    folder: Arc<Mutex<Folder>>,
    post: Sender<Offered>,
    left_out: Arc<AtomicU64>,
}

fn lock(folder: &Mutex<Folder>) -> MutexGuard<'_, Folder> {
    folder.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RejectPictures {
    /// In `folder`, at most `budget` bytes; what lies there from before is taken over.
    pub fn open(folder: &Path, budget: u64) -> anyhow::Result<Self> {
        let folder = Arc::new(Mutex::new(Folder::open(folder, budget)?));
        folder::make_room(&folder, 0)?;
        let (post, offers) = bounded("reject-pictures", WAITING);
        let left_out = Arc::<AtomicU64>::default();
        let (to, missed) = (folder.clone(), left_out.clone());
        std::thread::Builder::new()
            .name("sl-reject_pictures".into())
            .spawn(move || {
                sightline_threads::deliver();
                write(&offers, &to, &missed);
            })
            .context("no thread for the pictures of rejected parts")?;
        Ok(Self {
            folder,
            post,
            left_out,
        })
    }

    /// Takes a part's pictures, or leaves them out. On the flow's result thread: waits for nothing.
    pub fn offer(&self, event: String, pictures: Pictures) {
        if self.post.try_send(Offered { event, pictures }).is_err() {
            self.left_out.fetch_add(1, Relaxed);
        }
    }

    /// Whether a picture of that view is there.
    pub fn has(&self, event: &str, view: usize) -> bool {
        lock(&self.folder).has(event, view)
    }

    /// A part's pictures, one a view; none where the file is not there or damaged.
    pub fn read(&self, event: &str) -> Vec<Option<Kept>> {
        let Some(path) = lock(&self.folder).path(event) else {
            return Vec::new();
        };
        file::read(&path).unwrap_or_else(|error| {
            tracing::warn!("{}: {error:#}", path.display());
            Vec::new()
        })
    }

    /// How it stands.
    pub fn facts(&self) -> PictureFacts {
        let (parts, bytes) = lock(&self.folder).stand();
        PictureFacts {
            parts,
            bytes,
            left_out: self.left_out.load(Relaxed),
        }
    }
}

/// Until nobody offers any more. The first refusal of the disk is said, and the first after it went well again.
fn write(offers: &Receiver<Offered>, folder: &Mutex<Folder>, left_out: &AtomicU64) {
    let mut said = false;
    while let Ok(Offered { event, pictures }) = offers.recv() {
        // Packing is most of the work; nobody waits for the folder meanwhile.
        let written = file::pack(&pictures).and_then(|packed| {
            let views = pictures.iter().map(Option::is_some);
            folder::put(folder, &event, views, &packed)
        });
        match written {
            Ok(()) => said = false,
            Err(error) => {
                left_out.fetch_add(1, Relaxed);
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!("a rejected part's pictures are left out: {error:#}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
