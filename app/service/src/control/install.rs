//! `install_model` while the line runs: in a process of its own at the lowest priority, so that neither its work nor a
//! model that brings its runtime down can touch the inspection.

use super::Job;
use anyhow::Context;
use sightline_uplink::Outcome;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An installation that goes on.
pub struct Installing {
    child: Child,
    job: Box<Job>,
}

impl Installing {
    /// Starts it.
    pub(super) fn start(
        store: &Path,
        file: &Path,
        sha256: &str,
        job: Box<Job>,
    ) -> Result<Self, (Box<Job>, anyhow::Error)> {
        let spawn = || -> anyhow::Result<Child> {
            let program = std::env::current_exe().context("cannot find the program itself")?;
            let child = Command::new(program)
                .args([
                    "model", "install", "--gently", "--sha256", sha256, "--store",
                ])
                .arg(store)
                .arg(file)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .context("cannot start the installation")?;
            Ok(child)
        };
        match spawn() {
            Ok(child) => Ok(Self { child, job }),
            Err(error) => Err((job, error)),
        }
    }

    /// Its outcome, once it has ended.
    pub(super) fn ended(mut self) -> Result<(Box<Job>, Outcome), Self> {
        match self.child.try_wait() {
            Ok(None) => Err(self),
            Ok(Some(status)) => {
                let said = said(&mut self.child);
                let outcome = if status.success() {
                    Outcome::Done(said)
                } else if status.code().is_some() {
                    Outcome::Refused(said)
                } else {
                    Outcome::Refused(format!(
                        "the installation died ({status}); do not use this bundle: {said}"
                    ))
                };
                Ok((self.job, outcome))
            }
            Err(error) => Ok((
                self.job,
                Outcome::Refused(format!("the installation is lost: {error}")),
            )),
        }
    }

    /// The station ends: so does the installation; what it had unpacked is removed by the next one.
    pub(super) fn abandon(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what it said: the outcome is its last words.
fn said(child: &mut Child) -> String {
    use std::io::Read;
    let mut text = Vec::new();
    if let Some(stderr) = &mut child.stderr
        && let Err(error) = stderr.read_to_end(&mut text)
    {
        return format!("its words are lost: {error}");
    }
    let text = String::from_utf8_lossy(&text);
    let last: Vec<&str> = text.lines().rev().take(5).collect();
    last.into_iter().rev().collect::<Vec<_>>().join("; ")
}
