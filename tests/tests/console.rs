//! What people do at a console, on the running simulated line: each act is looked for in the station and in the audit trail.

use serde_json::{Value, json};
use sightline_tests::broker::subscribe;
use sightline_tests::requester::ROOT;
use sightline_tests::station::{Station, json_lines, sightline};
use sightline_tests::{PATIENCE, free_port, project, until};
use sightline_wire::ask::{AlarmHappening, PartFilter};
use sightline_wire::snapshot::{AlarmState, LineState, PartCard};
use sightline_wire::{Answer, Ask, Client, Link, Refusal, Role, Snapshot};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PIN: &str = "471100";

/// A station on the simulated line with two recipes, two versions of its model, a supervisor and an engineer.
struct Plant {
    folder: tempfile::TempDir,
    /// The broker's.
    port: u16,
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
        let users = [
            ("Sun", "supervisor"),
            ("Eng", "engineer"),
            ("Adm", "administrator"),
        ];
        for (name, role) in users {
            set_user(&at("users.toml"), name, role);
        }
        let console = "[console]\nsocket = \"console.sock\"\nusers_file = \"users.toml\"\nbundles = \"models\"\n\
                       exports = \"exports\"\n[journal]\nfolder = \"journal\"\n";
        let port = free_port();
        let text = read("demo.toml")
            .replace("recipes/demo-board.toml", "recipes/first.toml")
            .replace("127.0.0.1:1884", &format!("127.0.0.1:{port}"));
        std::fs::write(at("station.toml"), format!("{text}\n{faults}\n{console}"))
            .expect("written");
        Self { folder, port }
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

/// The trail as the command line prints it when the station has ended; its chain must be whole.
fn written(plant: &Plant) -> Vec<Value> {
    let config = plant.folder.path().join("station.toml");
    let config = config.to_str().expect("UTF-8");
    let verified = sightline(&["journal", "verify", "--config", config]);
    assert!(verified.status.success(), "{verified:?}");
    json_lines(&sightline(&[
        "journal", "audit", "--json", "--config", config,
    ]))
}

/// A link with that action and reason stands in it, from a value that has `old` in it to one that has `new`.
fn stands(links: &[Value], actor: &str, action: &str, old: &str, new: &str, reason: &str) {
    let has = |l: &Value, key: &str, part: &str| l[key].as_str().unwrap_or_default().contains(part);
    let found = links.iter().any(|l| {
        l["actor"] == actor
            && l["action"] == action
            && has(l, "old", old)
            && has(l, "new", new)
            && l["reason"] == reason
    });
    assert!(found, "{actor} {action} {old} {new} {reason} in {links:#?}");
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

#[test]
fn an_alarm_is_acknowledged_and_put_aside_and_the_line_stopped_and_started() {
    let fault = "[[simulation.faults]]\nkind = \"unplugged\"\ncamera = \"cam2\"\nat_s = 1.0\nfor_s = 600.0\n";
    let plant = Plant::build(fault);
    let (mut station, client) = plant.start();
    let id = "camera.cam2.down";
    let standing = |s: &Snapshot| s.alarms.iter().find(|a| a.id == id).map(|a| a.state);
    sees("the alarm", &client, |s| {
        standing(s) == Some(AlarmState::Unacknowledged)
    });
    let acknowledge = || Ask::Acknowledge { alarm: id.into() };
    assert_eq!(ask(&client, acknowledge()), Answer::Done);
    sees("acknowledged", &client, |s| {
        standing(s) == Some(AlarmState::Acknowledged)
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
    let shelved = |s: &Snapshot| matches!(standing(s), Some(AlarmState::Shelved { .. }));
    sees("put aside", &client, shelved);
    // Another console sees the same.
    let other = plant.client();
    sees("put aside for the other, too", &other, shelved);
    assert_eq!(
        ask(&client, Ask::Unshelve { alarm: id.into() }),
        Answer::Done
    );
    sees("back", &client, |s| {
        standing(s) == Some(AlarmState::Unacknowledged)
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

    let Answer::AlarmHistory(rows) = ask(&client, Ask::AlarmHistory { limit: 50 }) else {
        panic!("no history");
    };
    let of_it: Vec<_> = rows.iter().filter(|r| r.id == id).collect();
    for (what, by) in [
        (AlarmHappening::Raised, None),
        (AlarmHappening::Acknowledged, Some("operator")),
        (AlarmHappening::Shelved, Some("Sun")),
        (AlarmHappening::Unshelved, Some("Sun")),
    ] {
        let kept = of_it
            .iter()
            .any(|r| r.what == what && r.by.as_deref() == by);
        assert!(kept, "{what:?} in {of_it:#?}");
    }
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    let (came, seen) = ("active, unacknowledged", "active, acknowledged");
    let on = |verb: &str| format!("{verb} {id}");
    stands(&links, "operator", &on("acknowledge-alarm"), came, seen, "");
    stands(&links, "Sun", &on("shelve-alarm"), seen, "shelved", WHY);
    stands(&links, "Sun", &on("unshelve-alarm"), "shelved", came, "");
    stands(&links, "operator", "stop-line", "Continuous", "Ready", "");
    stands(&links, "operator", "start-line", "Ready", "Continuous", "");
    stands(&links, "Sun", "log-in", "", "supervisor", "");
}

#[test]
fn a_reject_is_looked_at_and_overruled_and_wrong_pins_wait() {
    let plant = Plant::build("");
    let (mut station, client) = plant.start();
    let (_subscriber, heard) = subscribe(plant.port, &format!("{ROOT}/review"), "mqttv5");
    let rejects = || parts(&client, |_| {});
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
    let judge = |seq, good| Ask::Overrule {
        seq,
        good,
        reason: why(),
    };
    until("a second reject with a picture", || {
        rejects()
            .iter()
            .any(|p| p.seq != part.seq && has_picture(p).is_some())
    });
    let second = rejects()
        .into_iter()
        .find(|p| p.seq != part.seq && has_picture(p).is_some())
        .expect("one");
    assert_eq!(ask(&client, judge(part.seq, true)), Answer::Done);
    assert_eq!(ask(&client, judge(second.seq, false)), Answer::Done);
    let passed = parts(&client, |f| f.passed = true);
    assert_eq!(ask(&client, judge(passed[0].seq, false)), Answer::Done);
    let nobody = Answer::Refused(Refusal::NotThere);
    assert_eq!(ask(&client, judge(u64::from(u32::MAX), true)), nobody);

    let judged = parts(&client, |f| f.reviewed = Some(true));
    let told: Vec<_> = judged.iter().map(|p| (p.seq, p.overruled)).collect();
    let mut expected = [(part.seq, Some(true)), (second.seq, Some(false))];
    expected.sort_by_key(|e| std::cmp::Reverse(e.0));
    assert_eq!(told, expected);
    assert!(
        parts(&client, |f| f.reviewed = Some(false))
            .iter()
            .all(|p| p.seq != part.seq)
    );
    let class = part.causes()[0].1.class.clone();
    let camera = part.views[usize::from(view)].camera.clone();
    let narrow = parts(&client, |f| {
        (f.cause, f.camera, f.minutes) = (Some(class.clone()), Some(camera.clone()), 60);
    });
    assert!(narrow.iter().any(|p| p.seq == part.seq));
    assert!(parts(&client, |f| f.camera = Some("none".into())).is_empty());

    let (topic, review) = heard.recv_timeout(PATIENCE).expect("the MES hears of it");
    let review: Value = serde_json::from_str(&review).expect("JSON");
    assert!(topic.ends_with("/review"));
    assert_eq!(review["event_id"], part.event_id);
    assert_eq!(
        (&review["evaluation"], &review["by"]),
        (&json!("OK"), &json!("Eng"))
    );

    let list = match ask(&client, Ask::ExportReviewed) {
        Answer::Written { path, items } if items >= 2 => PathBuf::from(path),
        other => panic!("{other:?}"),
    };
    coco_is_right(&list, &part, &second);
    let Answer::Written { path: support, .. } = ask(&client, Ask::ExportSupport) else {
        panic!("no file for support");
    };
    assert!(support.starts_with(plant.folder.path().join("exports").to_str().expect("UTF-8")));
    let packed = std::fs::read(&support).expect("it is there");
    assert_eq!(packed[..4], [0x28, 0xb5, 0x2f, 0xfd], "zstd");

    assert_eq!(ask(&client, Ask::LogOut), Answer::Done);
    assert_eq!(
        ask(&client, Ask::Audit { limit: 1 }),
        Answer::Refused(Refusal::Needs(Role::Supervisor))
    );
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    let action = format!("review {}", part.event_id);
    stands(&links, "Eng", &action, "rejected", "good", WHY);

    // What was seen before is seen after the station has ended and begun again; only its pictures are gone.
    let (mut station, client) = plant.start();
    let again = parts(&client, |f| f.reviewed = Some(true));
    assert_eq!(
        again
            .iter()
            .map(|p| (p.seq, p.overruled))
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(again.iter().position(|p| has_picture(p).is_some()), None);
    let Answer::Quality(quality) = ask(&client, Ask::Quality { minutes: 60 }) else {
        panic!("no figures");
    };
    assert_eq!(
        (quality.rejects_reviewed, quality.passes_reviewed),
        ((2, 1), (1, 1))
    );
    assert!(quality.pareto.iter().any(|(c, n)| *c == class && *n > 0));
    log_in(&client, "Sun");
    assert!(trail(&client).iter().any(|r| r[0] == action));
    assert_eq!(station.interrupt(), 0, "{}", station.log());
}

/// The rejected parts that a filter lets through.
fn parts(client: &Client, narrow: impl Fn(&mut PartFilter)) -> Vec<PartCard> {
    let mut filter = PartFilter {
        limit: 100,
        ..PartFilter::default()
    };
    narrow(&mut filter);
    match ask(client, Ask::Rejects(filter)) {
        Answer::Parts(parts) => parts,
        other => panic!("{other:?}"),
    }
}

/// The list names existing pictures of both parts; only the one that is bad has annotations, inside its pictures.
fn coco_is_right(list: &Path, good: &PartCard, bad: &PartCard) {
    let coco: Value = serde_json::from_slice(&std::fs::read(list).expect("list")).expect("JSON");
    let array = |key: &str| coco[key].as_array().expect("an array").clone();
    let images = array("images");
    for image in &images {
        let file = list
            .parent()
            .expect("a folder")
            .join(image["file_name"].as_str().expect("name"));
        let size = image::image_dimensions(&file).expect("a picture");
        assert_eq!(
            (&image["width"], &image["height"]),
            (&json!(size.0), &json!(size.1))
        );
    }
    let of = |part: &PartCard| {
        images
            .iter()
            .filter(|i| i["seq"] == part.seq)
            .cloned()
            .collect::<Vec<_>>()
    };
    assert!(!of(good).is_empty() && !of(bad).is_empty(), "{coco:#}");
    assert!(
        of(good).iter().all(|i| i["good"] == true) && of(bad).iter().all(|i| i["good"] == false)
    );
    let ids: Vec<Value> = of(bad).iter().map(|i| i["id"].clone()).collect();
    let annotations = array("annotations");
    assert!(!annotations.is_empty());
    for annotation in annotations {
        assert!(ids.contains(&annotation["image_id"]), "{annotation}");
        let bbox: Vec<f64> = annotation["bbox"]
            .as_array()
            .expect("bbox")
            .iter()
            .filter_map(Value::as_f64)
            .collect();
        let image = images
            .iter()
            .find(|i| i["id"] == annotation["image_id"])
            .expect("its image");
        let edge = |key: &str| image[key].as_f64().expect("a size") + 1.0;
        assert!(
            bbox[0] + bbox[2] <= edge("width") && bbox[1] + bbox[3] <= edge("height"),
            "{annotation}"
        );
        assert!(
            array("categories")
                .iter()
                .any(|c| c["id"] == annotation["category_id"])
        );
    }
}

#[test]
fn the_administrator_changes_users() {
    let plant = Plant::build("");
    let (mut station, client) = plant.start();
    let set = |name: &str, role| Ask::SetUser {
        name: name.into(),
        role,
        pin: "9182".into(),
    };
    log_in(&client, "Eng");
    let needs = Answer::Refused(Refusal::Needs(Role::Administrator));
    assert_eq!(ask(&client, set("Bob", Role::Administrator)), needs);
    log_in(&client, "Adm");
    assert_eq!(ask(&client, set("Bob", Role::Supervisor)), Answer::Done);
    sees("the new user", &client, |s| {
        s.station.users.iter().any(|u| u.name == "Bob")
    });
    let other = plant.client();
    until("the other is connected", || other.link() == Link::Up);
    let bob = Ask::LogIn {
        user: "Bob".into(),
        pin: "9182".into(),
    };
    assert_eq!(ask(&other, bob.clone()), Answer::Done);
    // A role that is taken away is gone at once, wherever its user is logged in.
    assert_eq!(ask(&client, set("Bob", Role::Operator)), Answer::Done);
    let refused = Answer::Refused(Refusal::Needs(Role::Supervisor));
    assert_eq!(ask(&other, Ask::Audit { limit: 1 }), refused);
    let remove = |name: &str| Ask::RemoveUser { name: name.into() };
    assert_eq!(ask(&client, remove("Bob")), Answer::Done);
    assert_eq!(ask(&other, bob), Answer::Refused(Refusal::WrongPin));
    let last = ask(&client, remove("Adm"));
    assert!(
        matches!(&last, Answer::Refused(Refusal::Failed(why)) if why.contains("administrator")),
        "{last:?}"
    );
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    stands(&links, "Adm", "set-user Bob", "", "supervisor", "");
    stands(&links, "Adm", "set-user Bob", "supervisor", "operator", "");
    stands(&links, "Adm", "remove-user Bob", "operator", "", "");
    assert!(
        !links.iter().any(|l| l.to_string().contains("9182")),
        "no PIN"
    );
}
