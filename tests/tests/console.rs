//! What people do at a console, on the running simulated line: each act is looked for in the station and in the audit trail.

use sightline_tests::station::Station;
use sightline_tests::{free_port, project, until};
use sightline_wire::snapshot::{AlarmState, LineState};
use sightline_wire::{Answer, Ask, Client, Link, Refusal, Role, Snapshot};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PIN: &str = "471100";

/// A station on the simulated line with two recipes, two versions of its model, a supervisor and an engineer.
struct Plant {
    folder: tempfile::TempDir,
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder").flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("copied");
        }
    }
}

impl Plant {
    fn build(faults: &str) -> Self {
        let folder = tempfile::tempdir().expect("scratch");
        let at = |name: &str| folder.path().join(name);
        let configs = project().join("configs");
        let read = |name: &str| std::fs::read_to_string(configs.join(name)).expect(name);
        let old = at("models/old");
        copy(&project().join("models/pcb-detector"), &old);
        copy(&old, &at("models/new"));
        let manifest = std::fs::read_to_string(old.join("manifest.toml")).expect("manifest");
        let changed = manifest.replacen("\nversion = \"0.", "\nversion = \"9.", 1);
        assert_ne!(manifest, changed, "the bundle's version is no longer 0.x");
        std::fs::write(at("models/new/manifest.toml"), changed).expect("written");

        std::fs::create_dir(at("recipes")).expect("folder");
        let recipe =
            read("recipes/demo-board.toml").replace("../../models/pcb-detector", "../models/old");
        std::fs::write(at("recipes/first.toml"), &recipe).expect("written");
        let second = recipe.replace("version = \"1\"", "version = \"2\"");
        std::fs::write(at("recipes/second.toml"), second).expect("written");
        std::fs::write(
            at("recipes/wrong.toml"),
            recipe.replace("\"cam1\"", "\"cam9\""),
        )
        .expect("written");
        for (name, role) in [("Sun", "supervisor"), ("Eng", "engineer")] {
            set_user(&at("users.toml"), name, role);
        }
        let console = "[console]\nsocket = \"console.sock\"\nusers_file = \"users.toml\"\nbundles = \"models\"\n";
        let text = read("demo.toml")
            .replace("recipes/demo-board.toml", "recipes/first.toml")
            .replace("127.0.0.1:1884", &format!("127.0.0.1:{}", free_port()));
        std::fs::write(at("station.toml"), format!("{text}\n{faults}\n{console}"))
            .expect("written");
        Self { folder }
    }

    fn start(&self) -> (Station, Client) {
        let station = Station::run(&self.folder.path().join("station.toml"));
        let client = self.client();
        until("the console is connected", || client.link() == Link::Up);
        until("the first part", || {
            client.look(|s, _, _| !s.parts.is_empty())
        });
        (station, client)
    }

    fn client(&self) -> Client {
        let socket: PathBuf = self.folder.path().join("console.sock");
        Client::start(&socket, "test", || {}).expect("client")
    }
}

fn set_user(file: &Path, name: &str, role: &str) {
    let mut child = Command::new(sightline_tests::station::binary())
        .args(["user", "set", name, role, "--file"])
        .arg(file)
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("sightline user");
    writeln!(child.stdin.take().expect("piped"), "{PIN}").expect("written");
    assert!(child.wait().expect("ended").success());
}

/// Asks, and waits for the answer.
fn ask(client: &Client, ask: Ask) -> Answer {
    let id = client.ask(ask.clone()).expect("the station is there");
    let mut answer = None;
    until(&format!("the answer to {ask:?}"), || {
        for (of, reply) in client.take_answers() {
            if of == id {
                answer = Some(reply.answer);
            }
        }
        answer.is_some()
    });
    answer.expect("it came")
}

fn log_in(client: &Client, user: &str) {
    let (user, pin) = (user.to_owned(), PIN.to_owned());
    assert_eq!(ask(client, Ask::LogIn { user, pin }), Answer::Done);
}

fn sees(what: &str, client: &Client, wanted: impl Fn(&Snapshot) -> bool) {
    until(what, || client.look(|snapshot, _, _| wanted(snapshot)));
}

/// Action, old and new value, and reason of the trail, newest first.
fn trail(client: &Client) -> Vec<[String; 4]> {
    match ask(client, Ask::Audit { limit: 100 }) {
        Answer::Audit(rows) => rows
            .into_iter()
            .map(|r| [r.action, r.old, r.new, r.reason])
            .collect(),
        other => panic!("{other:?}"),
    }
}

const WHY: &str = "a trial";

fn why() -> String {
    WHY.to_owned()
}

#[test]
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

    let trail = trail(&client);
    let has = |action: &str, old: &str, new: &str| {
        let found = trail
            .iter()
            .any(|r| r[0] == action && r[1].contains(old) && r[2].contains(new) && r[3] == WHY);
        assert!(found, "{action} {old} {new} in {trail:#?}");
    };
    has("change-recipe", " 1", " 2");
    has("activate-model", &before, "9.");
    has("roll-back-model", "9.", &before);
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
}

