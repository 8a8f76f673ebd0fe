//! Which recipe file a command means.

use anyhow::{Context, anyhow, bail};
use sightline_configs::{Loaded, Station};
use std::cmp::Ordering;
use std::path::{Path, PathBuf};

/// A recipe's file and version.
#[derive(Debug, PartialEq)]
pub struct Found {
    pub path: PathBuf,
    pub version: String,
}

/// Finds a recipe by its external id in the folder of the configured one; without a version, the highest.
pub fn find(
    station: &Loaded<Station>,
    external_id: &str,
    version: Option<&str>,
) -> anyhow::Result<Found> {
    let configured = station.base.join(&station.value.recipe);
    let folder = configured.parent().context("the recipe has no folder")?;
    let mut known = Vec::new();
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("cannot look into {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "toml") {
            continue;
        }
        // Only the one that is asked for must be good.
        if let Some((id, version)) = sightline_configs::recipe_id(&path) {
            known.push((id, Found { path, version }));
        }
    }
    choose(known, external_id, version, folder)
}

fn choose(
    known: Vec<(String, Found)>,
    external_id: &str,
    version: Option<&str>,
    folder: &Path,
) -> anyhow::Result<Found> {
    let mut names: Vec<String> = known
        .iter()
        .map(|(id, found)| format!("{id} {}", found.version))
        .collect();
    let wanted = |id: &str, found: &Found| {
        id == external_id && version.is_none_or(|wanted| wanted == found.version)
    };
    let mut fitting: Vec<Found> = known
        .into_iter()
        .filter(|(id, found)| wanted(id, found))
        .map(|(_, found)| found)
        .collect();
    fitting.sort_by(|a, b| order(&a.version, &b.version));
    let Some(highest) = fitting.pop() else {
        names.sort();
        let wanted =
            version.map_or_else(|| external_id.to_string(), |v| format!("{external_id} {v}"));
        return Err(anyhow!(
            "expected a recipe {wanted} in {}, found {}; put its file there",
            folder.display(),
            names.join(", ")
        ));
    };
    let rival = fitting.pop();
    if let Some(rival) = rival.filter(|r| order(&r.version, &highest.version).is_eq()) {
        bail!(
            "expected one recipe {external_id} {}, found two of them: {} ({}) and {} ({}); remove one, or give them different versions",
            highest.version,
            highest.path.display(),
            highest.version,
            rival.path.display(),
            rival.version
        );
    }
    Ok(highest)
}

/// Versions as people count: numbers by value, the rest as text; `1.10` is above `1.9`, and `1` is `1.0`.
fn order(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    let none = Part::Number(0);
    (0..a.len().max(b.len()))
        .map(|n| a.get(n).unwrap_or(&none).cmp(b.get(n).unwrap_or(&none)))
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
}

/// Words sort below numbers: `1.0-rc1` comes before `1.0`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(String),
    Number(u64),
}

fn parts(version: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    for piece in version.split(|c: char| !c.is_alphanumeric()) {
        let mut rest = piece;
        while let Some(first) = rest.chars().next() {
            let digits = first.is_ascii_digit();
            let end = rest.find(|c: char| c.is_ascii_digit() != digits);
            let (part, after) = rest.split_at(end.unwrap_or(rest.len()));
            parts.push(match part.parse() {
                Ok(number) => Part::Number(number),
                Err(_) => Part::Word(part.into()),
            });
            rest = after;
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose_of(versions: &[&str], wanted: Option<&str>) -> Result<String, String> {
        let found = |(n, version): (usize, &&str)| {
            let path = PathBuf::from(format!("{n}.toml"));
            let version = version.to_string();
            ("B7".to_string(), Found { path, version })
        };
        let mut known: Vec<_> = versions.iter().enumerate().map(found).collect();
        known.push((
            "OTHER".into(),
            Found {
                path: "x.toml".into(),
                version: "9".into(),
            },
        ));
        choose(known, "B7", wanted, Path::new("recipes"))
            .map(|found| found.version)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_version_the_highest_is_taken() {
        for (versions, highest) in [
            (&["1", "3", "2"][..], "3"),
            (&["1.9", "1.10", "1.2"], "1.10"),
            (&["1.0-rc1", "1.0"], "1.0"),
            (&["2a", "2b"], "2b"),
            (&["10", "9"], "10"),
        ] {
            assert_eq!(choose_of(versions, None).as_deref(), Ok(highest));
        }
        assert_eq!(choose_of(&["1", "2"], Some("1")).as_deref(), Ok("1"));
    }

    #[test]
    fn what_is_ambiguous_or_not_there_is_refused_by_name() {
        let twice = choose_of(&["1", "2", "2"], None).unwrap_err();
        assert!(
            twice.contains("1.toml") && twice.contains("2.toml"),
            "{twice}"
        );
        let alike = choose_of(&["2", "2.0"], None).unwrap_err();
        assert!(alike.contains("(2)") && alike.contains("(2.0)"), "{alike}");
        assert!(choose_of(&["2", "2"], Some("2")).is_err());
        assert_eq!(choose_of(&["1", "1", "2"], None).as_deref(), Ok("2"));
        let missing = choose_of(&["1"], Some("3")).unwrap_err();
        assert!(
            missing.contains("B7 3") && missing.contains("B7 1, OTHER 9"),
            "{missing}"
        );
    }
}
