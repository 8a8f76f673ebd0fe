//! Pictures that are put into a hot folder: taken when they are whole, each once.
//!
//! Whole is a file that was renamed into its place, or closed by the program that wrote it; both the kernel tells (inotify).
//! What lies in the folder already is not new, and is left alone.

use super::index::is_picture;
use crate::state::Reason;
use notify::{
    Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher,
    event::{AccessKind, AccessMode, ModifyKind, RenameMode},
};
use std::{
    collections::VecDeque,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
        mpsc::{Receiver, RecvTimeoutError, sync_channel},
    },
    time::Duration,
};

/// Pictures that are remembered, so that one that was written and then renamed is not shown twice.
const REMEMBERED: usize = 1_024;

/// What the kernel tells and nobody has looked at yet; a picture is told of a few times.
const WAITING: usize = 65_536;

/// What tells a file from another, and from itself written anew.
type Print = (u64, u64, u64, i64, i64);

/// An open hot folder.
pub(super) struct Arrivals {
    told: Receiver<notify::Result<Event>>,
    /// There was no room for more.
    overlooked: Arc<AtomicBool>,
    folder: PathBuf,
    shown: VecDeque<Print>,
    /// Ends with it.
    _watcher: RecommendedWatcher,
}

impl Arrivals {
    pub(super) fn in_folder(folder: &Path) -> Result<Self, Reason> {
        let wrong = |found: String| {
            Reason::from(format!(
                "expected a folder whose new pictures can be waited for at {}, found: {found}",
                folder.display()
            ))
        };
        if !folder.is_dir() {
            return Err(wrong("no folder".into()));
        }
        let (tell, told) = sync_channel(WAITING);
        let overlooked = Arc::new(AtomicBool::new(false));
        let full = Arc::clone(&overlooked);
        let hear = move |event| {
            if tell.try_send(event).is_err() {
                full.store(true, Relaxed);
            }
        };
        let mut watcher = notify::recommended_watcher(hear).map_err(|e| wrong(e.to_string()))?;
        watcher
            .watch(folder, RecursiveMode::NonRecursive)
            .map_err(|e| wrong(e.to_string()))?;
        Ok(Self {
            told,
            overlooked,
            folder: folder.to_owned(),
            shown: VecDeque::with_capacity(REMEMBERED),
            _watcher: watcher,
        })
    }

    /// The next whole picture; `None` when none came within `time`, an error when pictures may have been overlooked.
    pub(super) fn next(&mut self, time: Duration) -> Result<Option<PathBuf>, Reason> {
        let lost =
            |why: String| Reason::from(format!("hot folder {}: {why}", self.folder.display()));
        const TOO_MANY: &str = "more pictures came than could be told of; some were left out";
        if self.overlooked.load(Relaxed) {
            return Err(lost(TOO_MANY.into()));
        }
        match self.told.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) if self.folder.is_dir() => Ok(None),
            Err(_) => Err(lost("expected the folder, found it gone".into())),
            Ok(Err(error)) => Err(lost(error.to_string())),
            Ok(Ok(event)) if event.need_rescan() => Err(lost(TOO_MANY.into())),
            Ok(Ok(event)) if is_whole(event.kind) => {
                let mut paths = event.paths.into_iter();
                Ok(paths.find(|path| is_picture(path) && self.is_new(path)))
            }
            Ok(Ok(_)) => Ok(None),
        }
    }

    fn is_new(&mut self, path: &Path) -> bool {
        // what is gone already is told as unreadable, not passed over
        let Ok(file) = path.metadata() else {
            return true;
        };
        let print = (
            file.dev(),
            file.ino(),
            file.len(),
            file.mtime(),
            file.mtime_nsec(),
        );
        if self.shown.contains(&print) {
            return false;
        }
        if self.shown.len() == REMEMBERED {
            self.shown.pop_front();
        }
        self.shown.push_back(print);
        true
    }
}

fn is_whole(kind: EventKind) -> bool {
    matches!(
        kind,
        EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(RenameMode::To))
    )
}
