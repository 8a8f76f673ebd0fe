//! A station in the middle of a shift, with something wrong on every screen, for pictures that are compared.

mod house;
mod parts;
mod past;

pub use house::{bundles, snapshot};
pub use parts::preview;

use parts::{quality, rejects};
use past::{audit, history};
use sightline_console::view::Station;
use sightline_domain::UtcMicros;
use sightline_wire::*;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

/// 2026-03-02 10:15:00 UTC.
pub const NOW: UtcMicros = UtcMicros(1_772_446_500_000_000);

/// Answers at once.
pub struct Still {
    pub snapshot: Snapshot,
    pub session: Session,
    pub age: Duration,
    pub link: Link,
    pub asked: RefCell<Vec<Ask>>,
    pub wishes: RefCell<Vec<PreviewRequest>>,
    answers: RefCell<Vec<(u64, Reply)>>,
}

impl Still {
    pub fn new() -> Self {
        Self {
            snapshot: snapshot(),
            session: Session {
                user: Some("Chen".into()),
                role: Role::Engineer,
            },
            age: Duration::from_millis(80),
            link: Link::Up,
            asked: RefCell::default(),
            wishes: RefCell::default(),
            answers: RefCell::default(),
        }
    }

    fn reply(&self, ask: &Ask) -> Reply {
        match ask {
            Ask::Rejects(_) => Answer::Parts(rejects()).into(),
            Ask::Picture { view, .. } => {
                let preview = preview(*view, 320, true);
                Reply {
                    answer: Answer::Picture(preview.head),
                    pixels: preview.bytes,
                }
            }
            Ask::Quality { .. } => Answer::Quality(Box::new(quality())).into(),
            Ask::Audit { .. } => Answer::Audit(audit()).into(),
            Ask::AlarmHistory { .. } => Answer::AlarmHistory(history()).into(),
            Ask::Bundles => Answer::Bundles(bundles()).into(),
            Ask::CompareRecipe { .. } => {
                let line = |sign, text: &str| (sign, text.to_owned());
                Answer::Difference(vec![
                    line('-', "version = \"3\""),
                    line('+', "version = \"4\""),
                    line('-', "deadline_ms = 800"),
                    line('+', "deadline_ms = 600"),
                ])
                .into()
            }
            _ => Answer::Done.into(),
        }
    }
}

impl Station for Still {
    fn link(&self) -> Link {
        self.link.clone()
    }
    fn look(&self) -> (Snapshot, Session, Option<Duration>) {
        (self.snapshot.clone(), self.session.clone(), Some(self.age))
    }
    fn take_previews(&self) -> BTreeMap<u16, Preview> {
        let wishes = self.wishes.borrow();
        let one = |w: &PreviewRequest| {
            (
                w.camera,
                preview(w.camera, w.width.min(w.height), w.camera == 2),
            )
        };
        wishes.iter().map(one).collect()
    }
    fn take_answers(&self) -> Vec<(u64, Reply)> {
        self.answers.take()
    }
    fn watch(&self, wishes: Vec<PreviewRequest>) {
        *self.wishes.borrow_mut() = wishes;
    }
    fn ask(&self, ask: Ask) -> Option<u64> {
        let mut asked = self.asked.borrow_mut();
        let id = asked.len() as u64;
        self.answers.borrow_mut().push((id, self.reply(&ask)));
        asked.push(ask);
        Some(id)
    }
}
