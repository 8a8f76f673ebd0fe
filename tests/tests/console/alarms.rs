//! Alarms after ISA-18.2; stop and start.

use crate::plant::*;
use sightline_wire::ask::AlarmHappening;
use sightline_wire::snapshot::{AlarmState, LineState};
use sightline_wire::{Answer, Ask, Refusal, Snapshot};

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
