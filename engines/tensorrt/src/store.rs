//! What was built on this box and need not be built again: plans, kernels, timing caches. One file each, named after its
//! key; the key stands in the file too, with the content's digest, so that nothing stale, foreign or torn is ever used.
//!
//! Layout: the magic line, one line of JSON `{"key": …, "sha256": "…"}`, the content.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const MAGIC: &str = "sightline-store-1\n";
/// Longest header that is read.
const MAX_HEADER: usize = 1 << 16;

/// A folder of built things.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct Head {
    key: serde_json::Value,
    sha256: String,
}

/// Why there is nothing to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Absent {
    /// It was never built, or for another key.
    NotBuilt,
    /// A file is there, but it is not what its name says; the words say what is wrong.
    Unusable(String),
}

impl Store {
    /// In `folder`, made when something is kept.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// systemd's folder for the service's state, else the user's cache, else none.
    pub fn usual() -> Option<Self> {
        let from = |name: &str| {
            let set = std::env::var_os(name).filter(|v| !v.is_empty());
            set.map(PathBuf::from)
        };
        let folder = from("STATE_DIRECTORY")
            .or_else(|| from("XDG_CACHE_HOME").map(|c| c.join("sightline")))
            .or_else(|| from("HOME").map(|h| h.join(".cache/sightline")))?;
        Some(Self::new(folder.join("gpu")))
    }

    /// The file of `key`, things of one `kind` together.
    pub fn path(&self, kind: &str, key: &impl Serialize) -> PathBuf {
        let name = hex(json(key).to_string().as_bytes());
        self.folder.join(format!("{kind}-{}.bin", &name[..32]))
    }

    /// The content kept for exactly this key.
    ///
    /// # Errors
    /// [`Absent`].
    pub fn get(&self, kind: &str, key: &impl Serialize) -> Result<Vec<u8>, Absent> {
        let bytes = match fs::read(self.path(kind, key)) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Err(Absent::NotBuilt),
            Err(e) => return Err(Absent::Unusable(e.to_string())),
        };
        let (head, content) = split(&bytes).map_err(Absent::Unusable)?;
        if head.key != json(key) {
            let words = format!("it was built for {}", head.key);
            return Err(Absent::Unusable(words));
        }
        if head.sha256 != hex(content) {
            return Err(Absent::Unusable("its content is damaged".to_owned()));
        }
        Ok(content.to_vec())
    }

    /// Keeps `content` for `key`: whole after a power cut, or not there.
    ///
    /// # Errors
    /// The file system's.
    pub fn put(&self, kind: &str, key: &impl Serialize, content: &[u8]) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.folder)?;
        let head = Head {
            key: json(key),
            sha256: hex(content),
        };
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(MAGIC.as_bytes())?;
        serde_json::to_writer(&mut file, &head)?;
        file.write_all(b"\n")?;
        file.write_all(content)?;
        file.as_file().sync_all()?;
        let path = self.path(kind, key);
        file.persist(&path).map_err(|e| e.error)?;
        sync_folder(&self.folder)?;
        Ok(path)
    }
}

fn split(bytes: &[u8]) -> Result<(Head, &[u8]), String> {
    let rest = bytes
        .strip_prefix(MAGIC.as_bytes())
        .ok_or("it does not begin as a file of this store does")?;
    let end = rest.iter().take(MAX_HEADER).position(|b| *b == b'\n');
    let end = end.ok_or("its header has no end")?;
    let head = serde_json::from_slice(&rest[..end]).map_err(|e| format!("its header: {e}"))?;
    Ok((head, &rest[end + 1..]))
}

fn json(key: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(key).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Serialize)]
    struct Key {
        model: &'static str,
        max_batch: usize,
    }

    const KEY: Key = Key {
        model: "abc",
        max_batch: 4,
    };

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = Store::new(folder.path().join("gpu"));
        (folder, store)
    }

    #[test]
    fn what_was_kept_comes_back_for_its_key_and_kind_only() {
        let (_folder, store) = store();
        assert_eq!(store.get("plan", &KEY), Err(Absent::NotBuilt));
        store.put("plan", &KEY, b"line\nand more").expect("room");
        assert_eq!(
            store.get("plan", &KEY).as_deref(),
            Ok(&b"line\nand more"[..])
        );
        assert_eq!(store.get("kernels", &KEY), Err(Absent::NotBuilt));
        let other = Key {
            max_batch: 8,
            ..KEY
        };
        assert_eq!(store.get("plan", &other), Err(Absent::NotBuilt));
        store.put("plan", &KEY, b"newer").expect("room");
        assert_eq!(store.get("plan", &KEY).as_deref(), Ok(&b"newer"[..]));
    }

    #[test]
    fn a_file_of_another_key_torn_or_of_another_make_is_not_used() {
        let (_folder, store) = store();
        let path = store.put("plan", &KEY, b"the plan").expect("room");
        let whole = fs::read(&path).expect("kept");
        for cut in 0..whole.len() {
            fs::write(&path, &whole[..cut]).expect("room");
            assert!(
                matches!(store.get("plan", &KEY), Err(Absent::Unusable(_))),
                "{cut} bytes"
            );
        }
        let mut flipped = whole.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        fs::write(&path, flipped).expect("room");
        assert_eq!(
            store.get("plan", &KEY),
            Err(Absent::Unusable("its content is damaged".into()))
        );

        let other = Key {
            model: "def",
            ..KEY
        };
        let foreign = store.put("plan", &other, b"another box's").expect("room");
        fs::rename(foreign, &path).expect("the same folder");
        let Err(Absent::Unusable(words)) = store.get("plan", &KEY) else {
            panic!("a foreign plan was used")
        };
        assert!(words.contains("def"), "{words}");
    }
}
