//! Touches a console as a person does, and looks at what it asks of the station.

#[path = "common/sample/mod.rs"]
mod sample;

use eframe::egui::accesskit::Role as Kind;
use egui_kittest::Harness;
use egui_kittest::kittest::{NodeT, Queryable};
use sample::Still;
use sightline_console::app::{Console, Settings};
use sightline_console::texts::Language;
use sightline_console::view::Screen;
use sightline_wire::{Ask, Role};
use std::time::Duration;

type Driven = Harness<'static, Option<Console<Still>>>;

/// A console at work, with the words of `language`.
fn console(language: Language, mut station: Option<Still>) -> Driven {
    let app = move |ui: &mut eframe::egui::Ui, state: &mut Option<Console<Still>>| {
        let console = state.get_or_insert_with(|| {
            let settings = Settings {
                language,
                dark: false,
                px_per_mm: 3.8,
                screen: Screen::Line,
            };
            Console::new(ui.ctx(), station.take().expect("once"), &settings)
        });
        console.take_in(ui.ctx());
        console.draw(ui);
    };
    let mut harness = Harness::builder()
        .with_size([1280.0, 800.0])
        .build_ui_state(app, None);
    harness.run_steps(4);
    harness
}

fn touch(harness: &mut Driven, label: &str) {
    harness.get_by_label(label).click();
    harness.run_steps(4);
}

fn asked(harness: &Driven) -> Vec<Ask> {
    let console = harness.state().as_ref().expect("it runs");
    console.station().asked.borrow().clone()
}

#[test]
fn stopping_the_line_takes_two_steps() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Stop");
    assert!(
        !asked(&harness).contains(&Ask::StopLine),
        "one touch does nothing"
    );
    touch(&mut harness, "Cancel");
    assert!(!asked(&harness).contains(&Ask::StopLine));
    touch(&mut harness, "Stop");
    touch(&mut harness, "Yes, do it");
    assert!(asked(&harness).contains(&Ask::StopLine));
}

#[test]
fn an_alarm_is_found_from_the_banner_and_acknowledged() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Show alarms");
    let first = harness.get_all_by_label("Acknowledge").next();
    first.expect("an alarm nobody has seen").click();
    harness.run_steps(4);
    touch(&mut harness, "Yes, do it");
    let alarm = "gate-unconfirmed".to_owned();
    assert!(asked(&harness).contains(&Ask::Acknowledge { alarm }));
}

#[test]
fn what_needs_a_role_leads_to_the_pin_pad() {
    let mut station = Still::new();
    station.session = Default::default();
    let mut harness = console(Language::English, Some(station));
    touch(&mut harness, "Models");
    touch(&mut harness, "Roll back");
    for digit in ["1", "2", "3", "4"] {
        touch(&mut harness, digit);
    }
    touch(&mut harness, "OK");
    // The least of those who may.
    let user = "Chen".to_owned();
    let pin = "1234".to_owned();
    assert!(asked(&harness).contains(&Ask::LogIn { user, pin }));
    assert!(!asked(&harness).iter().any(|a| a.needs() > Role::Operator));
}

#[test]
fn a_roll_back_needs_a_reason() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Models");
    touch(&mut harness, "Roll back");
    touch(&mut harness, "Yes, do it");
    let rolled = |h: &Driven| {
        asked(h)
            .into_iter()
            .find(|a| matches!(a, Ask::RollBackModel { .. }))
    };
    assert_eq!(rolled(&harness), None, "no reason yet");
    touch(&mut harness, "Trial");
    touch(&mut harness, "Yes, do it");
    let reason = "Trial".to_owned();
    assert_eq!(rolled(&harness), Some(Ask::RollBackModel { reason }));
}

#[test]
fn another_language_is_one_touch_away() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Users, display");
    touch(&mut harness, "简体中文");
    touch(&mut harness, "产线");
    harness.get_by_label("停止");
}

#[test]
fn nobody_acts_on_what_is_old() {
    let mut station = Still::new();
    station.age = Duration::from_secs(5);
    let mut harness = console(Language::English, Some(station));
    touch(&mut harness, "Stop");
    assert!(harness.query_by_label("Yes, do it").is_none());
}

