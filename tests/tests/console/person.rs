//! A person touches the screen; the station and its audit trail are looked at.

use crate::install::{STORE, pack};
use crate::plant::*;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable;
use sightline_console::app::{Console, Settings};
use sightline_console::texts::Language;
use sightline_console::view::Screen;
use sightline_tests::PATIENCE;
use sightline_wire::snapshot::{InstallState, LineState};
use sightline_wire::{Client, Role};
use std::time::{Duration, Instant};

type Driven = Harness<'static, Option<Console<Client>>>;

/// A console without a window, on the station of `plant`.
fn console(plant: &Plant) -> Driven {
    let mut client = Some(plant.client());
    let app = move |ui: &mut eframe::egui::Ui, state: &mut Option<Console<Client>>| {
        let console = state.get_or_insert_with(|| {
            let settings = Settings {
                language: Language::English,
                dark: false,
                px_per_mm: 3.8,
                screen: Screen::Line,
            };
            Console::new(ui.ctx(), client.take().expect("once"), &settings)
        });
        console.take_in(ui.ctx());
        console.draw(ui);
    };
    Harness::builder()
        .with_size([1280.0, 800.0])
        .build_ui_state(app, None)
}

/// Draws until it is so.
fn shows(harness: &mut Driven, what: &str, wanted: impl Fn(&Driven) -> bool) {
    let end = Instant::now() + PATIENCE;
    while !wanted(harness) {
        assert!(Instant::now() < end, "waited for: {what}");
        std::thread::sleep(Duration::from_millis(20));
        harness.run_steps(1);
    }
}

/// A dialog moves to the middle when its content has come; no hand is quicker than that.
fn settle(harness: &mut Driven) {
    harness.run_steps(2);
}

/// Waits until there is such a thing, and touches it.
fn touch(harness: &mut Driven, label: &str) {
    shows(harness, label, |h| h.query_by_label(label).is_some());
    settle(harness);
    harness.get_by_label(label).click();
    harness.run_steps(2);
}

/// Touches the one of several that is `nth`, from 0.
fn touch_nth(harness: &mut Driven, label: &str, nth: usize) {
    let there = |h: &Driven| h.query_all_by_label(label).nth(nth).is_some();
    shows(harness, label, there);
    settle(harness);
    let node = harness.query_all_by_label(label).nth(nth);
    node.expect("it is there").click();
    harness.run_steps(2);
}

/// The row that has these words in it.
fn touch_row(harness: &mut Driven, words: &str) {
    let all = |h: &Driven| h.query_all_by_label_contains(words).count();
    shows(harness, words, |h| all(h) > 0);
    settle(harness);
    let row = harness.query_all_by_label_contains(words).next();
    row.expect("it is there").click();
    harness.run_steps(2);
}

fn view<T>(harness: &Driven, look: impl Fn(&sightline_console::view::View) -> T) -> T {
    look(&harness.state().as_ref().expect("it runs").view)
}

fn log_in(harness: &mut Driven, name: &str) {
    touch(harness, "Users, display");
    touch_row(harness, &format!("{name}   "));
    for digit in PIN.chars() {
        touch(harness, &digit.to_string());
    }
    touch(harness, "OK");
    shows(harness, "the session", |h| {
        view(h, |v| v.session.user.as_deref() == Some(name))
    });
}

/// The second step, with a reason.
fn do_it(harness: &mut Driven, reason: &str) {
    touch(harness, reason);
    touch(harness, "Yes, do it");
    shows(harness, "the answer", |h| view(h, |v| v.notice.is_some()));
    let notice = view(harness, |v| v.notice.clone());
    assert!(notice.as_ref().is_some_and(|n| n.done), "{notice:?}");
}

