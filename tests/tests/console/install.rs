//! Bundles from the inbox and a stick: refused or installed while the line runs, activated, rolled back.

use crate::plant::*;
use serde_json::Value;
use sightline_tests::station::sightline;
use sightline_tests::until;
use sightline_wire::ask::BundleFile;
use sightline_wire::snapshot::{InstallFacts, InstallState};
use sightline_wire::{Answer, Ask, Client, Refusal, Role};
use std::path::Path;

pub const STORE: &str = "[models]\nstore = \"store\"\ninbox = \"inbox\"\nallow_unsigned = true\n";

/// Packs a folder with a bundle.
pub fn pack(bundle: &Path, to: &Path) {
    std::fs::create_dir_all(to.parent().expect("a folder")).expect("made");
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let packed = sightline(&["model", "pack", &text(bundle), "-o", &text(to)]);
    assert!(packed.status.success(), "{packed:?}");
}

/// A good bundle in the inbox; on a stick one whose golden pictures are of another model, and half a one.
fn fill(plant: &Plant) {
    let at = |name: &str| plant.folder.path().join(name);
    pack(&at("models/new"), &at("inbox/good.tar.zst"));
    copy(&at("models/new"), &at("wrong"));
    let manifest = std::fs::read_to_string(at("wrong/manifest.toml")).expect("manifest");
    // Each of two pictures expects what is on the other.
    let wrong = manifest
        .replace("expected = \"golden/board-1.json\"", "expected = \"?\"")
        .replace(
            "expected = \"golden/board-2.json\"",
            "expected = \"golden/board-1.json\"",
        )
        .replace("expected = \"?\"", "expected = \"golden/board-2.json\"");
    assert_ne!(
        manifest, wrong,
        "the bundle's golden pictures have other names"
    );
    std::fs::write(at("wrong/manifest.toml"), wrong).expect("written");
    pack(&at("wrong"), &at("sticks/USB/models/wrong.tar.zst"));
    let whole = std::fs::read(at("inbox/good.tar.zst")).expect("packed");
    std::fs::write(at("sticks/USB/half.tar.zst"), &whole[..whole.len() / 2]).expect("written");
}

fn install(stick: Option<&str>, file: &str, reason: &str) -> Ask {
    Ask::InstallModel {
        stick: stick.map(Into::into),
        file: file.into(),
        reason: reason.into(),
    }
}

