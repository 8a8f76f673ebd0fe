//! A bundle as one file, `.tar.zst`: the manifest first, then the files it names, nothing else; the same bundle gives
//! the same bytes.
//!
//! Taking one apart trusts nothing. The archive is read once, as a stream, and nothing is written before the manifest was
//! read and has named it. Bounds: count, size of each file and of all, depth and length of names, ratio of
//! unpacked to packed bytes, decompression window, time.

use super::{
    Bundle, BundleError, MANIFEST_FILE, MAX_MANIFEST_BYTES, Manifest, Problem, SIGNATURE_FILE,
};
use super::{hash, parse};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, BufWriter, Error, ErrorKind, Read, Write};
use std::path::{Component, Path};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tar::EntryType;

/// Most files in an archive.
pub const MAX_FILES: usize = 1_000;
/// Most bytes in an archive, unpacked.
pub const MAX_BYTES: u64 = 4 << 30;
/// Most folders above a file, itself included.
pub const MAX_DEPTH: usize = 8;
/// Longest path in an archive, bytes.
pub const MAX_NAME: u64 = 240;
/// Largest file whose size the manifest does not give (golden pictures and their answers), bytes.
const MAX_UNLISTED_BYTES: u64 = 64 << 20;
/// Largest signature, bytes.
const MAX_SIGNATURE_BYTES: u64 = 4 << 10;
/// Most unpacked bytes for each packed one, beyond the first [`RATIO_FROM`] bytes. Networks pack by 1.1 to 4.
const MAX_RATIO: u64 = 200;
const RATIO_FROM: u64 = 64 << 20;
/// Largest block of tar's own headers with names or times in them, bytes.
const MAX_EXTENSION: u64 = 4 << 10;
/// Memory that decompression may ask for, as a power of two.
const MAX_WINDOW_LOG: u32 = 26;
/// Longest time for taking one apart.
const MAX_TIME: Duration = Duration::from_secs(300);
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
    let names = named(bundle.manifest());
    let zstd = zstd::Encoder::new(BufWriter::new(File::create(path)?), COMPRESSION_LEVEL)?;
    let mut tar = tar::Builder::new(zstd);
    let there = |name: &&str| *name != SIGNATURE_FILE || bundle.dir().join(name).exists();
    let names = names.keys().map(String::as_str).filter(there);
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

/// How large a file of the bundle may be.
#[derive(Clone, Copy)]
enum Size {
    Exactly(u64),
    AtMost(u64),
}

/// Every file beside the manifest that it names, and its signature.
fn named(m: &Manifest) -> BTreeMap<String, Size> {
    let mut names = BTreeMap::from([(SIGNATURE_FILE.into(), Size::AtMost(MAX_SIGNATURE_BYTES))]);
    for golden in &m.golden {
        let files = [&golden.image, &golden.expected];
        for name in files.into_iter().chain(&golden.reference) {
            names.insert(name.clone(), Size::AtMost(MAX_UNLISTED_BYTES));
        }
    }
    let listed = m.files.iter();
    names.extend(listed.map(|f| (f.path.clone(), Size::Exactly(f.size))));
    names
}

/// Takes the file `archive` apart into the folder `dir`, which must not exist or be empty, and loads the bundle.
/// What was unpacked stays there also when the bundle is refused.
///
/// # Errors
/// The archive breaks a limit, holds what its manifest does not name, or the bundle in it is refused.
pub fn unpack(archive: &Path, dir: &Path) -> Result<Bundle, BundleError> {
    let file = File::open(archive).map_err(|e| refused(archive, format!("cannot be read: {e}")))?;
    unpack_from(file, archive, dir)
}

/// As [`unpack`], from something that is open already; `archive` is its name for people.
///
/// # Errors
/// As [`unpack`].
pub fn unpack_from(packed: impl Read, archive: &Path, dir: &Path) -> Result<Bundle, BundleError> {
    let words = |e: Error| refused(archive, e.to_string());
    std::fs::create_dir_all(dir).map_err(words)?;
    if std::fs::read_dir(dir).map_err(words)?.next().is_some() {
        return Err(refused(
            archive,
            format!(
                "expected {} to be empty, found files in it; unpack elsewhere",
                dir.display()
            ),
        ));
    }
    let stream = Stream::open(packed).map_err(words)?;
    let mut tar = tar::Archive::new(stream);
    let mut taking = Taking {
        archive,
        dir,
        names: None,
        extended: None,
        files: 0,
    };
    for entry in tar.entries().map_err(words)?.raw(true) {
        taking.take(&mut entry.map_err(words)?)?;
    }
    if taking.names.is_none() {
        return Err(refused(
            archive,
            "expected manifest.toml, found none".into(),
        ));
    }
    Bundle::load(dir)
}