#[test]
fn a_person_installs_a_model_lets_it_look_and_takes_it_back() {
    let plant = Plant::build(STORE);
    let at = |name: &str| plant.folder.path().join(name);
    pack(&at("models/new"), &at("sticks/USB/new.tar.zst"));
    let (mut station, watcher) = plant.start();
    let mut harness = console(&plant);
    shows(&mut harness, "the line", |h| {
        view(h, |v| !v.snapshot.parts.is_empty())
    });
    // Nobody is logged in: the way leads to the PIN pad, and not past it.
    touch(&mut harness, "Models");
    touch(&mut harness, "Install a model");
    shows(&mut harness, "the PIN pad", |h| {
        h.query_by_label("OK").is_some()
    });
    touch(&mut harness, "Cancel");
    log_in(&mut harness, "Eng");

    touch(&mut harness, "Models");
    touch(&mut harness, "Install a model");
    touch_row(&mut harness, "new.tar.zst");
    do_it(&mut harness, "Released version");
    shows(&mut harness, "its end", |h| {
        let going = view(h, |v| v.snapshot.install.clone());
        let going = going.filter(|i| i.state != InstallState::Running);
        assert!(
            going.as_ref().is_none_or(|i| i.state == InstallState::Done),
            "{going:?}"
        );
        going.is_some()
    });
    let version = watcher.look(|s, _, _| {
        let newest = s.models.installed.iter().map(|m| m.version.clone()).max();
        newest.expect("two are there")
    });
    touch_row(&mut harness, &format!("{version} finds"));
    touch(&mut harness, "Activate");
    do_it(&mut harness, "Trial");
    sees("the new model", &watcher, |s| {
        s.models.active[0].version.starts_with("9.")
    });
    touch(&mut harness, "Roll back");
    do_it(&mut harness, "Too many false rejects");
    sees("the old model", &watcher, |s| {
        s.models.active[0].version.starts_with("0.")
    });

    touch(&mut harness, "Audit trail");
    touch_row(&mut harness, "Too many false rejects");
    shows(&mut harness, "the row in full", |h| {
        h.query_by_label("Close").is_some()
    });
    touch(&mut harness, "Close");
    touch(&mut harness, "Users, display");
    touch(&mut harness, "简体中文");
    touch(&mut harness, "产线");
    touch(&mut harness, "停止");
    touch(&mut harness, "确定");
    sees("stopped", &watcher, |s| s.line.state == LineState::Stopped);

    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    stands(
        &links,
        "Eng",
        "install-model new.tar.zst",
        "",
        "installed pcb-detector 9.",
        "Released version",
    );
    stands(&links, "Eng", "activate-model", " 0.", " 9.", "Trial");
    stands(
        &links,
        "Eng",
        "roll-back-model",
        " 9.",
        " 0.",
        "Too many false rejects",
    );
    stands(&links, "Eng", "stop-line", "Continuous", "Ready", "");
}

#[test]
fn a_person_changes_the_recipe_and_overrules_a_reject() {
    let plant = Plant::build("");
    let (mut station, watcher) = plant.start();
    let mut harness = console(&plant);
    log_in(&mut harness, "Sun");
    touch(&mut harness, "Recipes");
    touch_row(&mut harness, "second.toml");
    touch(&mut harness, "Change over");
    do_it(&mut harness, "Change of product");
    sees("a part of the second recipe", &watcher, |s| {
        s.parts[0].recipe.ends_with(" 2")
    });
    touch(&mut harness, "Rejects");
    shows(&mut harness, "a reject", |h| {
        view(h, |v| !v.answers.rejects.is_empty())
    });
    touch(&mut harness, "It is good");
    do_it(&mut harness, "Cosmetic only");
    let judged = parts(&watcher, |f| f.reviewed = Some(true));
    assert_eq!(judged.len(), 1);
    assert_eq!(judged[0].overruled, Some(true));
    assert_eq!(view(&harness, |v| v.session.role), Role::Supervisor);
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    stands(
        &links,
        "Sun",
        "change-recipe",
        " 1",
        " 2",
        "Change of product",
    );
    let action = format!("review {}", judged[0].event_id);
    stands(&links, "Sun", &action, "rejected", "good", "Cosmetic only");
}

#[test]
fn a_person_acknowledges_and_shelves_an_alarm() {
    use sightline_wire::snapshot::AlarmState;
    let fault = "[[simulation.faults]]\nkind = \"unplugged\"\ncamera = \"cam2\"\nat_s = 1.0\nfor_s = 600.0\n";
    let plant = Plant::build(fault);
    let (mut station, watcher) = plant.start();
    let mut harness = console(&plant);
    log_in(&mut harness, "Sun");
    let id = "camera.cam2.down";
    let state =
        |s: &sightline_wire::Snapshot| s.alarms.iter().find(|a| a.id == id).map(|a| a.state);
    sees("the alarm", &watcher, |s| state(s).is_some());
    // Other alarms may stand beside it, in the order of the station's list.
    let place = |s: &sightline_wire::Snapshot, unseen: bool| {
        let listed = s.alarms.iter().filter(|a| {
            !unseen || matches!(a.state, AlarmState::Unacknowledged | AlarmState::Returned)
        });
        listed.map(|a| &a.id).position(|a| a == id)
    };
    touch(&mut harness, "Show alarms");
    let nth = watcher.look(|s, _, _| place(s, true));
    touch_nth(&mut harness, "Acknowledge", nth.expect("it is unseen"));
    touch(&mut harness, "Yes, do it");
    sees("acknowledged", &watcher, |s| {
        state(s) == Some(AlarmState::Acknowledged)
    });
    std::thread::sleep(Duration::from_millis(500));
    harness.run_steps(2);
    let nth = watcher.look(|s, _, _| place(s, false));
    touch_nth(&mut harness, "Put aside", nth.expect("it stands"));
    touch(&mut harness, "60 min");
    do_it(&mut harness, "Repair is ordered");
    let now = watcher.look(|s, _, _| s.pulse.at.0);
    sees("put aside for an hour", &watcher, |s| match state(s) {
        Some(AlarmState::Shelved { until }) => (until.0 - now - 3_600_000_000).abs() < 60_000_000,
        _ => false,
    });
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    stands(
        &links,
        "Sun",
        &format!("shelve-alarm {id}"),
        "acknowledged",
        "shelved",
        "Repair is ordered",
    );
}
