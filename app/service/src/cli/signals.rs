//! Ctrl-C and SIGTERM, and SIGHUP, as flags that loops look at.

use crate::log;
use anyhow::Context;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Set by the first signal; the second ends the process at once.
#[derive(Clone)]
pub struct Stop(Arc<AtomicBool>);

/// Set by SIGHUP (`systemctl reload`).
pub struct Reload(Arc<AtomicBool>);

impl Reload {
    /// Takes over SIGHUP.
    pub fn on_signal() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(signal_hook::consts::SIGHUP, flag.clone())
            .context("cannot take over SIGHUP")?;
        Ok(Self(flag))
    }

    /// True once for each signal or burst of them.
    pub fn asked(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// A process that was told to end is gone after so long, whatever hangs in it.
const GONE_AFTER: Duration = Duration::from_millis(4_300);

impl Stop {
    /// Takes over SIGINT and SIGTERM. After the first one the process ends within 5 s: what hangs is left behind. What has
    /// been handed to the journal is on the disk by then, unless it is the disk that hangs.
    pub fn on_signals() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Registered first, so that it acts only if the flag was set by an earlier signal.
            signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .context("cannot take over Ctrl-C")?;
        }
        let mut signals = Signals::new([SIGINT, SIGTERM]).context("cannot take over Ctrl-C")?;
        let last = move || {
            if signals.forever().next().is_some() {
                std::thread::sleep(GONE_AFTER);
                log::note(
                    "sightline: expected to end within 5 s, found that something hangs; it is left behind",
                );
                log::settle();
                signal_hook::low_level::exit(1);
            }
        };
        std::thread::Builder::new()
            .name("sl-stop".into())
            .spawn(last)
            .context("no thread for Ctrl-C")?;
        Ok(Self(flag))
    }

    /// True once a signal came.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
