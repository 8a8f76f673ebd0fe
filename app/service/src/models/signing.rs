//! Who may bring a model to this box: bundles carry a detached signature of their manifest (Ed25519, minisign's format),
//! which names every other file by its digest; a station trusts the keys in a folder of its own.

use anyhow::{Context, anyhow, bail, ensure};
use minisign::{PublicKey, PublicKeyBox, SignatureBox};
use sightline_configs::station::Models;
use sightline_engine::Bundle;
use sightline_engine::bundle::{MANIFEST_FILE, SIGNATURE_FILE};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Largest key or signature read, bytes.
const MAX_BYTES: u64 = 4 << 10;
/// Largest manifest, bytes; larger ones do not load.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;
/// How public keys' files end.
pub const PUBLIC: &str = "pub";

/// A key that may sign.
pub struct Trusted {
    pub name: String,
    key: PublicKey,
}

impl Trusted {
    /// As minisign shows it.
    pub fn id(&self) -> String {
        key_id(self.key.keynum())
    }
}

/// What a station asks of signatures.
pub struct Trust {
    keys: Vec<Trusted>,
    /// For people.
    folder: Option<PathBuf>,
    allow_unsigned: bool,
}

impl Trust {
    /// As the station in the folder `base` says.
    pub fn of(models: &Models, base: &Path) -> anyhow::Result<Self> {
        let folder = models.trusted_keys.as_ref().map(|f| base.join(f));
        let keys = folder.as_deref().map(trusted).transpose()?;
        Ok(Self {
            keys: keys.unwrap_or_default(),
            folder,
            allow_unsigned: models.allow_unsigned,
        })
    }

    /// Who signed the bundle, in words; refuses what no trusted key has signed.
    pub fn check(&self, bundle: &Bundle) -> anyhow::Result<String> {
        let m = bundle.manifest();
        match self.signed(bundle) {
            Ok(name) => Ok(format!("signed by {name}")),
            Err(error) if self.allow_unsigned => {
                tracing::warn!(
                    "UNSIGNED MODEL TAKEN (models.allow_unsigned): {} {}: {error:#}",
                    m.name,
                    m.version
                );
                Ok("NOT signed by a trusted key (models.allow_unsigned)".into())
            }
            Err(error) => Err(error.context(format!(
                "{} {} is not signed by a key this station trusts",
                m.name, m.version
            ))),
        }
    }

    fn signed(&self, bundle: &Bundle) -> anyhow::Result<&str> {
        let path = bundle.dir().join(SIGNATURE_FILE);
        let text = match read(&path, MAX_BYTES) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(
                "expected {SIGNATURE_FILE} in it, found none; sign it with `sightline keys sign`{}",
                self.advice()
            ),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let signature = SignatureBox::from_string(&text)
            .map_err(|e| anyhow!("{SIGNATURE_FILE} is not a signature of minisign: {e}"))?;
        let unnamed = unnamed(bundle);
        ensure!(
            unnamed.is_empty(),
            "expected the manifest to give the digest of every file, found none of {}; sign it with `sightline keys sign`",
            unnamed.join(", ")
        );
        let id = key_id(signature.keynum());
        let key = self.keys.iter().find(|k| k.id() == id);
        let key = key.with_context(|| {
            let names: Vec<String> = self
                .keys
                .iter()
                .map(|k| format!("{} ({})", k.name, k.id()))
                .collect();
            format!(
                "it is signed by the key {id}, trusted are: {}{}",
                if names.is_empty() {
                    "none".into()
                } else {
                    names.join(", ")
                },
                self.advice()
            )
        })?;
        let manifest = read(&bundle.dir().join(MANIFEST_FILE), MAX_MANIFEST_BYTES)?;
        minisign::verify(
            &key.key,
            &signature,
            Cursor::new(manifest),
            true,
            false,
            false,
        )
        .map_err(|e| {
            anyhow!(
                "the signature of {} does not fit the manifest: {e}; do not use this bundle",
                key.name
            )
        })?;
        Ok(&key.name)
    }

    fn advice(&self) -> String {
        match &self.folder {
            Some(folder) => format!(
                ", and put the signer's public key (*.{PUBLIC}) into {}",
                folder.display()
            ),
            None => ", and name a folder of public keys in [models] trusted_keys; for commissioning only: models.allow_unsigned".into(),
        }
    }
}

/// Files of a bundle that its manifest gives no digest of.
pub fn unnamed(bundle: &Bundle) -> Vec<String> {
    let m = bundle.manifest();
    let listed: BTreeSet<&String> = m.files.iter().map(|f| &f.path).collect();
    let named = m.golden.iter();
    let named = named.flat_map(|g| [&g.image, &g.expected].into_iter().chain(&g.reference));
    let unlisted: BTreeSet<&String> = named.filter(|f| !listed.contains(f)).collect();
    unlisted.into_iter().cloned().collect()
}

/// The public keys in a folder, by name.
pub fn trusted(folder: &Path) -> anyhow::Result<Vec<Trusted>> {
    let entries = std::fs::read_dir(folder).with_context(|| {
        format!(
            "expected the folder of trusted keys {} (models.trusted_keys)",
            folder.display()
        )
    })?;
    let mut keys = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == PUBLIC) {
            let text = read(&path, MAX_BYTES).with_context(|| path.display().to_string())?;
            let key = PublicKeyBox::from_string(&text).and_then(PublicKey::from_box);
            let key = key.map_err(|e| {
                anyhow!(
                    "{}: expected a public key of minisign, found another file: {e}",
                    path.display()
                )
            })?;
            let name = path.file_stem().unwrap_or_default();
            keys.push(Trusted {
                name: name.to_string_lossy().into_owned(),
                key,
            });
        }
    }
    keys.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(keys)
}

/// Reads a text file of at most so many bytes.
pub fn read(path: &Path, most: u64) -> std::io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(most + 1).read_to_string(&mut text)?;
    if text.len() as u64 > most {
        let what = format!("larger than {most} bytes");
        return Err(std::io::Error::new(ErrorKind::FileTooLarge, what));
    }
    Ok(text)
}

/// As minisign writes it.
pub fn key_id(number: &[u8]) -> String {
    number.iter().rev().map(|b| format!("{b:02X}")).collect()
}
