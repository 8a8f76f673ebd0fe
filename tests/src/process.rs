//! Child processes that do not outlive their test.

use std::process::Child;

/// Killed when dropped.
pub struct Killed(pub Child);

impl Killed {
    /// Sends a signal by name, e.g. `TERM`.
    pub fn signal(&self, name: &str) {
        let pid = self.0.id().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &pid])
            .status();
        assert!(sent.is_ok_and(|s| s.success()), "kill -s {name} {pid}");
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
