//! A bundle as one file, `.tar.zst`: the manifest and the files it names, nothing else; the same bundle gives
//! the same bytes. Taking one apart trusts nothing: limits on count and size, plain files inside only.

use super::{Bundle, BundleError, MANIFEST_FILE, Problem, hash};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufReader, BufWriter, Error, ErrorKind, Read, Write};
use std::path::{Component, Path};

/// Most files in an archive.
pub const MAX_FILES: usize = 1_000;
/// Most bytes in an archive, unpacked.
pub const MAX_BYTES: u64 = 4 << 30;
const COMPRESSION_LEVEL: i32 = 10;

/// Writes the bundle to `archive`; a file that was there is replaced only when all went well.
///
/// # Errors
/// A file of the bundle cannot be read or the archive cannot be written.
pub fn pack(bundle: &Bundle, archive: &Path) -> Result<(), BundleError> {
    let partial = archive.with_extension("partial");
    write(bundle, &partial)
        .and_then(|()| std::fs::rename(&partial, archive))
        .map_err(|e| {
            // the error that is told is the first one; a leftover partial file harms nobody
            let _ = std::fs::remove_file(&partial);
            refused(archive, format!("cannot be written: {e}"))
        })
}

fn write(bundle: &Bundle, path: &Path) -> std::io::Result<()> {
    let m = bundle.manifest();
    let mut names: BTreeSet<&str> = m.files.iter().map(|f| f.path.as_str()).collect();
    for golden in &m.golden {
        names.extend([golden.image.as_str(), golden.expected.as_str()]);
        names.extend(golden.reference.as_deref());
    }
    let zstd = zstd::Encoder::new(BufWriter::new(File::create(path)?), COMPRESSION_LEVEL)?;
    let mut tar = tar::Builder::new(zstd);
    for name in std::iter::once(MANIFEST_FILE).chain(names) {
        let bytes = hash::read_limited(&bundle.dir().join(name), hash::MAX_FILE_BYTES)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, bytes.as_slice())?;
    }
    let file = tar.into_inner()?.finish()?;
    file.into_inner()?.sync_all()
}

/// Takes `archive` apart into the folder `dir`, which must not exist or be empty, and loads the bundle.
/// What was unpacked stays there also when the bundle is refused, for inspection.
///
/// # Errors
/// The archive breaks a limit, names a path outside, holds a link, or the bundle in it is refused.
pub fn unpack(archive: &Path, dir: &Path) -> Result<Bundle, BundleError> {
    extract(archive, dir).map_err(|e| refused(archive, e.to_string()))?;
    Bundle::load(dir)
}

fn extract(archive: &Path, dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    if std::fs::read_dir(dir)?.next().is_some() {
        return Err(bad(format!(
            "expected {} to be empty, found files in it; unpack elsewhere",
            dir.display()
        )));
    }
    let zstd = zstd::Decoder::new(BufReader::new(File::open(archive)?))?;
    // padding and headers included, so that endless empty entries end too
    let mut tar = tar::Archive::new(zstd.take(MAX_BYTES + (1 << 20)));
    let (mut files, mut bytes) = (0, 0_u64);
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            continue;
        }
        let inside = path.components().all(|c| matches!(c, Component::Normal(_)));
        if !kind.is_file() || !inside {
            return Err(bad(format!(
                "expected plain files inside the bundle, found {} ({kind:?}); do not use this archive",
                path.display()
            )));
        }
        files += 1;
        bytes = bytes.saturating_add(entry.size());
        if files > MAX_FILES || bytes > MAX_BYTES {
            return Err(bad(format!(
                "expected at most {MAX_FILES} files and {MAX_BYTES} bytes, found more"
            )));
        }
        let target = dir.join(&path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut out = BufWriter::new(File::create_new(&target)?);
        std::io::copy(&mut entry, &mut out)?;
        out.flush()?;
    }
    Ok(())
}

fn bad(message: String) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

fn refused(archive: &Path, reason: String) -> BundleError {
    BundleError {
        path: archive.to_owned(),
        problems: vec![Problem::Archive {
            path: archive.to_owned(),
            reason,
        }],
    }
}
