//! The workspace as cargo sees it.

// Each test file takes the part it needs.
#![allow(dead_code)]

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// When a dependency is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Normal,
    Dev,
    Build,
}

#[derive(Debug)]
pub struct Dependency {
    pub name: String,
    /// Where it lies in the workspace, relative to its root; `None` for foreign crates.
    pub folder: Option<String>,
    pub kind: Kind,
}

#[derive(Debug)]
pub struct Package {
    pub folder: String,
    pub dependencies: Vec<Dependency>,
}

/// The root of the workspace.
pub fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent()
        .expect("tests/ lies in the workspace")
        .to_path_buf()
}

/// What `cargo metadata` says, with `arguments` added.
pub fn metadata(arguments: &[&str]) -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1"])
        .args(arguments)
        .current_dir(root())
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "cargo metadata failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).expect("cargo metadata prints JSON")
}

/// This machine's target triple: what other platforms would need is not downloaded here.
pub fn host() -> String {
    let output = Command::new("rustc")
        .arg("-vV")
        .current_dir(root())
        .output()
        .expect("rustc starts");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: ").map(str::to_owned))
        .expect("rustc -vV names the host")
}

/// Our own crates and what they ask for.
pub fn workspace() -> Vec<Package> {
    let metadata = metadata(&["--no-deps", "--offline"]);
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(!packages.is_empty(), "cargo metadata lists no package");
    packages
        .iter()
        .map(|package| Package {
            folder: folder(package["manifest_path"].as_str().expect("manifest_path"))
                .expect("a member lies in the workspace"),
            dependencies: package["dependencies"]
                .as_array()
                .expect("dependencies")
                .iter()
                .map(dependency)
                .collect(),
        })
        .collect()
}

fn dependency(value: &Value) -> Dependency {
    Dependency {
        name: value["name"].as_str().expect("name").to_owned(),
        folder: value["path"]
            .as_str()
            .and_then(|path| folder(&format!("{path}/Cargo.toml"))),
        kind: match value["kind"].as_str() {
            None => Kind::Normal,
            Some("dev") => Kind::Dev,
            Some("build") => Kind::Build,
            Some(other) => panic!("unknown kind of dependency: {other}"),
        },
    }
}

fn folder(manifest: &str) -> Option<String> {
    let root = root().canonicalize().expect("the workspace is there");
    let folder = Path::new(manifest).parent()?.canonicalize().ok()?;
    Some(folder.strip_prefix(root).ok()?.to_str()?.to_owned())
}
