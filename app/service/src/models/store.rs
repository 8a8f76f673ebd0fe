//! The model store: a folder of bundles that have proved themselves on this box, and which of them look.
//!
//! `STORE/{name}/{version}/` holds a bundle; it appears there whole (unpacked and verified beside it, then renamed) and
//! is never changed. `STORE/active.json` lists for each name the activated versions, the last one looks; a name that
//! is not listed looks as its recipe says. Whoever changes something holds the lock file.

use crate::models::signing::Trust;
use anyhow::{Context, anyhow, bail, ensure};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sightline_engine::Bundle;
use sightline_engine::bundle::archive;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::{Path, PathBuf};

const ACTIVE: &str = "active.json";
/// Activated versions that a name can go back through.
const HISTORY: usize = 20;

type Active = BTreeMap<String, Vec<String>>;

/// A store.
pub struct Store {
    root: PathBuf,
    /// Absent: a store of no station, where nobody asks for signatures.
    trust: Option<Trust>,
}

/// Which versions are activated: what was before a change, so that it can be put back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Activated(Active);

impl Activated {
    /// Every model looks as its recipe says.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Activated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let newest = |(name, history): (&String, &Vec<String>)| {
            history.last().map(|version| format!("{name} {version}"))
        };
        let all: Vec<String> = self.0.iter().filter_map(newest).collect();
        match all.is_empty() {
            true => f.write_str("what the recipe names"),
            false => f.write_str(&all.join(", ")),
        }
    }
}

impl Store {
    /// Opens the store, and makes its folder if there is none.
    pub fn open(root: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(root)
            .with_context(|| format!("cannot make the model store {}", root.display()))?;
        // Absolute: scratch folders are told from ours by their paths, and another process gets them too.
        let root = fs::canonicalize(root)
            .with_context(|| format!("cannot open the model store {}", root.display()))?;
        Ok(Self { root, trust: None })
    }

    /// Of a station, which asks for signatures.
    pub fn trusting(self, trust: Trust) -> Self {
        Self {
            trust: Some(trust),
            ..self
        }
    }

    /// Who signed it, in words.
    fn signed(&self, bundle: &Bundle) -> anyhow::Result<String> {
        match &self.trust {
            Some(trust) => trust.check(bundle),
            None => Ok("signature not looked at: --store names no station".into()),
        }
    }

    fn lock(&self) -> anyhow::Result<File> {
        let path = self.root.join(".lock");
        let file =
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
        file.try_lock().map_err(|e| {
            anyhow!(
                "another program changes the model store {}: {e}; try again",
                self.root.display()
            )
        })?;
        Ok(file)
    }

    /// Takes a bundle in: its archive's digest is compared, `verify` must like it, then it appears under its version.
    /// Returns name, version, and who signed it, in words.
    pub fn install(
        &self,
        from: &Path,
        sha256: Option<&str>,
        verify: impl FnOnce(&Bundle) -> anyhow::Result<()>,
    ) -> anyhow::Result<(String, String, String)> {
        let _lock = self.lock()?;
        let incoming = tempfile::Builder::new()
            .prefix(".incoming-")
            .tempdir_in(&self.root)?;
        // Somebody's who died meanwhile: the lock is ours now.
        remove_leftovers(&self.root, incoming.path())?;
        let packed = if from.is_dir() {
            ensure!(
                sha256.is_none(),
                "a digest is of an archive, found the folder {}",
                from.display()
            );
            let packed = incoming.path().join("packed");
            archive::pack(&Bundle::load(from)?, &packed)?;
            packed
        } else {
            from.to_path_buf()
        };
        let unpacked = incoming.path().join("bundle");
        let bundle = unpack(&packed, from, sha256, &unpacked)?;
        let manifest = bundle.manifest();
        let (name, version) = (manifest.name.clone(), manifest.version.clone());
        for level in [&name, &version] {
            ensure!(
                is_level(level),
                "expected letters, digits, `.`, `-` and `_` in a bundle's name and version, found `{level}`"
            );
        }
        let signed = self.signed(&bundle)?;
        let place = self.place(&name, &version);
        if place.exists() {
            let there = Bundle::load(&place)?;
            ensure!(
                same_files(&there, &bundle),
                "{name} {version} is installed already, with other content; a version is never changed: give the new bundle a new version"
            );
            return Ok((name, version, signed));
        }
        verify(&bundle)?;
        sync_all(&unpacked)?;
        let parent = self.root.join(&name);
        fs::create_dir_all(&parent)?;
        fs::rename(&unpacked, &place)?;
        File::open(&parent)?.sync_all()?;
        Ok((name, version, signed))
    }

