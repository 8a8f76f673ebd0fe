//! The line that people stand at, and what they do there.

use serde_json::Value;
use sightline_tests::station::{Station, json_lines, sightline};
use sightline_tests::{free_port, project, until};
use sightline_wire::ask::PartFilter;
use sightline_wire::snapshot::PartCard;
use sightline_wire::{Answer, Ask, Client, Link, Snapshot};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const PIN: &str = "471100";

/// A station on the simulated line with two recipes, two versions of its model, a supervisor and an engineer.
pub struct Plant {
    pub folder: tempfile::TempDir,
    /// The broker's.
    pub port: u16,
}

pub fn copy(from: &Path, to: &Path) {
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
    pub fn build(faults: &str) -> Self {
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
                       exports = \"exports\"\nsticks = \"sticks\"\npictures = \"pictures\"\n[journal]\nfolder = \"journal\"\n";
        let port = free_port();
        let text = read("demo.toml")
            .replace("recipes/demo-board.toml", "recipes/first.toml")
            .replace("127.0.0.1:1884", &format!("127.0.0.1:{port}"));
        std::fs::write(at("station.toml"), format!("{text}\n{faults}\n{console}"))
            .expect("written");
        Self { folder, port }
    }

    pub fn start(&self) -> (Station, Client) {
        let station = Station::run(&self.folder.path().join("station.toml"));
        let client = self.client();
        until("the console is connected", || client.link() == Link::Up);
        until("the first part", || {
            client.look(|s, _, _| !s.parts.is_empty())
        });
        (station, client)
    }

    pub fn client(&self) -> Client {
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
pub fn ask(client: &Client, ask: Ask) -> Answer {
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

pub fn log_in(client: &Client, user: &str) {
    let (user, pin) = (user.to_owned(), PIN.to_owned());
    assert_eq!(ask(client, Ask::LogIn { user, pin }), Answer::Done);
}

pub fn sees(what: &str, client: &Client, wanted: impl Fn(&Snapshot) -> bool) {
    until(what, || client.look(|snapshot, _, _| wanted(snapshot)));
}

/// The trail as the command line prints it when the station has ended; its chain must be whole.
pub fn written(plant: &Plant) -> Vec<Value> {
    let config = plant.folder.path().join("station.toml");
    let config = config.to_str().expect("UTF-8");
    let verified = sightline(&["journal", "verify", "--config", config]);
    assert!(verified.status.success(), "{verified:?}");
    json_lines(&sightline(&[
        "journal", "audit", "--json", "--config", config,
    ]))
}

/// A link with that action and reason stands in it, from a value that has `old` in it to one that has `new`.
pub fn stands(links: &[Value], actor: &str, action: &str, old: &str, new: &str, reason: &str) {
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
pub fn trail(client: &Client) -> Vec<[String; 4]> {
    match ask(client, Ask::Audit { limit: 100 }) {
        Answer::Audit(rows) => rows
            .into_iter()
            .map(|r| [r.action, r.old, r.new, r.reason])
            .collect(),
        other => panic!("{other:?}"),
    }
}

pub const WHY: &str = "a trial";

pub fn why() -> String {
    WHY.to_owned()
}

/// The rejected parts that a filter lets through.
pub fn parts(client: &Client, narrow: impl Fn(&mut PartFilter)) -> Vec<PartCard> {
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
