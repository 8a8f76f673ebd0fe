//! What support needs, in one file: versions, configuration and recipe, the state of the line, the journal's numbers, the
//! last lines of the log. Secrets (passwords, keys, PINs) are files that the configuration names; they are not in it. What
//! stands before the `@` of an address (a camera's user and password) is taken out.

use crate::context::ConsoleContext;
use anyhow::Context;
use serde_json::json;
use sightline_configs::redact;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Files kept; older ones go.
const KEPT: usize = 5;
const PREFIX: &str = "support-";
const SUFFIX: &str = ".tar.zst";

/// Writes it; returns it and how many files are in it.
pub fn write(context: &ConsoleContext, folder: &Path) -> anyhow::Result<(PathBuf, u32)> {
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let now = context.utc();
    let stamp: String = now
        .to_rfc3339()
        .chars()
        .take(19)
        .filter(char::is_ascii_digit)
        .collect();
    let path = folder.join(format!("{PREFIX}{stamp}{SUFFIX}"));
    let file = tempfile::NamedTempFile::new_in(folder)
        .with_context(|| format!("cannot write into {}", folder.display()))?;
    let mut tar = tar::Builder::new(zstd::Encoder::new(file, 0)?);
    let files = files(context)?;
    for (name, content) in &files {
        let content = redact::secrets(content);
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o640);
        header.set_mtime((now.0 / 1_000_000).unsigned_abs());
        tar.append_data(&mut header, name, content.as_bytes())?;
    }
    let mut file = tar.into_inner()?.finish()?;
    file.flush()?;
    file.persist(&path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    forget_old(folder)?;
    Ok((path, files.len() as u32))
}

fn files(context: &ConsoleContext) -> anyhow::Result<Vec<(&'static str, String)>> {
    let read = |path: &Path| {
        fs::read_to_string(path).unwrap_or_else(|e| format!("{}: {e}\n", path.display()))
    };
    let about = json!({
        "sightline": env!("CARGO_PKG_VERSION"),
        "at": context.utc().to_rfc3339(),
        "os": crate::host_status::os_name(),
        "kernel": read(Path::new("/proc/sys/kernel/osrelease")).trim(),
        "configuration_hash": context.configuration_hash,
    });
    let mut all = vec![
        ("about.json", serde_json::to_string_pretty(&about)?),
        ("station.toml", read(&context.configuration)),
        (
            "state.json",
            serde_json::to_string_pretty(&context.board.sections())?,
        ),
        ("log.txt", context.handle.recent_log()),
    ];
    if let Some(active) = context.handle.active() {
        all.push(("recipe.toml", read(&active.file)));
    }
    if let Some(journal) = &context.journal {
        let stat = journal.reader()?.stat()?;
        all.push(("journal.json", serde_json::to_string_pretty(&stat)?));
    }
    Ok(all)
}

fn forget_old(folder: &Path) -> anyhow::Result<()> {
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(PREFIX) && name.ends_with(SUFFIX)
    };
    let all = fs::read_dir(folder)?.flatten().map(|e| e.path());
    let mut ours: Vec<PathBuf> = all.filter(is_ours).collect();
    ours.sort();
    let excess = ours.len().saturating_sub(KEPT);
    for old in &ours[..excess] {
        fs::remove_file(old).with_context(|| format!("cannot remove {}", old.display()))?;
    }
    Ok(())
}