/// An archive that is being taken apart.
struct Taking<'a> {
    archive: &'a Path,
    dir: &'a Path,
    /// What the manifest names and is still to come; absent: the manifest is still to come.
    names: Option<BTreeMap<String, Size>>,
    /// The next entry's name, where it did not fit its header.
    extended: Option<String>,
    files: usize,
}

impl Taking<'_> {
    fn refuse(&self, reason: impl Into<String>) -> BundleError {
        refused(self.archive, reason.into())
    }

    fn take(&mut self, entry: &mut tar::Entry<'_, impl Read>) -> Result<(), BundleError> {
        let kind = entry.header().entry_type();
        match kind {
            EntryType::GNULongName => {
                let name = self.small(entry, MAX_NAME + 1, "a file's name")?;
                let name = String::from_utf8_lossy(&name);
                self.extended = Some(name.trim_end_matches('\0').to_owned());
                return Ok(());
            }
            EntryType::XHeader => {
                let block = self.small(entry, MAX_EXTENSION, "a block of tar's headers")?;
                self.extended = self.extended_name(&block)?.or(self.extended.take());
                return Ok(());
            }
            EntryType::XGlobalHeader => {
                self.small(entry, MAX_EXTENSION, "a block of tar's headers")?;
                return Ok(());
            }
            _ => {}
        }
        let name = match self.extended.take() {
            Some(name) => name,
            None => String::from_utf8_lossy(&entry.path_bytes()).into_owned(),
        };
        self.plain(&name, kind)?;
        if kind.is_dir() {
            return self.folder(&name);
        }
        self.files += 1;
        if self.files > MAX_FILES {
            return Err(self.refuse(format!("expected at most {MAX_FILES} files, found more")));
        }
        match &mut self.names {
            None => self.manifest(&name, entry),
            Some(names) => {
                let size = names.remove(&name);
                let size = size.ok_or_else(|| self.stowaway(&name))?;
                self.file(&name, size, entry)
            }
        }
    }

    /// The content of an entry that must be small.
    fn small(
        &self,
        entry: &mut tar::Entry<'_, impl Read>,
        most: u64,
        what: &str,
    ) -> Result<Vec<u8>, BundleError> {
        let found = entry.size();
        if found > most {
            return Err(self.refuse(format!(
                "expected {what} of at most {most} bytes, found {found}; do not use this archive"
            )));
        }
        let mut bytes = Vec::with_capacity(found as usize);
        let read = entry.read_to_end(&mut bytes);
        read.map_err(|e| self.refuse(e.to_string()))?;
        Ok(bytes)
    }

    fn extended_name(&self, block: &[u8]) -> Result<Option<String>, BundleError> {
        let mut name = None;
        for extension in tar::PaxExtensions::new(block) {
            let extension = extension.map_err(|e| self.refuse(e.to_string()))?;
            match extension.key_bytes() {
                b"path" => {
                    name = Some(String::from_utf8_lossy(extension.value_bytes()).into_owned())
                }
                key if key == b"size" || key == b"linkpath" || key.starts_with(b"GNU.sparse") => {
                    return Err(self.refuse(format!(
                        "expected plain files inside the bundle, found one with tar's `{}`; do not use this archive",
                        String::from_utf8_lossy(key)
                    )));
                }
                _ => {}
            }
        }
        Ok(name)
    }

    fn plain(&self, name: &str, kind: EntryType) -> Result<(), BundleError> {
        let shown: String = name.chars().take(100).collect();
        let components = || Path::new(name).components();
        let inside = !name.is_empty() && components().all(|c| matches!(c, Component::Normal(_)));
        // `./x` and `x` are one file to the system: one spelling each
        let spelt =
            inside && !name.starts_with("./") && !name.contains("//") && !name.contains("/./");
        if !(kind.is_file() || kind.is_dir()) || !spelt {
            return Err(self.refuse(format!(
                "expected plain files inside the bundle, found {shown} ({kind:?}); do not use this archive"
            )));
        }
        let depth = components().count();
        if name.len() as u64 > MAX_NAME || depth > MAX_DEPTH {
            return Err(self.refuse(format!(
                "expected names of at most {MAX_NAME} bytes and {MAX_DEPTH} levels, found {} and {depth}: {shown}; do not use this archive",
                name.len()
            )));
        }
        Ok(())
    }

    /// A folder may come before what lies in it; it is made with its first file.
    fn folder(&self, name: &str) -> Result<(), BundleError> {
        let inside = format!("{}/", name.trim_end_matches('/'));
        let holds = |names: &BTreeMap<String, Size>| names.keys().any(|n| n.starts_with(&inside));
        match &self.names {
            Some(names) if holds(names) => Ok(()),
            Some(_) => Err(self.stowaway(name)),
            None => Err(self.not_first(name)),
        }
    }

    fn stowaway(&self, name: &str) -> BundleError {
        self.refuse(format!(
            "expected the manifest and the files it names, each once, found {name}; do not use this archive, or pack the bundle again with `sightline model pack`"
        ))
    }

    fn not_first(&self, name: &str) -> BundleError {
        self.refuse(format!(
            "expected {MANIFEST_FILE} first, found {name}; pack the bundle with `sightline model pack`"
        ))
    }

    fn manifest(
        &mut self,
        name: &str,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<(), BundleError> {
        if name != MANIFEST_FILE {
            return Err(self.not_first(name));
        }
        let bytes = self.small(entry, MAX_MANIFEST_BYTES, MANIFEST_FILE)?;
        let path = self.dir.join(MANIFEST_FILE);
        let put = std::fs::write(&path, &bytes);
        put.map_err(|e| self.refuse(format!("{}: cannot be written: {e}", path.display())))?;
        let manifest = parse(self.dir)?;
        let names = named(&manifest);
        let all: u64 = (names.values())
            .map(|s| match s {
                Size::Exactly(n) => *n,
                Size::AtMost(_) => 0,
            })
            .fold(0, u64::saturating_add);
        if all > MAX_BYTES {
            return Err(self.refuse(format!(
                "expected files of at most {MAX_BYTES} bytes together, found {all} in the manifest"
            )));
        }
        self.names = Some(names);
        Ok(())
    }

    fn file(
        &self,
        name: &str,
        size: Size,
        entry: &mut tar::Entry<'_, impl Read>,
    ) -> Result<(), BundleError> {
        let (found, target) = (entry.size(), self.dir.join(name));
        match size {
            Size::Exactly(expected) if found != expected => {
                return Err(BundleError {
                    path: self.archive.to_owned(),
                    problems: vec![Problem::Size {
                        path: name.into(),
                        expected,
                        found,
                    }],
                });
            }
            Size::AtMost(most) if found > most => {
                return Err(self.refuse(format!(
                    "{name}: expected at most {most} bytes, found {found}; do not use this archive"
                )));
            }
            _ => {}
        }
        let mut put = || -> std::io::Result<()> {
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let mut out = BufWriter::new(File::create_new(&target)?);
            std::io::copy(entry, &mut out)?;
            out.flush()
        };
        put().map_err(|e| self.refuse(format!("{name}: {e}")))
    }
}