    /// Every installed bundle, and whether it looks.
    pub fn list(&self) -> anyhow::Result<Vec<(String, String, bool)>> {
        let active = self.read()?;
        let mut all = Vec::new();
        for name in levels(&self.root)? {
            for version in levels(&self.root.join(&name))? {
                let looks = active.get(&name).and_then(|h| h.last()) == Some(&version);
                all.push((name.clone(), version, looks));
            }
        }
        all.sort();
        Ok(all)
    }

    /// An installed bundle; `None`: it is not.
    pub fn installed(&self, name: &str, version: &str) -> anyhow::Result<Option<Bundle>> {
        let is_there = is_level(name) && is_level(version) && self.place(name, version).is_dir();
        let load = || Bundle::load(&self.place(name, version));
        Ok(is_there.then(load).transpose()?)
    }

    /// Every installed bundle's folder.
    pub fn folders(&self) -> anyhow::Result<Vec<PathBuf>> {
        let all = self.list()?.into_iter();
        Ok(all
            .map(|(name, version, _)| self.place(&name, &version))
            .collect())
    }

    /// The activated versions of a name, the last one looks; none: it looks as the recipe says.
    pub fn activated(&self, name: &str) -> anyhow::Result<Vec<String>> {
        Ok(self.read()?.remove(name).unwrap_or_default())
    }

    /// Lets an installed version look from the next generation.
    pub fn activate(&self, name: &str, version: &str) -> anyhow::Result<Activated> {
        let _lock = self.lock()?;
        let bundle = self.installed(name, version)?.with_context(|| {
            format!(
                "expected an installed bundle, found no {name} {version} in {}; install it first",
                self.root.display()
            )
        })?;
        self.signed(&bundle)?;
        let before = self.read()?;
        let mut after = before.clone();
        let history = after.entry(name.into()).or_default();
        if let Some(now) = history.last() {
            if now == version {
                return Ok(Activated(before));
            }
            ensure!(
                numbers(version) >= numbers(now),
                "expected {name} {now} or later, found {version}; a model goes back only by a roll-back on this station"
            );
        }
        history.push(version.into());
        let excess = history.len().saturating_sub(HISTORY);
        history.drain(..excess);
        self.write(&after)?;
        Ok(Activated(before))
    }

    /// Goes back to the version before; after the first one to the recipe's own. Returns what looks now, in words.
    pub fn rollback(&self, name: &str) -> anyhow::Result<(Activated, String)> {
        let _lock = self.lock()?;
        let before = self.read()?;
        let mut after = before.clone();
        let Some(history) = after.get_mut(name).filter(|h| !h.is_empty()) else {
            bail!("nothing to go back from: {name} looks as the recipe says");
        };
        history.pop();
        let now = history
            .last()
            .cloned()
            .unwrap_or_else(|| "as the recipe says".into());
        after.retain(|_, history| !history.is_empty());
        self.write(&after)?;
        Ok((Activated(before), now))
    }

    /// Which versions are activated.
    pub fn active(&self) -> anyhow::Result<Activated> {
        Ok(Activated(self.read()?))
    }

    /// Its folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Undoes a change.
    pub fn put_back(&self, before: Activated) -> anyhow::Result<()> {
        let _lock = self.lock()?;
        self.write(&before.0)
    }

