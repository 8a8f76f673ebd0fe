//! Results on stdout, by a thread of their own: a reader that stands still holds nobody up.

use crate::cli::output;
use crate::station::result_sink::Mailbox;
use sightline_queue::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::time::Duration;

/// Time between looks for results.
const LOOK: Duration = Duration::from_millis(50);
/// How long the last results get to be read at the end.
const LAST: Duration = Duration::from_secs(1);

/// Prints what comes into the mailbox. Results that nobody reads make room for newer ones.
pub struct Terminal {
    end: Option<Sender<()>>,
    ended: Receiver<()>,
}

impl Terminal {
    pub fn start(mailbox: Arc<Mailbox>) -> std::io::Result<Self> {
        let (end, asked) = bounded::<()>("terminal-end", 1);
        let (tell, ended) = bounded("terminal-ended", 1);
        let print = move || {
            for (_, json) in &mailbox.take() {
                output::raw_line(&[json, &b"\n"[..]].concat());
            }
        };
        let run = move || {
            while asked.recv_timeout(LOOK) == Err(sightline_queue::RecvTimeout::Timeout) {
                print();
            }
            print();
            // Who asked for the end may have stopped waiting.
            let _ = tell.try_send(());
        };
        std::thread::Builder::new()
            .name("sl-terminal".into())
            .spawn(run)?;
        Ok(Self {
            end: Some(end),
            ended,
        })
    }

    /// Prints what is left, and waits a moment for it.
    pub fn end(mut self) {
        self.end = None;
        if self.ended.recv_timeout(LAST).is_err() {
            tracing::warn!("nobody reads the results on stdout; the last ones are left out");
        }
    }
}
