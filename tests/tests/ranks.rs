//! Which crate may import which. The table is the one in `ARCHITECTURE.md`; both are compared here.
//!
//! A crate imports only crates of a lower rank, and no crate of a folder that stands above its own, so that data flows one
//! way and a crate can be taken out and tested alone. Tests of a crate may also use its equals, as long as no circle comes
//! of it.

mod cargo_tree;

use cargo_tree::{Dependency, Kind, Package, workspace};
use std::collections::{BTreeMap, BTreeSet};

/// The folders at the top, lowest first: an import that runs upward between them is a fault whatever the ranks say.
const LAYERS: &[&str] = &["base", "configs", "engines", "pipeline", "app", "ui"];

/// Folder and rank. A folder that does not exist yet is simply absent from the workspace.
const RANKS: &[(&str, u8)] = &[
    ("base/domain", 0),
    ("base/queue", 0),
    ("base/threads", 0),
    ("pipeline/simulation", 1),
    ("base/frames", 1),
    ("engines/registration", 1),
    ("app/journal", 1),
    ("app/wire", 1),
    ("app/evaluation", 1),
    ("configs", 2),
    ("pipeline/verdict", 3),
    ("engines/api", 3),
    ("pipeline/ingest", 3),
    ("app/uplink", 3),
    ("ui", 3),
    ("engines/onnx", 4),
    ("engines/tensorrt", 4),
    ("pipeline/simulated-line", 4),
    ("pipeline/flow", 4),
    ("app/console", 5),
    ("app/service", 6),
    ("fuzz/targets", 5),
    ("tests", 7),
];

/// The console is its own process: it knows the plain data and the socket, nothing else.
const UI_SEES: &[&str] = &["base/domain", "app/wire"];

/// Foreign crates that only some crates may name (tests may name them all): name (or its first words), crates, why.
const CONFINED: &[(&str, &[&str], &str)] = &[
    (
        "rumqttc",
        &["app/uplink"],
        "one crate speaks MQTT, so that its client can be changed in one place",
    ),
    (
        "srad",
        &["app/uplink"],
        "Sparkplug is a second face of the uplink",
    ),
    (
        "rusqlite",
        &["app/journal"],
        "the journal's layout is known in one crate",
    ),
    (
        "tokio",
        &["app/uplink", "app/wire", "app/service", "ui"],
        "threads for frames, tokio for messages; they meet in the service only",
    ),
    (
        "opencv",
        &["engines/registration"],
        "it takes long to build; others ask this crate",
    ),
    (
        "gstreamer",
        &["base/frames", "pipeline/ingest"],
        "slots that GStreamer can write into, and the cameras; nobody else knows how pictures are captured",
    ),
    (
        "ort",
        &["engines/onnx"],
        "an engine is known by its trait, not by its runtime",
    ),
    (
        "cudarc",
        &["base/frames", "engines/tensorrt"],
        "pinned memory and the GPU engine only",
    ),
];

