//! The shim compiles against every header set that a published crate carries: TensorRT 11 and TensorRT-RTX 1.3 to 1.7, and
//! against this box's own where it has TensorRT.

use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn compiles(headers: &Path, cuda: &Path) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let object = folder.path().join("shim.o");
    let done = Command::new("c++")
        .args([
            "-std=c++17",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-deprecated-declarations",
        ])
        .arg("-isystem")
        .arg(headers)
        .arg("-isystem")
        .arg(cuda)
        .arg("-c")
        .arg(root().join("engines/tensorrt/shim/shim.cpp"))
        .arg("-o")
        .arg(&object)
        .output()
        .map_err(|e| format!("a C++ compiler (`make setup` installs one): {e}"))?;
    if !done.status.success() {
        return Err(String::from_utf8_lossy(&done.stderr).into_owned());
    }
    // nothing of TensorRT or CUDA may be left to the linker
    let symbols = Command::new("nm")
        .arg("-u")
        .arg(&object)
        .output()
        .map_err(|e| e.to_string())?;
    let symbols = String::from_utf8_lossy(&symbols.stdout).into_owned();
    let theirs = |s: &&str| {
        ["createInfer", "nvonnx", "cuda", "getInferLib"]
            .iter()
            .any(|n| s.contains(n))
    };
    match symbols.lines().find(theirs) {
        Some(symbol) => Err(format!("the shim would have to be linked: {symbol}")),
        None => Ok(()),
    }
}

#[test]
fn the_shim_compiles_against_every_published_header_set() {
    let fetched = Command::new(root().join("scripts/tensorrt"))
        .arg("headers")
        .output()
        .expect("scripts/tensorrt");
    assert!(
        fetched.status.success(),
        "the headers come from the registry that cargo uses: {}",
        String::from_utf8_lossy(&fetched.stderr)
    );
    let folder = root().join(".sightline/tensorrt/headers");
    let sets = std::fs::read_dir(&folder).expect("header sets").flatten();
    let sets: Vec<PathBuf> = sets
        .map(|e| e.path())
        .filter(|p| p.join("NvInfer.h").is_file())
        .collect();
    for name in ["TRT-Enterprise-11.4", "TRT-RTX-1.3", "TRT-RTX-1.7"] {
        assert!(
            sets.iter().any(|s| s.ends_with(name)),
            "{name} is not in {sets:?}"
        );
    }
    for set in &sets {
        if let Err(words) = compiles(set, &folder) {
            panic!("{}: {words}", set.display());
        }
    }
}

#[test]
fn the_shim_compiles_against_this_box_s_own_tensorrt_if_it_has_one() {
    for folder in [
        "/usr/include/aarch64-linux-gnu",
        "/usr/include/x86_64-linux-gnu",
    ] {
        let folder = Path::new(folder);
        if folder.join("NvInfer.h").is_file()
            && let Err(words) = compiles(folder, Path::new("/usr/local/cuda/include"))
        {
            panic!("{}: {words}", folder.display());
        }
    }
}
