//! Weights that a model file keeps in files of their own: inside the bundle, listed and hashed, or refused.

use super::{
    Bundle, BundleError, FileEntry, Manifest, ModelFile, Problem, ROLE_MODEL, ROLE_WEIGHTS, hash,
};
use crate::onnx::OnnxFile;
use prost::bytes::Bytes;
use std::path::{Path, PathBuf};

/// A weights file, read and checked.
#[derive(Clone, Debug)]
pub struct Weights {
    /// As the model names it.
    pub location: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Bundle {
    /// The weights that `file`, parsed as `onnx`, keeps beside itself, from the bundle and nowhere else.
    ///
    /// # Errors
    /// [`Problem::Weights`] where one is not in the bundle; [`Problem::Size`], [`Problem::Hash`].
    pub fn read_weights(
        &self,
        file: &ModelFile<'_>,
        onnx: &OnnxFile,
    ) -> Result<Vec<Weights>, BundleError> {
        let found = entries(self.manifest(), file.entry, onnx).map_err(|p| self.refused(*p))?;
        let read = |(location, entry): (String, &FileEntry)| {
            let bytes = hash::read_checked(&self.dir().join(&entry.path), entry);
            let bytes = bytes.map_err(|problem| self.refused(*problem))?;
            Ok(Weights { location, bytes })
        };
        found.into_iter().map(read).collect()
    }

    /// SHA-256 of what decides what a model file says: of the file, or, where it has its weights beside it, of the
    /// hashes of all of them.
    pub(super) fn digest(&self, file: &ModelFile<'_>) -> String {
        let own = file.entry.sha256.to_ascii_lowercase();
        let weights = self
            .manifest()
            .files
            .iter()
            .filter(|f| f.role == ROLE_WEIGHTS);
        let mut all: Vec<String> = weights.map(|f| f.sha256.to_ascii_lowercase()).collect();
        if all.is_empty() {
            return own;
        }
        all.sort();
        hash::sha256_hex(format!("{own} {}", all.join(" ")).as_bytes())
    }
}

/// The manifest's entry for each weights file that the model names.
fn entries<'m>(
    manifest: &'m Manifest,
    model: &FileEntry,
    onnx: &OnnxFile,
) -> Result<Vec<(String, &'m FileEntry)>, Box<Problem>> {
    let refuse = |reason: String| {
        Box::new(Problem::Weights {
            model: PathBuf::from(&model.path),
            reason,
        })
    };
    let locations = onnx.weights_files().map_err(|e| refuse(e.to_string()))?;
    let folder = Path::new(&model.path).parent().unwrap_or(Path::new(""));
    let find = |location: String| {
        let path = folder.join(&location);
        let same = |f: &&FileEntry| Path::new(&f.path) == path && f.role == ROLE_WEIGHTS;
        match manifest.files.iter().find(same) {
            Some(entry) => Ok((location, entry)),
            None => Err(refuse(format!(
                "it keeps weights in `{}`, which the manifest does not list; copy the file into the bundle and add [[files]] \
                 with path = \"{}\", role = \"{ROLE_WEIGHTS}\", sha256 and size (`sightline model inspect` drafts it)",
                path.display(),
                path.display()
            ))),
        }
    };
    locations.into_iter().map(find).collect()
}

/// Checks that every weights file is in the bundle. Files that are no ONNX models are left to the engine.
pub(super) fn check(dir: &Path, manifest: &Manifest) -> Vec<Problem> {
    let models = manifest.files.iter().filter(|f| f.role == ROLE_MODEL);
    let problem = |entry: &FileEntry| {
        let bytes = hash::read_limited(&dir.join(&entry.path), hash::MAX_FILE_BYTES).ok()?;
        let onnx = OnnxFile::read(Bytes::from(bytes)).ok()?;
        entries(manifest, entry, &onnx).err().map(|p| *p)
    };
    models.filter_map(problem).collect()
}
