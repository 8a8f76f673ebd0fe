//! The bytes of the messages. They change only together with `VERSION`: an old console must never misread a new station.

use sightline_domain::{AlarmSeverity, Severity, UtcMicros};
use sightline_wire::snapshot::{AlarmCard, AlarmState, LineFacts, LineState};
use sightline_wire::*;

fn hex(message: &impl serde::Serialize) -> String {
    let bytes = framing::encode(message).unwrap();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn version_5_looks_like_this() {
    assert_eq!(VERSION, 5, "a new version: write its bytes here anew");
    assert_eq!(hex(&ToStation::hello("c")), "00534c4357050163");
    let shelve = Ask::Shelve {
        alarm: "a".into(),
        minutes: 300,
        reason: "r".into(),
    };
    assert_eq!(
        hex(&ToStation::Ask { id: 5, ask: shelve }),
        "0205040161ac020172"
    );
    let picture = Ask::Picture { seq: 9, view: 1 };
    assert_eq!(
        hex(&ToStation::Ask {
            id: 1,
            ask: picture
        }),
        "02010f0901"
    );
    let line = LineFacts {
        state: LineState::Held,
        ok: 200,
        per_minute: 1.5,
        reject_streak: 3,
        engines: (2, 2),
        ..LineFacts::default()
    };
    assert_eq!(
        hex(&ToConsole::Section(Section::Line(line))),
        "020101".to_owned() + "0000c80100000000" + "0000c03f" + "03000202"
    );
    let alarm = AlarmCard {
        id: "a".into(),
        severity: AlarmSeverity::Urgent,
        state: AlarmState::Shelved {
            until: UtcMicros(1),
        },
        active: true,
        since: UtcMicros(2),
        message: String::new(),
        by: None,
    };
    assert_eq!(
        hex(&ToConsole::Section(Section::Alarms(vec![alarm]))),
        "02040101610203020104".to_owned() + "0000"
    );
    assert_eq!(hex(&Severity::Critical), "02");
    let refused = Answer::Refused(Refusal::Locked { wait_s: 30 });
    assert_eq!(
        hex(&ToConsole::Answer {
            id: 1,
            answer: refused
        }),
        "0401".to_owned() + "01021e"
    );
}