/// Counts what is read from the packed side.
struct Counted<R> {
    inner: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.inner.read(into)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// The unpacked side, with its bounds.
struct Stream<R: Read> {
    zstd: zstd::Decoder<'static, BufReader<Counted<R>>>,
    packed: Arc<AtomicU64>,
    unpacked: u64,
    since: Instant,
}

impl<R: Read> Stream<R> {
    fn open(inner: R) -> std::io::Result<Self> {
        let packed = Arc::new(AtomicU64::new(0));
        let read = packed.clone();
        let mut zstd = zstd::Decoder::new(Counted { inner, read })?;
        zstd.window_log_max(MAX_WINDOW_LOG)?;
        Ok(Self {
            zstd,
            packed,
            unpacked: 0,
            since: Instant::now(),
        })
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.zstd.read(into)?;
        self.unpacked += n as u64;
        let packed = self.packed.load(Ordering::Relaxed);
        // padding and headers included, so that endless empty entries end too
        if self.unpacked > MAX_BYTES + (1 << 20) {
            return Err(bad(format!(
                "expected at most {MAX_BYTES} bytes, found more"
            )));
        }
        if self.unpacked > RATIO_FROM && self.unpacked / packed.max(1) > MAX_RATIO {
            return Err(bad(format!(
                "expected at most {MAX_RATIO} times the packed size, found {} bytes of {packed}; do not use this archive",
                self.unpacked
            )));
        }
        if self.since.elapsed() > MAX_TIME {
            return Err(bad(format!(
                "expected to be unpacked within {} s, found more to do",
                MAX_TIME.as_secs()
            )));
        }
        Ok(n)
    }
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
