//! Compiles the shim over TensorRT's headers, if the feature `tensorrt` is on. Nothing is linked: the library is loaded at
//! run time.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    #[cfg(feature = "tensorrt")]
    shim::compile();
}

#[cfg(feature = "tensorrt")]
mod shim {
    use std::path::{Path, PathBuf};

    const INCLUDE: &str = "SIGHTLINE_TENSORRT_INCLUDE";

    /// Folders that hold `NvInfer.h`: named ones are binding.
    fn places() -> Vec<PathBuf> {
        if let Some(named) = std::env::var_os(INCLUDE) {
            return std::env::split_paths(&named).collect();
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        vec![
            root.join(".sightline/tensorrt/include"),
            "/usr/include/aarch64-linux-gnu".into(),
            "/usr/include/x86_64-linux-gnu".into(),
            "/usr/local/tensorrt/include".into(),
            "/usr/include".into(),
        ]
    }

    pub fn compile() {
        println!("cargo::rerun-if-env-changed={INCLUDE}");
        println!("cargo::rerun-if-changed=shim");
        let places = places();
        let Some(headers) = places.iter().find(|p| p.join("NvInfer.h").is_file()) else {
            let list: Vec<_> = places.iter().map(|p| p.display().to_string()).collect();
            println!(
                "cargo::error=feature `tensorrt`: expected NvInfer.h and NvOnnxParser.h of TensorRT 8.5 or later, found none; looked in: {}. \
                 Install TensorRT's development package (JetPack: libnvinfer-dev libnvonnxparsers-dev), run `scripts/tensorrt`, \
                 or name the folder in {INCLUDE}",
                list.join(", ")
            );
            return;
        };
        println!(
            "cargo::rerun-if-changed={}",
            headers.join("NvInferVersion.h").display()
        );
        let mut build = cc::Build::new();
        build
            .cpp(true)
            .std("c++17")
            .file("shim/shim.cpp")
            .flag("-isystem")
            .flag(headers.as_os_str())
            .flag("-Wno-deprecated-declarations")
            .warnings(true);
        // cuda_runtime_api.h: the named places, then CUDA's own
        let cuda = [PathBuf::from("/usr/local/cuda/include")];
        for place in places.iter().filter(|p| *p != headers).chain(&cuda) {
            if place.join("cuda_runtime_api.h").is_file() {
                build.flag("-isystem").flag(place.as_os_str());
                break;
            }
        }
        build.compile("sightline_tensorrt_shim");
    }
}
