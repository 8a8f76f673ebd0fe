//! Unsafe lives in three crates; elsewhere it is denied, and nobody reopens it.
//! Test files may (a counting allocator needs it); what is under `src/` and `build.rs` may not.

mod cargo_tree;

use std::fs;
use std::path::{Path, PathBuf};

const CRATES: &[&str] = &["base/frames", "engines/onnx", "engines/tensorrt"];

#[test]
fn unsafe_code_is_denied_outside_its_crates() {
    let mut seen = 0;
    for package in cargo_tree::workspace() {
        if CRATES.contains(&package.folder.as_str()) {
            continue;
        }
        let folder = cargo_tree::root().join(&package.folder);
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("a manifest");
        assert!(
            inherits_lints(&manifest),
            "{}/Cargo.toml: expected `[lints] workspace = true`, which denies unsafe code",
            package.folder
        );
        for file in sources(&folder) {
            let text = fs::read_to_string(&file).expect("a source file");
            assert!(
                !reopens_unsafe(&text),
                "{}: reopens unsafe_code; only {CRATES:?} may. Put the unsafe part there, behind a safe function",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(seen > 0, "no source file was read");
}

fn inherits_lints(manifest: &str) -> bool {
    let manifest: toml::Table = manifest.parse().expect("a manifest is TOML");
    let inherits = |lints: &toml::Value| lints.get("workspace").and_then(toml::Value::as_bool);
    manifest.get("lints").and_then(inherits) == Some(true)
}

fn reopens_unsafe(text: &str) -> bool {
    text.lines().any(|line| {
        let code = line.split("//").next().unwrap_or_default();
        code.contains("unsafe_code")
    })
}

/// Every `.rs` under `src/`, and `build.rs`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.join("src")];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.extend(Some(folder.join("build.rs")).filter(|p| p.exists()));
    found
}

#[test]
fn reopening_is_recognised() {
    assert!(reopens_unsafe("#[allow(unsafe_code)]\nfn f() {}"));
    assert!(reopens_unsafe("#![expect(unsafe_code, reason = \"…\")]"));
    assert!(!reopens_unsafe("// unsafe_code is denied here\nfn f() {}"));
    assert!(!inherits_lints("[lints.rust]\nunsafe_code = \"allow\""));
    assert!(inherits_lints("[lints]\nworkspace = true"));
}
