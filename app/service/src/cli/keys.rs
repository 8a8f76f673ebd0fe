//! `sightline keys`: makes keys, signs bundles with them, shows which ones a station trusts.

use crate::cli::args::KeysCommand;
use crate::cli::output::{self, Blame, Outcome};
use crate::models::signing::{self, PUBLIC};
use anyhow::{Context, anyhow, ensure};
use minisign::{KeyPair, PublicKey, SecretKey, SecretKeyBox};
use sightline_engine::Bundle;
use sightline_engine::bundle::{MANIFEST_FILE, SIGNATURE_FILE, list_files};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Largest key or password read, bytes.
const MAX_BYTES: u64 = 4 << 10;

/// Does one of them.
pub fn keys(command: &KeysCommand) -> Outcome {
    match command {
        KeysCommand::New {
            name,
            out,
            password_file,
            no_password,
        } => make(name, out, password_file.as_deref(), *no_password).failed(),
        KeysCommand::Sign {
            bundle,
            key,
            password_file,
        } => sign(bundle, key, password_file.as_deref()).failed(),
        KeysCommand::List { config, json } => {
            let (station, _) = sightline_configs::load(config).wrong_use()?;
            let models = station
                .value
                .models
                .context("expected [models], found no such section");
            let folder = models.wrong_use()?.trusted_keys;
            let folder =
                folder.context("expected [models] trusted_keys, found none: no key is trusted");
            let keys = signing::trusted(&station.base.join(folder.wrong_use()?)).wrong_use()?;
            for key in keys {
                if *json {
                    let key = serde_json::json!({"name": key.name, "id": key.id()});
                    output::json_line(&key);
                    continue;
                }
                output::say(&format!("{} {}", key.name, key.id()));
            }
            Ok(())
        }
    }
}

fn password(file: Option<&Path>) -> anyhow::Result<Option<String>> {
    let read = |f: &Path| signing::read(f, MAX_BYTES).with_context(|| f.display().to_string());
    let text = file.map(read).transpose()?;
    Ok(text.map(|t| t.trim_end_matches(['\r', '\n']).to_owned()))
}

fn make(name: &str, out: &Path, file: Option<&Path>, no_password: bool) -> anyhow::Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    ensure!(
        !name.is_empty() && name.chars().all(plain),
        "expected a name of letters, digits, `-`, `_` and `.`, found `{name}`"
    );
    let pair = if no_password {
        KeyPair::generate_unencrypted_keypair()
    } else {
        KeyPair::generate_encrypted_keypair(password(file)?)
    };
    let KeyPair { pk, sk } = pair.map_err(|e| anyhow!("no key could be made: {e}"))?;
    let id = signing::key_id(pk.keynum());
    let words = |e| anyhow!("the key cannot be written: {e}");
    let secret = sk
        .to_box(Some(&format!("sightline secret key {name} {id}")))
        .map_err(words)?;
    let public = pk.to_box().map_err(words)?;
    std::fs::create_dir_all(out)?;
    let (secret_file, public_file) = (
        out.join(format!("{name}.key")),
        out.join(format!("{name}.{PUBLIC}")),
    );
    let put = |path: &Path, mode: u32, text: String| -> anyhow::Result<()> {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)
            .with_context(|| format!("{} cannot be made", path.display()))?;
        file.write_all(text.as_bytes())?;
        Ok(file.sync_all()?)
    };
    put(&secret_file, 0o600, secret.into_string())?;
    put(&public_file, 0o644, public.into_string())?;
    eprintln!(
        "made key {id}: keep {} off the boxes; put {} into the folder that models.trusted_keys names on each",
        secret_file.display(),
        public_file.display()
    );
    Ok(())
}

fn sign(folder: &Path, key: &Path, file: Option<&Path>) -> anyhow::Result<()> {
    let text = signing::read(key, MAX_BYTES).with_context(|| key.display().to_string())?;
    let wrong = |e| anyhow!("{} cannot be used: {e}", key.display());
    let boxed = SecretKeyBox::from_string(&text).map_err(wrong)?;
    let secret = match SecretKey::from_unencrypted_box(boxed) {
        Ok(secret) => secret,
        Err(_) => {
            let boxed = SecretKeyBox::from_string(&text).map_err(wrong)?;
            SecretKey::from_box(boxed, password(file)?).map_err(wrong)?
        }
    };
    let bundle = Bundle::load(folder)?;
    // The signature is of the manifest alone: that must name every file by its digest.
    let unnamed = signing::unnamed(&bundle);
    let bundle = match unnamed.is_empty() {
        true => bundle,
        false => list_files(&bundle, &unnamed)?,
    };
    let m = bundle.manifest();
    let manifest = std::fs::read(folder.join(MANIFEST_FILE))?;
    let public = PublicKey::from_secret_key(&secret).map_err(wrong)?;
    let comment = format!("{} {}", m.name, m.version);
    let signature = minisign::sign(
        Some(&public),
        &secret,
        manifest.as_slice(),
        Some(&comment),
        Some("signature from a sightline key"),
    );
    let signature = signature.map_err(|e| anyhow!("the bundle cannot be signed: {e}"))?;
    let path = folder.join(SIGNATURE_FILE);
    std::fs::write(&path, signature.into_string())
        .with_context(|| format!("{} cannot be written", path.display()))?;
    eprintln!(
        "signed {comment} with key {}",
        signing::key_id(public.keynum())
    );
    Ok(())
}
