//! Model bundles: a folder with `manifest.toml`, checked as a whole before anything of it is used.

pub mod archive;
mod check;
mod check_head;
mod decoder;
pub mod draft;
mod external;
pub mod golden;
mod hash;
pub mod manifest;
mod problem;
mod proof;

pub use check::{MAX_DETECTIONS, MAX_INPUT_SIDE, is_code};
pub use external::Weights;
pub use hash::list_files;
pub use manifest::{Activation, Background, BoxFormat, BoxUnit, Channel, ClassName, ClassSpec};
pub use manifest::{BUNDLE_SCHEMA, ROLE_MODEL, ROLE_WEIGHTS};
pub use manifest::{Color, Column, DecoderKind, DecoderSpec, OutputNames};
pub use manifest::{Dtype, FileEntry, GoldenSpec, InputSpec, Layout, Manifest, Precision};
pub use manifest::{Resize, Task, Tolerance};
pub use problem::{BundleError, Problem};

use crate::{EngineInfo, EngineSettings};
use std::path::{Path, PathBuf};

/// The manifest's file name.
pub const MANIFEST_FILE: &str = "manifest.toml";
/// The manifest's detached signature, in minisign's format.
pub const SIGNATURE_FILE: &str = "manifest.toml.minisig";
/// Largest manifest read, bytes.
const MAX_MANIFEST_BYTES: u64 = 256 << 10;

/// A bundle whose manifest is sound and whose files are what the manifest says.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    dir: PathBuf,
    manifest: Manifest,
}

/// The manifest in `dir`, checked by itself: no other file is looked at.
fn parse(dir: &Path) -> Result<Manifest, BundleError> {
    let refuse = |problems| BundleError {
        path: dir.to_owned(),
        problems,
    };
    let path = dir.join(MANIFEST_FILE);
    let text = hash::read_limited(&path, MAX_MANIFEST_BYTES)
        .and_then(|bytes| {
            String::from_utf8(bytes)
                .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidData, e))
        })
        .map_err(|source| {
            refuse(vec![Problem::Unreadable {
                path: path.clone(),
                source,
                advice: "name the folder that holds the bundle's manifest.toml (`sightline model inspect FILE.onnx` drafts one)",
            }])
        })?;
    let (manifest, source) = sightline_configs::read::<Manifest>(&path, &text)
        .map_err(|p| refuse(p.0.into_iter().map(Problem::Manifest).collect()))?;
    let problems = check::Checker::new(&path, &source).run(&manifest);
    if problems.is_empty() {
        Ok(manifest)
    } else {
        Err(refuse(problems))
    }
}

impl Bundle {
    /// Reads and checks the bundle in `dir`: the manifest, and size and SHA-256 of every file it lists.
    ///
    /// # Errors
    /// [`BundleError`] with all that is wrong.
    pub fn load(dir: &Path) -> Result<Self, BundleError> {
        let manifest = parse(dir)?;
        let mut problems = hash::check_files(dir, &manifest);
        if problems.is_empty() {
            problems.extend(external::check(dir, &manifest));
        }
        if problems.is_empty() {
            problems.extend(golden::check(dir, &manifest));
        }
        if problems.is_empty() {
            Ok(Self {
                dir: dir.to_owned(),
                manifest,
            })
        } else {
            Err(BundleError {
                path: dir.to_owned(),
                problems,
            })
        }
    }

    /// The bundle's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the bundle says of itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The model file of `precision`; of `None`: INT8 where there is one, else FP32.
    ///
    /// # Errors
    /// [`Problem::NoPrecision`].
    pub fn model_file(&self, precision: Option<Precision>) -> Result<ModelFile<'_>, BundleError> {
        let mut models: Vec<ModelFile<'_>> = self
            .manifest
            .files
            .iter()
            .filter(|f| f.role == ROLE_MODEL)
            .filter_map(|entry| {
                entry.precision.map(|precision| ModelFile {
                    path: self.dir.join(&entry.path),
                    entry,
                    precision,
                })
            })
            .collect();
        models.sort_by_key(|m| match m.precision {
            Precision::Int8 => 0,
            Precision::Fp32 => 1,
            Precision::Fp16 => 2,
        });
        let have = models.iter().map(|m| m.precision.name()).collect();
        models
            .into_iter()
            .find(|m| precision.is_none_or(|p| p == m.precision))
            .ok_or_else(|| BundleError {
                path: self.dir.clone(),
                problems: vec![Problem::NoPrecision {
                    asked: precision.map_or("any", Precision::name),
                    have,
                }],
            })
    }

    /// The bytes of a model file, checked against the manifest again as they are read.
    ///
    /// # Errors
    /// [`Problem::Unreadable`], [`Problem::Size`], [`Problem::Hash`].
    pub fn read_model(&self, file: &ModelFile<'_>) -> Result<Vec<u8>, BundleError> {
        hash::read_checked(&file.path, file.entry).map_err(|problem| self.refused(*problem))
    }

    fn refused(&self, problem: Problem) -> BundleError {
        BundleError {
            path: self.dir.clone(),
            problems: vec![problem],
        }
    }

    /// What an engine called `library` (e.g. `onnx-cpu`) says of itself when it runs this bundle on one thread
    /// with one batch in flight.
    ///
    /// # Errors
    /// [`Problem::NoPrecision`].
    pub fn engine_info(
        &self,
        library: &str,
        settings: &EngineSettings,
    ) -> Result<EngineInfo, BundleError> {
        let file = self.model_file(settings.precision)?;
        let m = &self.manifest;
        Ok(EngineInfo {
            name: format!("{library}/{}", file.precision.name()),
            bundle: m.name.clone(),
            version: m.version.clone(),
            digest: self.digest(&file),
            task: m.task,
            classes: m.classes.iter().map(ClassSpec::info).collect(),
            input_size: (m.input.width, m.input.height),
            wants_reference: m.input.wants_reference(),
            preferred_batch: 1,
            max_batch: settings.max_batch.max(1),
            depth: 1,
        })
    }
}

/// A model file of a bundle.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile<'b> {
    /// Where it is.
    pub path: PathBuf,
    /// What the manifest says of it.
    pub entry: &'b FileEntry,
    /// Its number format.
    pub precision: Precision,
}