#[test]
fn an_alarm_is_acknowledged_and_put_aside_and_the_line_stopped_and_started() {
    let fault = "[[simulation.faults]]\nkind = \"unplugged\"\ncamera = \"cam2\"\nat_s = 1.0\nfor_s = 600.0\n";
    let plant = Plant::build(fault);
    let (mut station, client) = plant.start();
    let id = "camera.cam2.down";
    let stands = |s: &Snapshot| s.alarms.iter().find(|a| a.id == id).map(|a| a.state);
    sees("the alarm", &client, |s| {
        stands(s) == Some(AlarmState::Unacknowledged)
    });
    let acknowledge = || Ask::Acknowledge { alarm: id.into() };
    assert_eq!(ask(&client, acknowledge()), Answer::Done);
    sees("acknowledged", &client, |s| {
        stands(s) == Some(AlarmState::Acknowledged)
    });

    log_in(&client, "Sun");
    let shelve = |reason: &str| Ask::Shelve {
        alarm: id.into(),
        minutes: 30,
        reason: reason.into(),
    };
    assert_eq!(
        ask(&client, shelve("  ")),
        Answer::Refused(Refusal::NeedsReason)
    );
    assert_eq!(ask(&client, shelve(WHY)), Answer::Done);
    let shelved = |s: &Snapshot| matches!(stands(s), Some(AlarmState::Shelved { .. }));
    sees("put aside", &client, shelved);
    // Another console sees the same.
    let other = plant.client();
    sees("put aside for the other, too", &other, shelved);
    assert_eq!(
        ask(&client, Ask::Unshelve { alarm: id.into() }),
        Answer::Done
    );
    sees("back", &client, |s| {
        stands(s) == Some(AlarmState::Acknowledged)
    });

    assert_eq!(ask(&other, Ask::StopLine), Answer::Done);
    sees("stopped", &client, |s| s.line.state == LineState::Stopped);
    sees("the belt is empty of triggers", &client, |s| {
        s.line.open_parts == 0
    });
    let triggers = client.look(|s, _, _| s.line.triggers);
    assert_eq!(ask(&other, Ask::StartLine), Answer::Done);
    sees("parts again", &client, |s| {
        s.line.state == LineState::Running && s.line.triggers > triggers
    });

    let trail = trail(&client);
    for action in [
        "acknowledge-alarm",
        "shelve-alarm",
        "unshelve-alarm",
        "stop-line",
        "start-line",
        "log-in",
    ] {
        assert!(
            trail.iter().any(|r| r[0] == action),
            "{action} in {trail:#?}"
        );
    }
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

#[test]
fn a_reject_is_looked_at_and_overruled_and_wrong_pins_wait() {
    let plant = Plant::build("");
    let (mut station, client) = plant.start();
    let rejects = || match ask(&client, Ask::Rejects { limit: 10 }) {
        Answer::Parts(parts) => parts,
        other => panic!("{other:?}"),
    };
    let has_picture =
        |p: &sightline_wire::snapshot::PartCard| p.views.iter().position(|v| v.has_picture);
    until("a reject with a picture", || {
        rejects().iter().any(|p| has_picture(p).is_some())
    });
    let part = rejects()
        .into_iter()
        .rfind(|p| has_picture(p).is_some())
        .expect("one");
    let view = has_picture(&part).expect("it has one") as u16;
    let picture = ask(
        &client,
        Ask::Picture {
            seq: part.seq,
            view,
        },
    );
    let Answer::Picture(head) = picture else {
        panic!("{picture:?}");
    };
    let judged = head.judged.expect("findings of the same frame");
    assert_eq!(judged.findings, part.views[usize::from(view)].findings);
    assert_eq!(judged.track, part.track);

    for pin in ["0000", "0001"] {
        let wrong = Ask::LogIn {
            user: "Sun".into(),
            pin: pin.into(),
        };
        assert_eq!(ask(&client, wrong), Answer::Refused(Refusal::WrongPin));
    }
    let guess = Ask::LogIn {
        user: "Sun".into(),
        pin: "0002".into(),
    };
    let locked = |a: &Answer| matches!(a, Answer::Refused(Refusal::Locked { .. }));
    assert!(locked(&ask(&client, guess)));
    let right = Ask::LogIn {
        user: "Sun".into(),
        pin: PIN.into(),
    };
    assert!(locked(&ask(&client, right)), "also the right one waits");

    log_in(&client, "Eng");
    let overrule = Ask::Overrule {
        seq: part.seq,
        good: true,
        reason: why(),
    };
    assert_eq!(ask(&client, overrule), Answer::Done);
    assert!(
        rejects()
            .iter()
            .any(|p| p.seq == part.seq && p.overruled == Some(true))
    );
    let Answer::Quality(quality) = ask(&client, Ask::Quality { minutes: 60 }) else {
        panic!("no figures");
    };
    assert_eq!(quality.reviewed, (0, 1));
    let trail = trail(&client);
    let review = trail
        .iter()
        .find(|r| r[0] == format!("review {}", part.event_id));
    let review = review.unwrap_or_else(|| panic!("{trail:#?}"));
    assert_eq!(review[1..], ["rejected", "good", WHY].map(String::from));
    assert_eq!(ask(&client, Ask::LogOut), Answer::Done);
    assert_eq!(
        ask(&client, Ask::Audit { limit: 1 }),
        Answer::Refused(Refusal::Needs(Role::Supervisor))
    );
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}
