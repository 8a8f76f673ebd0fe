//! Files against the manifest: size and SHA-256.

use super::{Bundle, BundleError, FileEntry, MANIFEST_FILE, Manifest, Problem};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Error, ErrorKind, Read};
use std::path::Path;

/// Largest file of a bundle, bytes; ONNX itself ends at 2 GiB.
pub(super) const MAX_FILE_BYTES: u64 = 2 << 30;

/// SHA-256 in lower-case hexadecimal.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        hex.push_str(&format!("{byte:02x}"));
    }
    hex
}

/// Reads a regular file of at most `limit` bytes.
pub(super) fn read_limited(path: &Path, limit: u64) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut bytes = Vec::with_capacity(meta.len().min(limit) as usize);
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let message = format!("larger than {limit} bytes");
        return Err(Error::new(ErrorKind::FileTooLarge, message));
    }
    Ok(bytes)
}

/// Reads a listed file and holds it against its entry.
pub(super) fn read_checked(path: &Path, entry: &FileEntry) -> Result<Vec<u8>, Box<Problem>> {
    let unreadable = |source| {
        Box::new(Problem::Unreadable {
            path: path.to_owned(),
            source,
            advice: "copy the bundle again, or remove its entry from manifest.toml",
        })
    };
    let found = path.metadata().map_err(unreadable)?.len();
    if found != entry.size {
        return Err(Box::new(Problem::Size {
            path: path.to_owned(),
            expected: entry.size,
            found,
        }));
    }
    let bytes = read_limited(path, MAX_FILE_BYTES).map_err(unreadable)?;
    let found = sha256_hex(&bytes);
    if found.eq_ignore_ascii_case(&entry.sha256) {
        Ok(bytes)
    } else {
        Err(Box::new(Problem::Hash {
            path: path.to_owned(),
            expected: entry.sha256.to_ascii_lowercase(),
            found,
        }))
    }
}

/// Checks every listed file.
pub(super) fn check_files(dir: &Path, manifest: &Manifest) -> Vec<Problem> {
    let check = |entry: &FileEntry| {
        read_checked(&dir.join(&entry.path), entry)
            .err()
            .map(|p| *p)
    };
    manifest.files.iter().filter_map(check).collect()
}

/// Adds files to a bundle's manifest, each with its digest and size, as role `golden`; the bundle is loaded again.
///
/// # Errors
/// A file cannot be read, the manifest cannot be written, or the bundle does not load any more.
pub fn list_files(bundle: &Bundle, names: &[String]) -> Result<Bundle, BundleError> {
    let path = bundle.dir().join(MANIFEST_FILE);
    let unreadable = |path: &Path, source| BundleError {
        path: bundle.dir().to_owned(),
        problems: vec![Problem::Unreadable {
            path: path.to_owned(),
            source,
            advice: "make the bundle's folder readable and writable",
        }],
    };
    let mut text = std::fs::read_to_string(&path).map_err(|e| unreadable(&path, e))?;
    for name in names {
        let file = bundle.dir().join(name);
        let bytes = read_limited(&file, MAX_FILE_BYTES).map_err(|e| unreadable(&file, e))?;
        text += &format!(
            "\n[[files]]\npath = {}\nrole = \"golden\"\nsha256 = \"{}\"\nsize = {}\n",
            toml::Value::String(name.clone()),
            sha256_hex(&bytes),
            bytes.len()
        );
    }
    std::fs::write(&path, text).map_err(|e| unreadable(&path, e))?;
    Bundle::load(bundle.dir())
}
