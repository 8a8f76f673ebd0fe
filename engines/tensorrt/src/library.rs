//! Finds and loads shared libraries at run time, and says where it looked.

use libloading::Library;
use sightline_engine::EngineError;
use std::path::{Path, PathBuf};

/// Names a folder, or a file in it, for machines with several.
pub const ENVIRONMENT: &str = "SIGHTLINE_TENSORRT";
/// Where `scripts/tensorrt` unpacks libraries, below a project.
const UNPACKED: &str = ".sightline/tensorrt/lib";

/// Where to look. A place that was named is binding for TensorRT: if it is not there, no other is taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Search {
    /// From the configuration or the environment: a folder, or a library in it.
    pub named: Option<PathBuf>,
    /// Folders to search upwards for `.sightline/tensorrt/lib`.
    pub roots: Vec<PathBuf>,
}

impl Search {
    /// The usual places: what is configured, `SIGHTLINE_TENSORRT`, `.sightline/tensorrt/lib` upwards from the working
    /// folder and from the executable's, then the system's loader.
    pub fn usual(configured: Option<PathBuf>) -> Self {
        let executable = std::env::current_exe().ok();
        let beside = executable.and_then(|exe| exe.parent().map(Path::to_owned));
        let set = std::env::var_os(ENVIRONMENT).filter(|v| !v.is_empty());
        Self {
            named: configured.or_else(|| set.map(PathBuf::from)),
            roots: std::env::current_dir()
                .ok()
                .into_iter()
                .chain(beside)
                .collect(),
        }
    }

    /// Every file that would be taken for the first of `names` that is there, in order; a bare name is the loader's.
    pub fn candidates(&self, names: &[&str]) -> Vec<PathBuf> {
        let mut folders: Vec<PathBuf> = Vec::new();
        if let Some(named) = &self.named {
            let file = named.extension().is_some() && !named.is_dir();
            let folder = if file { named.parent() } else { Some(&**named) };
            folders.extend(folder.map(Path::to_owned));
        } else {
            let upwards = self.roots.iter().flat_map(|root| root.ancestors());
            for folder in upwards.map(|f| f.join(UNPACKED)) {
                if !folders.contains(&folder) {
                    folders.push(folder);
                }
            }
        }
        let inside = folders
            .iter()
            .flat_map(|folder| names.iter().map(move |name| folder.join(name)));
        let mut all: Vec<PathBuf> = inside.collect();
        if self.named.is_none() {
            all.extend(names.iter().map(PathBuf::from));
        }
        all
    }

    /// Loads the first of `names` that is there.
    ///
    /// # Errors
    /// [`EngineError::LibraryMissing`] with every place, [`EngineError::LibraryUnusable`] where one is there but does not
    /// load.
    pub fn load(
        &self,
        library: &'static str,
        names: &[&str],
        advice: &str,
    ) -> Result<(Library, PathBuf), EngineError> {
        let looked = self.candidates(names);
        for path in &looked {
            let bare = path.components().count() == 1;
            if !bare && !path.is_file() {
                continue;
            }
            // SAFETY: loading runs the library's initialisers. It is NVIDIA's, found where this box's owner put it; to
            // run models on it is to trust it.
            match unsafe { Library::new(path) } {
                Ok(loaded) => return Ok((loaded, path.clone())),
                // the loader's own search came up empty
                Err(_) if bare => {}
                Err(error) => {
                    return Err(EngineError::LibraryUnusable {
                        library,
                        path: path.clone(),
                        reason: error.to_string(),
                    });
                }
            }
        }
        Err(EngineError::LibraryMissing {
            library,
            looked,
            advice: advice.to_owned(),
        })
    }
}

/// A function of a loaded library, by value; the library must stay loaded while it is used.
///
/// # Errors
/// [`EngineError::LibraryUnusable`].
///
/// # Safety
/// `F` is the type that the library gives the symbol.
pub unsafe fn symbol<F: Copy>(
    library: &Library,
    what: &'static str,
    path: &Path,
    name: &str,
) -> Result<F, EngineError> {
    // SAFETY: by the caller's word.
    let found = unsafe { library.get::<F>(name.as_bytes()) };
    found
        .map(|f| *f)
        .map_err(|error| EngineError::LibraryUnusable {
            library: what,
            path: path.to_owned(),
            reason: error.to_string(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_nowhere_is_told_with_every_place_and_the_way_out() {
        let search = Search {
            named: None,
            roots: vec!["/a/b".into()],
        };
        let names = ["libnothing_at_all.so.1", "libnothing_at_all.so"];
        let looked = search.candidates(&names);
        let text: Vec<_> = looked.iter().map(|p| p.display().to_string()).collect();
        assert_eq!(
            text,
            [
                "/a/b/.sightline/tensorrt/lib/libnothing_at_all.so.1",
                "/a/b/.sightline/tensorrt/lib/libnothing_at_all.so",
                "/a/.sightline/tensorrt/lib/libnothing_at_all.so.1",
                "/a/.sightline/tensorrt/lib/libnothing_at_all.so",
                "/.sightline/tensorrt/lib/libnothing_at_all.so.1",
                "/.sightline/tensorrt/lib/libnothing_at_all.so",
                "libnothing_at_all.so.1",
                "libnothing_at_all.so",
            ]
        );
        let error = search
            .load("Nothing", &names, "install it")
            .expect_err("nowhere");
        let words = error.to_string();
        for part in [
            "Nothing",
            "/a/.sightline/tensorrt/lib/libnothing_at_all.so.1",
            "install it",
        ] {
            assert!(words.contains(part), "{words}");
        }
    }

    #[test]
    fn a_named_place_is_binding_and_a_damaged_library_is_told_as_such() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("libbroken.so.1");
        std::fs::write(&file, b"not a library").expect("room");
        for named in [folder.path().to_owned(), file.clone()] {
            let search = Search {
                named: Some(named),
                roots: vec!["/a".into()],
            };
            assert_eq!(
                search.candidates(&["libbroken.so.1"]),
                std::slice::from_ref(&file)
            );
            let error = search
                .load("Broken", &["libbroken.so.1"], "")
                .expect_err("damaged");
            assert!(
                matches!(error, EngineError::LibraryUnusable { .. }),
                "{error}"
            );
            let missing = search
                .load("Other", &["libother.so"], "")
                .expect_err("not there");
            assert!(
                matches!(missing, EngineError::LibraryMissing { .. }),
                "{missing}"
            );
        }
    }
}
