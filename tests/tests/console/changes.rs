//! Another recipe, another model of a folder, and back.

use crate::plant::*;
use sightline_tests::until;
use sightline_wire::{Answer, Ask, Refusal, Role};

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in its order")]
fn recipe_and_model_change_and_go_back_between_parts() {
    let plant = Plant::build("");
    let (mut station, client) = plant.start();
    let change = |file: &str| Ask::ChangeRecipe {
        file: file.into(),
        reason: why(),
    };
    let needs = |role| Answer::Refused(Refusal::Needs(role));
    assert_eq!(ask(&client, change("second.toml")), needs(Role::Supervisor));

    log_in(&client, "Sun");
    until("the session is told", || {
        client.look(|_, s, _| s.role == Role::Supervisor)
    });
    let compared = ask(
        &client,
        Ask::CompareRecipe {
            file: "second.toml".into(),
        },
    );
    let line = |sign, text: &str| (sign, text.to_owned());
    let expected = vec![line('-', "version = \"1\""), line('+', "version = \"2\"")];
    assert_eq!(compared, Answer::Difference(expected));
    assert_eq!(ask(&client, change("second.toml")), Answer::Done);
    sees("a part of the second recipe", &client, |s| {
        s.parts[0].recipe.ends_with(" 2")
    });

    for (file, said) in [("wrong.toml", "did you mean `cam1`?"), ("first.toml", "")] {
        match ask(&client, change(file)) {
            Answer::Refused(Refusal::Failed(why)) => {
                assert!(!said.is_empty() && why.contains(said), "{why}")
            }
            answer => assert_eq!((answer, said), (Answer::Done, "")),
        }
    }
    for outside in ["../station.toml", "/etc/passwd", "none.toml", ""] {
        assert_eq!(
            ask(&client, change(outside)),
            Answer::Refused(Refusal::NotThere),
            "{outside}"
        );
    }

    let activate = || Ask::ActivateModel {
        name: "pcb-detector".into(),
        version: client.look(|s, _, _| {
            let newest = s.models.installed.iter().map(|m| m.version.clone()).max();
            newest.expect("two are installed")
        }),
        reason: why(),
    };
    assert_eq!(ask(&client, activate()), needs(Role::Engineer));
    log_in(&client, "Eng");
    let before = client.look(|s, _, _| s.models.active[0].version.clone());
    assert_eq!(ask(&client, activate()), Answer::Done);
    sees("the new model", &client, |s| {
        s.models.active[0].version.starts_with("9.")
    });
    let generation = client.look(|s, _, _| s.recipes.generation);
    let results = station.results().len();
    station.wait_for("a result of the new model", results, |r| {
        r["models"][0]["version"]
            .as_str()
            .is_some_and(|v| v.starts_with("9."))
    });
    assert_eq!(
        ask(&client, Ask::RollBackModel { reason: why() }),
        Answer::Done
    );
    sees("the old model", &client, |s| {
        s.models.active[0].version == before && s.recipes.generation > generation
    });

    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let seqs: Vec<u64> = station
        .results()
        .iter()
        .filter_map(|r| r["seq"].as_u64())
        .collect();
    assert_eq!(
        seqs,
        (1..=seqs.len() as u64).collect::<Vec<_>>(),
        "no part was lost"
    );
    let links = written(&plant);
    stands(&links, "Sun", "change-recipe", " 1", " 2", WHY);
    stands(&links, "Eng", "activate-model", &before, "9.", WHY);
    stands(&links, "Eng", "roll-back-model", "9.", &before, WHY);
}
