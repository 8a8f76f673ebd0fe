//! The `sightline` binary at work.

use crate::process::Killed;
use crate::{PATIENCE, project, until};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The binary, built from this tree.
pub fn binary() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let mut build = Command::new(cargo);
        // What cargo tells this test about its own package would make build scripts (ring's) run again.
        for (name, _) in std::env::vars_os() {
            if let Some("CARGO_PKG" | "CARGO_MAN") = name.to_str().and_then(|n| n.get(..9)) {
                build.env_remove(name);
            }
        }
        build.args([
            "build",
            "--quiet",
            "--locked",
            "--package",
            "sightline",
            "--message-format",
            "json",
        ]);
        let built = build.current_dir(project()).output().expect("cargo");
        assert!(
            built.status.success(),
            "{}",
            String::from_utf8_lossy(&built.stderr)
        );
        let lines = String::from_utf8_lossy(&built.stdout).into_owned();
        let made = lines
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let path = made
            .filter_map(|m| m["executable"].as_str().map(PathBuf::from))
            .next_back();
        path.expect("cargo says where the binary is")
    })
}

/// Writes the demo's configuration into `folder`: `broker` takes the place of the embedded one (in TOML, with whatever
/// else `[mqtt]` shall have), `more` are further sections.
pub fn demo_config(folder: &Path, broker: &str, more: &str) -> PathBuf {
    let configs = project().join("configs");
    let recipe = configs.join("recipes/demo-board.toml");
    let text = std::fs::read_to_string(configs.join("demo.toml")).expect("demo.toml");
    let changed = text
        .replace("recipes/demo-board.toml", &recipe.display().to_string())
        .replace("\"embedded\"", broker);
    let config = folder.join("station.toml");
    std::fs::write(&config, format!("{changed}\n{more}\n")).expect("written");
    config
}

/// Runs `sightline` to its end.
pub fn sightline(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .current_dir(project())
        .stdin(Stdio::null())
        .output()
        .expect("sightline")
}

/// Stdout as JSON lines; everything must be JSON.
pub fn json_lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("not JSON ({e}): {line}")))
        .collect()
}

/// A running `sightline run --json`.
pub struct Station {
    process: Killed,
    results: Arc<Mutex<Vec<Value>>>,
    log: Arc<Mutex<String>>,
}

impl Station {
    /// Starts the station of a configuration file.
    pub fn run(config: &Path) -> Self {
        let mut child = Command::new(binary())
            .args(["-v", "run", "--json", "--config"])
            .arg(config)
            .current_dir(project())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sightline");
        let (stdout, stderr) = (
            child.stdout.take().expect("piped"),
            child.stderr.take().expect("piped"),
        );
        let (results, log) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(Mutex::new(String::new())),
        );
        let (to_results, to_log) = (results.clone(), log.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let result = serde_json::from_str(&line)
                    .unwrap_or_else(|e| panic!("not JSON ({e}): {line}"));
                to_results.lock().expect("results").push(result);
            }
        });
        std::thread::spawn(move || {
            let mut stderr = BufReader::new(stderr);
            let mut part = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut part) {
                to_log
                    .lock()
                    .expect("log")
                    .push_str(&String::from_utf8_lossy(&part[..n]));
            }
        });
        Self {
            process: Killed(child),
            results,
            log,
        }
    }

    /// Results so far.
    pub fn results(&self) -> Vec<Value> {
        self.results.lock().expect("results").clone()
    }

    /// Stderr so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// Waits until a result after the first `from` satisfies `wanted`; returns how long that took and how many there are.
    pub fn wait_for(
        &self,
        what: &str,
        from: usize,
        wanted: impl Fn(&Value) -> bool,
    ) -> (Duration, usize) {
        let start = Instant::now();
        let mut seen = from;
        let mut count = 0;
        until(&format!("{what}; log:\n{}", self.log()), || {
            let results = self.results.lock().expect("results");
            let hit = results[seen.min(results.len())..].iter().any(&wanted);
            (seen, count) = (results.len(), results.len());
            hit
        });
        (start.elapsed(), count)
    }

    /// Lets it run for `time` and ends it in order. Returns the numbers of the results that were begun meanwhile.
    pub fn made_within(&mut self, time: Duration) -> std::collections::BTreeSet<u64> {
        let from = self.results().len() as u64 + 2;
        std::thread::sleep(time);
        assert_eq!(self.interrupt(), 0, "{}", self.log());
        let numbers = self.results().into_iter();
        numbers
            .filter_map(|r| r["seq"].as_u64())
            .filter(|seq| *seq >= from)
            .collect()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        self.process.signal(name);
    }

    /// Ctrl-C; waits for the end and returns the exit code.
    pub fn interrupt(&mut self) -> i32 {
        self.process.signal("INT");
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.0.try_wait().expect("wait") {
                return status.code().unwrap_or(-1);
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it does not end; log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