#[test]
fn every_crate_has_a_rank_and_imports_only_lower_ones() {
    let complaints = judge(&workspace());
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn the_architecture_document_shows_the_same_ranks() {
    let Ok(text) = std::fs::read_to_string(cargo_tree::root().join("ARCHITECTURE.md")) else {
        panic!("ARCHITECTURE.md is missing at the root of the workspace");
    };
    let complaints = compare_with_document(&text);
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

/// Everything wrong with the imports of `packages`, a sentence each.
fn judge(packages: &[Package]) -> Vec<String> {
    let ranks: BTreeMap<&str, u8> = RANKS.iter().copied().collect();
    let mut complaints = Vec::new();
    for package in packages {
        let Some(&own) = ranks.get(package.folder.as_str()) else {
            complaints.push(format!(
                "{} has no rank: give it one here and in ARCHITECTURE.md",
                package.folder
            ));
            continue;
        };
        for dependency in &package.dependencies {
            complaints.extend(judge_ours(package, own, dependency, &ranks));
            complaints.extend(judge_foreign(package, dependency));
        }
    }
    complaints.extend(circle(packages));
    complaints
}

fn judge_ours(
    package: &Package,
    own: u8,
    dependency: &Dependency,
    ranks: &BTreeMap<&str, u8>,
) -> Option<String> {
    let folder = dependency.folder.as_deref()?;
    let other = *ranks.get(folder)?;
    let allowed = match dependency.kind {
        Kind::Dev => other <= own,
        Kind::Normal | Kind::Build => other < own,
    };
    if !allowed {
        return Some(format!(
            "{} [{own}] imports {folder} [{other}] ({:?}): expected a rank below {own}; \
             move the shared part down, or hand it in from app/service",
            package.folder, dependency.kind
        ));
    }
    if layer(folder) > layer(&package.folder) && layer(&package.folder).is_some() {
        return Some(format!(
            "{} imports {folder}: expected nothing from above its own top folder, in the order {LAYERS:?}",
            package.folder
        ));
    }
    if package.folder == "ui" && dependency.kind != Kind::Dev && !UI_SEES.contains(&folder) {
        return Some(format!("ui imports {folder}: it may see {UI_SEES:?} only"));
    }
    None
}

/// The place of a crate's top folder among the layers; `None` for tests and fuzz targets, which stand beside them.
fn layer(folder: &str) -> Option<usize> {
    let top = folder.split('/').next()?;
    LAYERS.iter().position(|layer| *layer == top)
}

fn judge_foreign(package: &Package, dependency: &Dependency) -> Option<String> {
    if dependency.folder.is_some() || dependency.kind == Kind::Dev || package.folder == "tests" {
        return None;
    }
    let (prefix, crates, why) = CONFINED.iter().find(|(prefix, ..)| {
        dependency.name == *prefix || dependency.name.starts_with(&format!("{prefix}-"))
    })?;
    (!crates.contains(&package.folder.as_str())).then(|| {
        format!(
            "{} imports {}: only {crates:?} may name {prefix} ({why})",
            package.folder, dependency.name
        )
    })
}

/// Takes away packages whose imports are all gone until nothing moves; what is left goes round in a circle.
fn circle(packages: &[Package]) -> Option<String> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = packages
        .iter()
        .map(|p| {
            let ours = p
                .dependencies
                .iter()
                .filter_map(|d| d.folder.as_deref())
                .filter(|f| *f != p.folder);
            (p.folder.as_str(), ours.collect())
        })
        .collect();
    loop {
        let present: BTreeSet<&str> = left.keys().copied().collect();
        let before = left.len();
        left.retain(|_, imports| imports.iter().any(|i| present.contains(i)));
        if left.is_empty() {
            return None;
        }
        if left.len() == before {
            return Some(format!(
                "these import each other in a circle (dev-dependencies count): {:?}",
                left.keys()
            ));
        }
    }
}

/// The document's table, and the crates to come that its text ranks, against the table here.
fn compare_with_document(text: &str) -> Vec<String> {
    let shown: BTreeMap<&str, u8> = text.lines().flat_map(ranked).collect();
    let mut complaints: Vec<String> = RANKS
        .iter()
        .filter(|(folder, rank)| shown.get(folder) != Some(rank))
        .map(|(folder, rank)| {
            format!(
                "ARCHITECTURE.md shows {folder} as {:?}, expected [{rank}]",
                shown.get(folder)
            )
        })
        .collect();
    let known: BTreeSet<&str> = RANKS.iter().map(|(folder, _)| *folder).collect();
    complaints.extend(
        shown
            .keys()
            .filter(|f| !known.contains(*f))
            .map(|f| format!("ARCHITECTURE.md ranks {f}, which this test does not know")),
    );
    complaints
}

/// The ranks a line gives: "| `folder` | `crate` | rank | …" is one; in other lines every "`folder` [rank]".
fn ranked(line: &str) -> Vec<(&str, u8)> {
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    if let ["", folder, _, rank, ..] = cells[..] {
        return rank
            .parse()
            .map(|rank| vec![(folder.trim_matches('`'), rank)])
            .unwrap_or_default();
    }
    let words: Vec<&str> = line.split('`').collect();
    words
        .windows(2)
        .filter_map(|pair| {
            let rank = pair[1].strip_prefix(" [")?.split(']').next()?;
            Some((pair[0], rank.parse().ok()?))
        })
        .collect()
}

fn package(folder: &str, dependencies: &[(&str, Option<&str>, Kind)]) -> Package {
    Package {
        folder: folder.to_owned(),
        dependencies: dependencies
            .iter()
            .map(|(name, folder, kind)| Dependency {
                name: (*name).to_owned(),
                folder: folder.map(str::to_owned),
                kind: *kind,
            })
            .collect(),
    }
}

#[test]
fn what_it_must_catch_is_caught() {
    use Kind::{Build, Dev, Normal};
    let ours = |folder: &'static str, kind| vec![("x", Some(folder), kind)];
    let foreign = |name: &'static str, kind| vec![(name, None, kind)];
    let cases = [
        ("pipeline/new", vec![], "no rank"),
        ("base/domain", ours("base/queue", Normal), "rank below 0"),
        (
            "base/frames",
            ours("pipeline/simulation", Normal),
            "rank below 1",
        ),
        ("base/frames", ours("configs", Build), "rank below 1"),
        ("base/frames", ours("configs", Dev), "rank below 1"),
        ("configs", ours("app/journal", Normal), "top folder"),
        (
            "engines/api",
            ours("pipeline/simulation", Dev),
            "top folder",
        ),
        ("ui", ours("base/queue", Normal), "may see"),
        ("app/service", foreign("rumqttc-v5-next", Normal), "only"),
        (
            "pipeline/flow",
            foreign("tokio", Normal),
            "tokio for messages",
        ),
        ("configs", foreign("gstreamer-app", Build), "captured"),
    ];
    for (folder, dependencies, expected) in cases {
        let said = judge(&[package(folder, &dependencies)]);
        assert!(
            said.len() == 1 && said[0].contains(expected),
            "{folder} {dependencies:?}: expected one complaint with '{expected}', found {said:?}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    use Kind::{Dev, Normal};
    let fine = [
        package(
            "base/frames",
            &[
                ("m", Some("base/domain"), Normal),
                ("q", Some("base/queue"), Dev),
                ("cudarc", None, Normal),
                ("tokio", None, Dev),
            ],
        ),
        package("pipeline/simulation", &[("orthogonal", None, Normal)]),
        package("tests", &[("rumqttc-v5-next", None, Normal)]),
    ];
    assert_eq!(judge(&fine), Vec::<String>::new());
}

#[test]
fn a_circle_of_dev_dependencies_is_caught() {
    let round = [
        package("app/journal", &[("s", Some("app/evaluation"), Kind::Dev)]),
        package("app/evaluation", &[("f", Some("app/journal"), Kind::Dev)]),
    ];
    let said = judge(&round);
    assert!(said.len() == 1 && said[0].contains("circle"), "{said:?}");
}

#[test]
fn a_wrong_document_is_caught() {
    let row = |(folder, rank): &(&str, u8)| format!("| `{folder}` | `name` | {rank} | what |\n");
    let (table, text) = RANKS.split_at(10);
    let table: String = table.iter().map(row).collect();
    let text: String = text.iter().map(|(f, r)| format!("`{f}` [{r}], ")).collect();
    let right = format!("| folder | crate | rank |\n|---|---|---|\n{table}\nTo come: {text}\n");
    let complaints = |text: &str| compare_with_document(text).len();
    assert_eq!(compare_with_document(&right), Vec::<String>::new());
    assert_eq!(
        complaints(&right.replace("`configs` | `name` | 2", "`configs` | `name` | 1")),
        1
    );
    assert_eq!(complaints(&right.replace("`tests` [7]", "`tests` [5]")), 1);
    assert_eq!(complaints(&right.replace("`tests` [7]", "")), 1);
    assert_eq!(complaints(&format!("{right}| `new` | `x` | 3 |\n")), 1);
}