#[test]
fn a_dialog_over_what_has_become_old_waits() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Stop");
    assert!(harness.query_by_label("Yes, do it").is_some());
    let age = |harness: &mut Driven, seconds| {
        let console = harness.state_mut().as_mut().expect("it runs");
        console.station_mut().age = Duration::from_secs(seconds);
        harness.run_steps(4);
    };
    age(&mut harness, 5);
    assert!(harness.query_by_label("Yes, do it").is_none());
    age(&mut harness, 0);
    touch(&mut harness, "Yes, do it");
    assert!(asked(&harness).contains(&Ask::StopLine));
}

#[test]
fn what_was_done_makes_room_for_an_alarm() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Stop");
    touch(&mut harness, "Yes, do it");
    assert!(harness.query_by_label("Show alarms").is_none());
    // A step is a quarter of a second or less.
    harness.run_steps(600);
    assert!(harness.query_by_label("Show alarms").is_some());
}

#[test]
fn a_row_of_the_trail_opens_in_full() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Audit trail");
    let whole = "ContinuousExecution, recipe DEMO-BOARD, generation 3";
    assert!(harness.query_by_label(whole).is_none());
    let row = harness.query_all_by_label_contains(whole).next();
    row.expect("the row").click();
    harness.run_steps(4);
    assert!(harness.query_by_label(whole).is_some());
    touch(&mut harness, "Close");
    assert!(harness.query_by_label(whole).is_none());
}

#[test]
fn an_alarm_is_put_aside_for_a_chosen_time() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Show alarms");
    let first = harness.get_all_by_label("Put aside").next();
    first.expect("an alarm").click();
    harness.run_steps(4);
    touch(&mut harness, "4 h");
    touch(&mut harness, "Maintenance");
    touch(&mut harness, "Yes, do it");
    let shelve = Ask::Shelve {
        alarm: "gate-unconfirmed".into(),
        minutes: 240,
        reason: "Maintenance".into(),
    };
    assert!(asked(&harness).contains(&shelve));
}

#[test]
fn a_bundle_is_chosen_with_a_reason_and_installed() {
    let mut harness = console(Language::English, Some(Still::new()));
    touch(&mut harness, "Models");
    touch(&mut harness, "Install a model");
    let row = harness.query_all_by_label_contains("chen/SIGHTLINE").next();
    row.expect("the bundle on the stick").click();
    harness.run_steps(4);
    touch(&mut harness, "Yes, do it");
    let install = |h: &Driven| {
        let mut asked = asked(h).into_iter();
        asked.rfind(|a| matches!(a, Ask::InstallModel { .. }))
    };
    assert_eq!(install(&harness), None, "no reason yet");
    touch(&mut harness, "Released version");
    touch(&mut harness, "Yes, do it");
    let expected = Ask::InstallModel {
        stick: Some("chen/SIGHTLINE".into()),
        file: "pcb-detector-0.3.0.tar.zst".into(),
        reason: "Released version".into(),
    };
    assert_eq!(install(&harness), Some(expected));
}

/// Looks at everything that can be touched now; says how much there is.
fn large_enough(harness: &Driven, what: &str) -> usize {
    let [least, least_to_act] = [15.0, 20.0].map(|mm| mm * 3.8);
    let mut seen = 0;
    for button in harness.query_all_by_role(Kind::Button) {
        let size = button.rect().size();
        let label = button.accesskit_node().label().unwrap_or_default();
        let acts = ["Start", "Stop", "Acknowledge", "Yes, do it"].contains(&label.as_str());
        let least = if acts { least_to_act } else { least };
        seen += 1;
        assert!(
            size.x >= least && size.y >= least,
            "{what}: {label} is {size:?}"
        );
    }
    seen
}

#[test]
fn whatever_is_touched_is_15_mm_large_and_20_where_it_acts_on_the_line() {
    let mut station = Still::new();
    station.session.role = Role::Administrator;
    let mut harness = console(Language::English, Some(station));
    let mut seen = 0;
    for screen in Screen::ALL {
        let console = harness.state_mut().as_mut().expect("it runs");
        console.view.screen = screen;
        harness.run_steps(4);
        seen += large_enough(&harness, &screen.name());
    }
    assert!(seen > 200, "{seen}");
    for (screen, opens, closes) in [
        ("Line", "Stop", "Cancel"),
        ("Models", "Install a model", "Cancel"),
        ("Users, display", "New user", "Cancel"),
        ("Rejects", "Time: all", "Cancel"),
        ("Rejects", "It is good", "Cancel"),
    ] {
        touch(&mut harness, screen);
        touch(&mut harness, opens);
        large_enough(&harness, opens);
        touch(&mut harness, closes);
    }
}
