//! Why an item did not pass; what was refused is handed back.

use std::fmt;

/// Why [`try_send`](crate::Sender::try_send) did not take the item, with the item.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendError<T> {
    /// The queue was full, in items or in bytes; counted as refused.
    Full(T),
    /// Every receiver is gone.
    Closed(T),
}

impl<T> SendError<T> {
    /// The item that was not taken.
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(item) | Self::Closed(item) => item,
        }
    }
}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Closed(_) => f.write_str("Closed(..)"),
        }
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("the queue is full"),
            Self::Closed(_) => f.write_str("the queue is closed: every receiver is gone"),
        }
    }
}

impl<T> std::error::Error for SendError<T> {}

/// The other side is gone. From a send it carries the item that was not taken.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Closed<T = ()>(pub T);

impl<T> fmt::Debug for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closed(..)")
    }
}

impl<T> fmt::Display for Closed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the queue is closed: the other side is gone")
    }
}

impl<T> std::error::Error for Closed<T> {}

/// Why [`recv_timeout`](crate::Receiver::recv_timeout) brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecvTimeout {
    /// Nothing came in the time given.
    #[error("nothing came in the time given")]
    Timeout,
    /// The queue is empty and every sender is gone.
    #[error("the queue is closed: it is empty and every sender is gone")]
    Closed,
}
