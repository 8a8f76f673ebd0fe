//! Bundles that could be installed: archives in the store's inbox, and on the sticks that the system has mounted.

use crate::context::ConsoleContext;
use sightline_domain::UtcMicros;
use sightline_wire::ask::BundleFile;
use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const SUFFIX: &str = ".tar.zst";
/// Bundles shown, at most.
const SHOWN: usize = 50;
/// Files and folders looked at, at most: a stick may hold anything.
const LOOKED_AT: usize = 5_000;
/// Folders below the one with the sticks: `USER/STICK/FOLDER/FOLDER`.
const DEPTH: usize = 4;

/// One that was found.
pub struct Found {
    pub shown: BundleFile,
    pub path: PathBuf,
}

/// All there are, newest first.
pub fn all(context: &ConsoleContext) -> Vec<Found> {
    let mut all = Vec::new();
    let mut left = LOOKED_AT;
    if let Some(inbox) = &context.inbox {
        look(inbox, None, 0, &mut left, &mut all);
    }
    if let Some(sticks) = &context.sticks {
        look(sticks, Some(sticks), DEPTH, &mut left, &mut all);
    }
    all.sort_by_key(|f| std::cmp::Reverse((f.shown.changed, f.shown.file.clone())));
    all.truncate(SHOWN);
    all
}

/// Links are not followed: what is shown lies where it is shown.
fn look(
    folder: &Path,
    sticks: Option<&Path>,
    depth: usize,
    left: &mut usize,
    all: &mut Vec<Found>,
) {
    // A folder that is not there, or not ours to read, holds nothing for us.
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Ok(about) = entry.metadata() else {
            continue;
        };
        if name.starts_with('.') {
            continue;
        }
        if about.is_dir() && depth > 0 {
            look(&entry.path(), sticks, depth - 1, left, all);
        } else if about.is_file() && name.ends_with(SUFFIX) {
            let stick = sticks.map(|root| folder.strip_prefix(root).unwrap_or(folder));
            let shown = BundleFile {
                stick: stick.map(|s| s.display().to_string()),
                file: name,
                bytes: about.len(),
                changed: changed(&about),
            };
            let path = entry.path();
            all.push(Found { shown, path });
        }
    }
}

fn changed(about: &Metadata) -> UtcMicros {
    let since = about.modified().ok();
    let since = since.and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    UtcMicros(since.map_or(0, |s| s.as_micros() as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn only_archives_are_shown_and_no_link_is_followed() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        fs::create_dir_all(at("anna/STICK/models/a/b")).unwrap();
        for name in [
            "anna/STICK/good-1.tar.zst",
            "anna/STICK/models/good-2.tar.zst",
            "anna/STICK/models/a/b/too-deep.tar.zst",
            "anna/STICK/._good-1.tar.zst",
            "anna/STICK/notes.txt",
            "outside",
        ] {
            fs::write(at(name), name).unwrap();
        }
        let link = at("anna/STICK/link.tar.zst");
        std::os::unix::fs::symlink(at("outside"), link).unwrap();
        let (mut left, mut all) = (LOOKED_AT, Vec::new());
        look(root.path(), Some(root.path()), 3, &mut left, &mut all);
        let mut told: Vec<_> = (all.iter())
            .map(|f| (f.shown.stick.clone().unwrap(), f.shown.file.as_str()))
            .collect();
        told.sort();
        let expected = [
            ("anna/STICK", "good-1.tar.zst"),
            ("anna/STICK/models", "good-2.tar.zst"),
        ];
        assert_eq!(told, expected.map(|(s, f)| (s.to_owned(), f)));
        // However much there is, the search ends.
        let (mut left, mut all) = (3, Vec::new());
        look(root.path(), Some(root.path()), 3, &mut left, &mut all);
        assert_eq!(left, 0);
    }
}
