//! The lock and counters the pool is built on: the standard ones, or loom's in this crate's own unit tests.
//!
//! Unit tests therefore run inside `loom::model`; tests with real threads live in `tests/`.

#[cfg(test)]
pub(crate) use loom::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
#[cfg(not(test))]
pub(crate) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};
