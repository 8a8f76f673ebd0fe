//! `install_model` while the line runs: in a process of its own at the lowest priority, so that neither its work nor a
//! model that brings its runtime down can touch the inspection.

use super::Job;
use super::request::Request;
use crate::cli::model::{Policy, STEP};
use anyhow::Context;
use sightline_configs::{Loaded, Station};
use sightline_domain::MonoTime;
use sightline_uplink::Outcome;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Bytes of what it said that are looked at: the last ones.
const TAIL: u64 = 16 << 10;
/// Lines of its outcome, at most.
const LINES: usize = 5;

/// How an installation stands, for people.
#[derive(Clone, Debug)]
pub struct Installation {
    pub file: String,
    pub by: String,
    /// Absent: it goes on.
    pub done: Option<bool>,
    pub took_s: u32,
    /// The step it is at, or its last words.
    pub said: String,
}

/// An installation that goes on.
pub struct Installing {
    child: Child,
    /// What it says on stderr.
    words: File,
    since: MonoTime,
    job: Box<Job>,
}

impl Installing {
    /// Starts it.
    pub(super) fn start(
        station: &Loaded<Station>,
        file: &Path,
        sha256: Option<&str>,
        job: Box<Job>,
        now: MonoTime,
    ) -> Result<Self, (Box<Job>, anyhow::Error)> {
        let spawn = || -> anyhow::Result<(Child, File)> {
            let program = std::env::current_exe().context("cannot find the program itself")?;
            let words = tempfile::tempfile().context("no room for what the installation says")?;
            let mut command = Command::new(program);
            command.args(["model", "install", "--gently", "--with-parent"]);
            if let Some(sha256) = sha256 {
                command.args(["--sha256", sha256]);
            }
            let policy = Policy::of(station)?;
            let mut child = command
                .arg("--store")
                .arg(&policy.store)
                .arg(file)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(words.try_clone()?)
                .spawn()
                .context("cannot start the installation")?;
            // Held open as long as the station lives: the installation ends with it.
            let stdin = child.stdin.as_mut().context("no way to the installation")?;
            policy.send(stdin)?;
            Ok((child, words))
        };
        match spawn() {
            Ok((child, words)) => Ok(Self {
                child,
                words,
                since: now,
                job,
            }),
            Err(error) => Err((job, error)),
        }
    }

    /// Who asked hears that it has begun.
    pub(super) fn tell_begun(&self) {
        self.job
            .tell_running("the bundle is being unpacked, checked and proved");
        if let Some(person) = &self.job.console {
            // Who has gone meanwhile finds it in the audit trail.
            let _ = person.told.try_send(Outcome::Done("it goes on".into()));
        }
    }

    /// How it stands.
    pub(super) fn look(&self, now: MonoTime) -> Installation {
        let said = tail(&self.words);
        let step = said.lines().rev().find_map(|l| l.strip_prefix(STEP));
        self.told(now, None, step.unwrap_or_default().into())
    }

    fn told(&self, now: MonoTime, done: Option<bool>, said: String) -> Installation {
        let file = match &self.job.asked.request {
            Request::InstallModel { file, .. } => file.clone(),
            Request::InstallFile { path } => {
                let name = path.file_name().unwrap_or_default();
                name.to_string_lossy().into_owned()
            }
            _ => String::new(),
        };
        Installation {
            file,
            by: self.job.asked.by.clone(),
            done,
            took_s: now.since(self.since).as_secs() as u32,
            said,
        }
    }

    /// What became of it, once it has ended.
    pub(super) fn ended(
        mut self,
        now: MonoTime,
    ) -> Result<(Box<Job>, Installation, Outcome), Self> {
        let status = match self.child.try_wait() {
            Ok(None) => return Err(self),
            Ok(Some(status)) => Ok(status),
            Err(error) => Err(error),
        };
        let said = last_words(&tail(&self.words));
        let outcome = match status {
            Ok(status) if status.success() => Outcome::Done(said),
            Ok(status) if status.code().is_some() => Outcome::Refused(said),
            Ok(status) => Outcome::Refused(format!(
                "the installation died ({status}); do not use this bundle: {said}"
            )),
            Err(error) => Outcome::Refused(format!("the installation is lost: {error}")),
        };
        let (Outcome::Done(said) | Outcome::Refused(said) | Outcome::Running(said)) = &outcome;
        let done = matches!(outcome, Outcome::Done(_));
        let installation = self.told(now, Some(done), said.clone());
        Ok((self.job, installation, outcome))
    }

    /// The station ends: so does the installation; what it had unpacked is removed by the next one.
    pub(super) fn abandon(mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The end of what it said.
fn tail(words: &File) -> String {
    let length = words.metadata().map_or(0, |m| m.len());
    let from = length.saturating_sub(TAIL);
    let mut bytes = vec![0; (length - from) as usize];
    match words.read_exact_at(&mut bytes, from) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) => format!("its words are lost: {error}"),
    }
}

fn last_words(said: &str) -> String {
    let words = said.lines().filter(|l| !l.starts_with(STEP));
    let all: Vec<&str> = words.collect();
    all[all.len().saturating_sub(LINES)..].join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn steps_are_no_last_words() {
        let mut words = tempfile::tempfile().unwrap();
        writeln!(words, "{STEP}proving\nexpected a, found b\ndo c").unwrap();
        assert_eq!(last_words(&tail(&words)), "expected a, found b; do c");
    }
}