/// How the installation of `file` ended.
fn ended(client: &Client, file: &str) -> InstallFacts {
    let mut ended = None;
    until(&format!("the end of {file}"), || {
        let now = client.look(|s, _, _| s.install.clone());
        ended = now.filter(|i| i.file == file && i.state != InstallState::Running);
        ended.is_some()
    });
    ended.expect("it ended")
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn a_bundle_is_installed_activated_and_rolled_back_on_the_running_line() {
    let plant = Plant::build(STORE);
    fill(&plant);
    let (mut station, client) = plant.start();
    let needs = Answer::Refused(Refusal::Needs(Role::Engineer));
    log_in(&client, "Sun");
    assert_eq!(ask(&client, Ask::Bundles), needs);
    assert_eq!(ask(&client, install(None, "good.tar.zst", WHY)), needs);
    log_in(&client, "Eng");
    let Answer::Bundles(bundles) = ask(&client, Ask::Bundles) else {
        panic!("no bundles");
    };
    let place = |b: &BundleFile| (b.stick.clone(), b.file.clone());
    let mut told: Vec<_> = bundles.iter().map(place).collect();
    told.sort();
    let stick = |s: &str| Some(s.to_owned());
    let expected = [
        (None, "good.tar.zst"),
        (stick("USB"), "half.tar.zst"),
        (stick("USB/models"), "wrong.tar.zst"),
    ];
    assert_eq!(told, expected.map(|(s, f)| (s, f.to_owned())));
    assert!(bundles.iter().all(|b| b.bytes > 100_000 && b.changed.0 > 0));

    for (stick, file) in [
        (None, "../inbox/good.tar.zst"),
        (Some(".."), "good.tar.zst"),
        (None, "wrong.tar.zst"),
        (Some("USB"), "wrong.tar.zst"),
    ] {
        let refused = ask(&client, install(stick, file, WHY));
        assert_eq!(refused, Answer::Refused(Refusal::NotThere), "{file}");
    }
    let without = ask(&client, install(None, "good.tar.zst", " "));
    assert_eq!(without, Answer::Refused(Refusal::NeedsReason));

    // What is no good is refused with its reason, and nothing else changes.
    let before = client.look(|s, _, _| s.models.active[0].version.clone());
    let half = install(Some("USB"), "half.tar.zst", WHY);
    assert_eq!(ask(&client, half), Answer::Done);
    let half = ended(&client, "half.tar.zst");
    assert_eq!(half.state, InstallState::Refused);
    let wrong = install(Some("USB/models"), "wrong.tar.zst", WHY);
    assert_eq!(ask(&client, wrong), Answer::Done);
    sees("its steps", &client, |s| {
        let going = s.install.as_ref();
        going.is_some_and(|i| i.state == InstallState::Running && i.said.contains("golden"))
    });
    let triggers = client.look(|s, _, _| s.line.triggers);
    match ask(&client, install(None, "good.tar.zst", WHY)) {
        Answer::Refused(Refusal::Failed(why)) => assert!(why.contains("another"), "{why}"),
        other => panic!("two at once: {other:?}"),
    }
    let wrong = ended(&client, "wrong.tar.zst");
    assert_eq!(wrong.state, InstallState::Refused);
    assert!(wrong.said.contains("not as expected"), "{}", wrong.said);
    sees("parts meanwhile", &client, |s| s.line.triggers > triggers);
    let nine = |v: &str| v.starts_with("9.");
    let known = |s: &sightline_wire::Snapshot| {
        s.models
            .installed
            .iter()
            .filter(|m| nine(&m.version))
            .count()
    };
    assert!(!plant.folder.path().join("store/pcb-detector").exists());

    assert_eq!(
        ask(&client, install(None, "good.tar.zst", WHY)),
        Answer::Done
    );
    let good = ended(&client, "good.tar.zst");
    assert_eq!((good.state, good.by.as_str()), (InstallState::Done, "Eng"));
    sees("the new model in the list", &client, |s| known(s) == 1);
    let version = client.look(|s, _, _| {
        let found = s.models.installed.iter().find(|m| nine(&m.version));
        found.expect("it is installed").version.clone()
    });
    let in_store = plant
        .folder
        .path()
        .join("store/pcb-detector")
        .join(&version);
    assert!(in_store.join("manifest.toml").is_file());
    let looks = client.look(|s, _, _| s.models.active[0].version.clone());
    assert_eq!(looks, before, "installed is not yet active");

    let active = || {
        let json = std::fs::read(plant.folder.path().join("store/active.json"));
        let json: Value = serde_json::from_slice(&json.expect("active.json")).expect("JSON");
        json["pcb-detector"].as_array().map_or(0, Vec::len)
    };
    let activate = Ask::ActivateModel {
        name: "pcb-detector".into(),
        version: version.clone(),
        reason: why(),
    };
    assert_eq!(ask(&client, activate), Answer::Done);
    assert_eq!(active(), 1);
    let of = |version: String| {
        move |r: &Value| r["models"][0]["version"].as_str() == Some(version.as_str())
    };
    let from = station.results().len();
    station.wait_for("a result of the new model", from, of(version.clone()));
    sees("what a roll-back would bring", &client, |s| {
        s.models.active[0].version == version && s.models.previous == ["pcb-detector (recipe)"]
    });
    let back = Ask::RollBackModel { reason: why() };
    assert_eq!(ask(&client, back.clone()), Answer::Done);
    assert_eq!(active(), 0);
    let from = station.results().len();
    station.wait_for("a result of the old model", from, of(before.clone()));
    sees("the old model", &client, |s| {
        s.models.active[0].version == before
    });

    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let seqs = station
        .results()
        .into_iter()
        .filter_map(|r| r["seq"].as_u64());
    let seqs: Vec<u64> = seqs.collect();
    let all: Vec<u64> = (1..=seqs.len() as u64).collect();
    assert_eq!(seqs, all, "no part was lost");
    let links = written(&plant);
    let installed = format!("installed pcb-detector {version}");
    stands(
        &links,
        "Eng",
        "install-model good.tar.zst",
        "",
        &installed,
        WHY,
    );
    stands(&links, "Eng", "activate-model", &before, &version, WHY);
    stands(&links, "Eng", "roll-back-model", &version, &before, WHY);
    let refused = links.iter().any(|l| {
        let reason = l["reason"].as_str().unwrap_or_default();
        l["action"] == "install-model wrong.tar.zst"
            && reason.starts_with("refused: ")
            && reason.contains("not as expected")
            && reason.ends_with(WHY)
    });
    assert!(refused, "{links:#?}");
}
