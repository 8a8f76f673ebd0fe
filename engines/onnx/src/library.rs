//! Finds and loads ONNX Runtime's shared library, once a process.

use ort::environment::Environment;
use ort::logging::LogLevel;
use sightline_engine::EngineError;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// The library's name in messages.
const LIBRARY: &str = "ONNX Runtime library (libonnxruntime.so)";
/// The file, or a link to it.
const FILE: &str = "libonnxruntime.so";
/// Where a package puts it.
const PACKAGED: &str = "/usr/lib/sightline";
/// Where a distribution puts it.
const SYSTEM: [&str; 4] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib",
];
/// Names it, for machines with several.
const ENVIRONMENT: &str = "ORT_DYLIB_PATH";
/// Where set-up unpacks it, below a project.
const UNPACKED: &str = ".sightline/onnxruntime";

/// Where to look. A place that was named is binding: if the library is not there, no other is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LibrarySearch {
    /// From the configuration; the file itself.
    pub configured: Option<PathBuf>,
    /// From `ORT_DYLIB_PATH`; the file itself.
    pub environment: Option<PathBuf>,
    /// Folders to search upwards for `.sightline/onnxruntime`.
    pub roots: Vec<PathBuf>,
    /// Folders that may hold the library, last.
    pub folders: Vec<PathBuf>,
}

impl LibrarySearch {
    /// The usual places: the configured file, `ORT_DYLIB_PATH`, `.sightline/onnxruntime` upwards from the working
    /// folder and from the executable's, `/usr/lib/sightline`, the system's library folders.
    pub fn usual(configured: Option<PathBuf>) -> Self {
        let executable = std::env::current_exe().ok();
        let beside = executable.and_then(|exe| exe.parent().map(Path::to_owned));
        let folders = std::iter::once(PACKAGED).chain(SYSTEM);
        Self {
            configured,
            environment: std::env::var_os(ENVIRONMENT)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from),
            roots: std::env::current_dir()
                .ok()
                .into_iter()
                .chain(beside)
                .collect(),
            folders: folders.map(PathBuf::from).collect(),
        }
    }

    /// Every file that would be taken, in order.
    pub fn candidates(&self) -> Vec<PathBuf> {
        if let Some(named) = self.configured.as_ref().or(self.environment.as_ref()) {
            return vec![named.clone()];
        }
        let unpacked = self
            .roots
            .iter()
            .flat_map(|root| root.ancestors())
            .map(|folder| folder.join(UNPACKED).join(FILE));
        let mut all: Vec<PathBuf> = Vec::new();
        for path in unpacked.chain(self.folders.iter().map(|f| f.join(FILE))) {
            if !all.contains(&path) {
                all.push(path);
            }
        }
        all
    }

    /// The library's file.
    ///
    /// # Errors
    /// [`EngineError::LibraryMissing`], naming all that was looked for.
    pub fn find(&self) -> Result<PathBuf, EngineError> {
        let looked = self.candidates();
        if let Some(found) = looked.iter().find(|path| path.is_file()) {
            return Ok(found.clone());
        }
        let advice = if self.configured.is_some() {
            "correct the configured path or leave it out".to_owned()
        } else if self.environment.is_some() {
            format!("correct {ENVIRONMENT} or unset it")
        } else {
            format!("run `make setup`, or name the file in {ENVIRONMENT}")
        };
        Err(EngineError::LibraryMissing {
            library: LIBRARY,
            looked,
            advice,
        })
    }
}

/// ONNX Runtime, loaded. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) environment: Arc<Environment>,
    path: PathBuf,
}

/// The process's one library: it cannot be unloaded or loaded twice.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl Runtime {
    /// Loads the library, or returns the one already loaded.
    ///
    /// # Errors
    /// It is nowhere, does not load, is older than 1.31, or another file is already loaded in this process.
    pub fn load(search: &LibrarySearch) -> Result<Self, EngineError> {
        let path = search.find()?;
        let mut loaded = LOADED
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(runtime) = &*loaded {
            return if same_file(&runtime.path, &path) {
                Ok(runtime.clone())
            } else {
                let there = runtime.path.display();
                Err(unusable(
                    &path,
                    format!("{there} is already loaded; restart to change it"),
                ))
            };
        }
        let runtime = Self::open(path)?;
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    fn open(path: PathBuf) -> Result<Self, EngineError> {
        let environment = ort::init_from(&path)
            .map_err(|e| unusable(&path, e.to_string()))?
            .with_name("sightline")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, category, _, location, message| {
                log(level, category, location, message);
            }))
            .build()
            .map_err(|e| unusable(&path, e.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        Ok(Self {
            environment: Arc::new(environment),
            path,
        })
    }

    /// The library's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The library's environment, for tools that run a file without a bundle.
    pub fn environment(&self) -> &Environment {
        &self.environment
    }

    /// What the library says of its build.
    pub fn build_info(&self) -> &'static str {
        ort::info()
    }
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

fn unusable(path: &Path, reason: String) -> EngineError {
    EngineError::LibraryUnusable {
        library: LIBRARY,
        path: path.to_owned(),
        reason: format!("{reason}; run `make setup` for the version Sightline is built for"),
    }
}

fn log(level: LogLevel, category: &str, location: &str, message: &str) {
    match level {
        LogLevel::Verbose => {
            tracing::trace!(target: "onnxruntime", category, location, "{message}")
        }
        LogLevel::Info => tracing::debug!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Warning => tracing::warn!(target: "onnxruntime", category, location, "{message}"),
        LogLevel::Error | LogLevel::Fatal => {
            tracing::error!(target: "onnxruntime", category, location, "{message}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_place_is_binding_and_the_rest_is_searched_upwards_in_order() {
        let search = LibrarySearch {
            configured: None,
            environment: None,
            roots: vec!["/a/b".into(), "/a/c".into()],
            folders: vec!["/usr/lib/sightline".into()],
        };
        let looked: Vec<String> = search
            .candidates()
            .iter()
            .map(|p| p.display().to_string())
            .collect();
        assert_eq!(
            looked,
            [
                "/a/b/.sightline/onnxruntime/libonnxruntime.so",
                "/a/.sightline/onnxruntime/libonnxruntime.so",
                "/.sightline/onnxruntime/libonnxruntime.so",
                "/a/c/.sightline/onnxruntime/libonnxruntime.so",
                "/usr/lib/sightline/libonnxruntime.so",
            ]
        );
        let named = LibrarySearch {
            configured: Some("/opt/ort.so".into()),
            environment: Some("/env/ort.so".into()),
            ..search
        };
        assert_eq!(named.candidates(), [PathBuf::from("/opt/ort.so")]);
        let text = named.find().expect_err("it is not there").to_string();
        assert!(
            text.contains("/opt/ort.so") && text.contains("correct the configured path"),
            "{text}"
        );
    }

    #[test]
    fn a_library_that_is_nowhere_is_told_with_every_place_and_the_way_out() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let search = LibrarySearch {
            roots: vec![folder.path().to_owned()],
            ..LibrarySearch::default()
        };
        let text = search.find().expect_err("it is not there").to_string();
        assert!(
            text.contains(&folder.path().display().to_string()),
            "{text}"
        );
        assert!(
            text.contains("make setup") && text.contains("ORT_DYLIB_PATH"),
            "{text}"
        );
    }
}
