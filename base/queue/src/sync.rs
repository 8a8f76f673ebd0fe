//! The lock the ledger is built on: the standard one, or loom's in this crate's own unit tests.
//!
//! Unit tests therefore run inside `loom::model`; tests with real threads live in `tests/`.

#[cfg(test)]
pub(crate) use loom::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread::yield_now,
};
#[cfg(not(test))]
pub(crate) use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
    thread::yield_now,
};
