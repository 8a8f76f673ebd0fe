//! The disk: real files in memory, with faults put between SQLite and the operating system, and copies that stand for
//! what `kill -9` leaves behind.
#![allow(
    unsafe_code,
    reason = "SQLite's system calls are replaced through its C interface"
)]

use rusqlite::ffi;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;

/// What the disk does with the next write of SQLite on this thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskFault {
    /// Takes it.
    None,
    /// No room is left.
    Full,
    /// An input or output error.
    Io,
    /// Takes so many more writes, and none after: the process dies in the middle of a commit.
    DiesAfter(u32),
}

thread_local! {
    static FAULT: Cell<DiskFault> = const { Cell::new(DiskFault::None) };
}

/// From now on, on this thread.
pub fn set(fault: DiskFault) {
    FAULT.set(fault);
}

/// The error number of the next write, if it is to fail.
fn refusal() -> Option<c_int> {
    match FAULT.get() {
        DiskFault::None => None,
        DiskFault::Full => Some(libc::ENOSPC),
        DiskFault::Io | DiskFault::DiesAfter(0) => Some(libc::EIO),
        DiskFault::DiesAfter(n) => {
            FAULT.set(DiskFault::DiesAfter(n - 1));
            None
        }
    }
}

unsafe extern "C" fn write(file: c_int, bytes: *const c_void, n: usize) -> isize {
    if let Some(number) = refusal() {
        // SAFETY: the location of this thread's `errno` is always there to be written.
        unsafe { *libc::__errno_location() = number };
        return -1;
    }
    // SAFETY: SQLite's own arguments, passed on as they are.
    unsafe { libc::write(file, bytes, n) }
}

/// Puts the faults under SQLite, once in this process. Without one set, writes go on as ever.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the default VFS is there for good, and is the unix one, whose system calls may be replaced; a pointer
        // to a function of the signature of `write` is what this one takes.
        let done = unsafe {
            let vfs = ffi::sqlite3_vfs_find(std::ptr::null());
            let set = (*vfs).xSetSystemCall.expect("a VFS of version 3");
            let ours: unsafe extern "C" fn() =
                std::mem::transmute(write as unsafe extern "C" fn(_, _, _) -> _);
            set(vfs, c"write".as_ptr(), Some(ours))
        };
        assert_eq!(done, ffi::SQLITE_OK, "SQLite takes the replaced call");
    });
}

/// A folder for one simulated station: in memory where there is such a file system.
pub fn scratch() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
    .expect("a temporary folder")
}

/// What a process that ends now leaves in `folder`, as a folder of its own beside it: `name`.
pub fn left_behind(folder: &Path, name: &str) -> PathBuf {
    let copy = folder.with_file_name(name);
    fs::create_dir_all(&copy).expect("a folder");
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // a log that SQLite takes away meanwhile is none
        let _ = fs::copy(entry.path(), copy.join(entry.file_name()));
    }
    copy
}
