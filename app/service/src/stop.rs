//! Ctrl-C and SIGTERM, and SIGHUP, as flags that loops look at.

use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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

impl Stop {
    /// Takes over SIGINT and SIGTERM.
    pub fn on_signals() -> anyhow::Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
            // Registered first, so that it acts only if the flag was set by an earlier signal.
            signal_hook::flag::register_conditional_shutdown(signal, 130, flag.clone())
                .and_then(|_| signal_hook::flag::register(signal, flag.clone()))
                .context("cannot take over Ctrl-C")?;
        }
        Ok(Self(flag))
    }

    /// True once a signal came.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
