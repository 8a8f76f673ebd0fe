//! A file system of its own that a test may fill.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A tmpfs of a few MB, gone with its guard.
pub struct SmallDisk {
    folder: tempfile::TempDir,
    megabytes: usize,
}

impl SmallDisk {
    /// `None`, said aloud, where this user may not mount.
    pub fn mount(megabytes: usize) -> Option<Self> {
        let folder = tempfile::tempdir().expect("scratch");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .output();
        if mounted.is_ok_and(|m| m.status.success()) {
            return Some(Self { folder, megabytes });
        }
        eprintln!("SKIPPED: a full disk needs the right to mount a tmpfs");
        None
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room there is.
    pub fn fill(&self) {
        let filled = fs::write(self.ballast(), vec![0; (self.megabytes + 1) << 20]);
        assert!(filled.is_err(), "the disk is full");
    }

    /// Gives the room back.
    pub fn clear(&self) {
        fs::remove_file(self.ballast()).expect("the ballast goes");
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// A folder that takes no writes, as a read-only medium does, until its guard goes.
pub struct ReadOnly(PathBuf);

impl ReadOnly {
    /// `None`, said aloud, where this user may not mount.
    pub fn of(folder: &Path) -> Option<Self> {
        let mount = |args: &[&str]| {
            let mounted = Command::new("mount").args(args).arg(folder).output();
            mounted.is_ok_and(|m| m.status.success())
        };
        let folder_text = folder.to_str().expect("UTF-8");
        if mount(&["--bind", folder_text]) {
            let guard = Self(folder.to_path_buf());
            if mount(&["-o", "remount,bind,ro"]) {
                return Some(guard);
            }
        }
        eprintln!("SKIPPED: a read-only medium needs the right to mount");
        None
    }
}

impl Drop for ReadOnly {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