    /// The bundle that looks instead of `bundle`: the activated version of the same name, if there is one.
    pub fn instead_of(&self, bundle: Bundle) -> anyhow::Result<Bundle> {
        let name = &bundle.manifest().name;
        match self.read()?.get(name).and_then(|history| history.last()) {
            Some(version) => {
                let bundle = Bundle::load(&self.place(name, version))?;
                self.signed(&bundle)?;
                Ok(bundle)
            }
            None => Ok(bundle),
        }
    }

    fn place(&self, name: &str, version: &str) -> PathBuf {
        self.root.join(name).join(version)
    }

    fn read(&self) -> anyhow::Result<Active> {
        let path = self.root.join(ACTIVE);
        match fs::read(&path) {
            Ok(json) => serde_json::from_slice(&json).with_context(|| {
                format!(
                    "{} is damaged; remove it to let every model look as its recipe says",
                    path.display()
                )
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Active::new()),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Written beside, synced and renamed: after a power cut it is the old or the new one.
    fn write(&self, active: &Active) -> anyhow::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.root)?;
        serde_json::to_writer_pretty(&mut file, active)?;
        file.as_file().sync_all()?;
        file.persist(self.root.join(ACTIVE))?;
        File::open(&self.root)?.sync_all()?;
        Ok(())
    }
}

/// A version's numbers, for comparing.
fn numbers(version: &str) -> Vec<u64> {
    version.split('.').map(|n| n.parse().unwrap_or(0)).collect()
}

/// Names and versions become folders.
fn is_level(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    !text.is_empty() && text.len() <= 100 && !text.starts_with('.') && text.chars().all(plain)
}

/// Folders that are not hidden.
fn levels(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type()?.is_dir() && is_level(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

fn remove_leftovers(root: &Path, ours: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(root)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(".incoming-") && path != ours {
            fs::remove_dir_all(&path)
                .with_context(|| format!("cannot remove {}", path.display()))?;
        }
    }
    Ok(())
}

fn same_files(a: &Bundle, b: &Bundle) -> bool {
    let read = |bundle: &Bundle| fs::read(bundle.dir().join("manifest.toml")).ok();
    read(a).is_some() && read(a) == read(b)
}

/// Takes the archive apart that has the expected digest. It is opened once, so that another file under its name changes
/// nothing, and what was unpacked is held against the digest again.
fn unpack(packed: &Path, name: &Path, expected: Option<&str>, to: &Path) -> anyhow::Result<Bundle> {
    let mut file = File::open(packed).with_context(|| format!("cannot read {}", name.display()))?;
    ensure!(
        file.metadata()?.is_file(),
        "expected a bundle's folder or archive, found {}",
        name.display()
    );
    let bytes = file.metadata()?.len();
    ensure!(
        bytes <= archive::MAX_BYTES,
        "expected an archive of at most {} bytes, found {bytes}",
        archive::MAX_BYTES
    );
    let Some(expected) = expected else {
        return Ok(archive::unpack_from(file, name, to)?);
    };
    let found = digest(&mut file, Sha256::new())?;
    ensure!(
        found.eq_ignore_ascii_case(expected),
        "expected {} to have sha256 {expected}, found {found}; copy it again",
        name.display()
    );
    file.rewind()?;
    let mut reading = Digesting {
        file,
        hash: Sha256::new(),
    };
    let bundle = archive::unpack_from(&mut reading, name, to)?;
    let unpacked = digest(&mut reading.file, reading.hash)?;
    ensure!(
        unpacked == found,
        "{} was changed while it was unpacked; copy it again",
        name.display()
    );
    Ok(bundle)
}

/// Reads to the end; the digest of all that went into `hash`.
fn digest(file: &mut File, mut hash: Sha256) -> anyhow::Result<String> {
    let mut part = vec![0; 1 << 16];
    loop {
        match file.read(&mut part)? {
            0 => break,
            n => hash.update(&part[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

/// A file whose digest is taken as it is read.
struct Digesting {
    file: File,
    hash: Sha256,
}

impl Read for Digesting {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read(into)?;
        self.hash.update(&into[..n]);
        Ok(n)
    }
}

fn sync_all(folder: &Path) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sync_all(&path)?;
        } else {
            File::open(&path)?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()?;
    Ok(())
}
