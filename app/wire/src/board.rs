//! The board that the station writes on and every console's thread reads from.

use crate::framing;
use crate::message::ToConsole;
use crate::snapshot::{SECTIONS, Section};
use std::sync::{Arc, Mutex, PoisonError};

/// The newest of each section, encoded once for all consoles.
#[derive(Default)]
pub struct Board {
    sections: Mutex<[Option<Posted>; SECTIONS]>,
}

#[derive(Clone)]
struct Posted {
    version: u64,
    frame: Arc<[u8]>,
}

/// What a console was sent.
pub(crate) type Sent = [u64; SECTIONS];

impl Board {
    /// Puts a section up; one that says the same as before is not sent again.
    pub fn post(&self, section: Section) {
        let index = section.index();
        let Ok(frame) = framing::encode(&ToConsole::Section(section)) else {
            return;
        };
        let mut sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        let posted = &mut sections[index];
        match posted {
            Some(before) if *before.frame == *frame => {}
            Some(before) => {
                before.version += 1;
                before.frame = frame.into();
            }
            None => {
                *posted = Some(Posted {
                    version: 1,
                    frame: frame.into(),
                })
            }
        }
    }

    /// What is up, section by section.
    pub fn sections(&self) -> Vec<Section> {
        let sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        let read = |posted: &Posted| match postcard::from_bytes(&posted.frame) {
            Ok(ToConsole::Section(section)) => Some(section),
            _ => None,
        };
        sections.iter().flatten().filter_map(read).collect()
    }

    /// What changed since `sent`, which is brought up to date.
    pub(crate) fn changes(&self, sent: &mut Sent, into: &mut Vec<Arc<[u8]>>) {
        into.clear();
        let sections = self.sections.lock().unwrap_or_else(PoisonError::into_inner);
        for (posted, sent) in sections.iter().zip(sent) {
            if let Some(posted) = posted
                && posted.version > *sent
            {
                *sent = posted.version;
                into.push(posted.frame.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{LineFacts, Pulse};

    #[test]
    fn only_what_changed_is_sent_and_only_its_newest() {
        let (board, mut sent, mut out) = (Board::default(), Sent::default(), Vec::new());
        let line = |ok| {
            Section::Line(LineFacts {
                ok,
                ..LineFacts::default()
            })
        };
        board.post(line(1));
        board.post(Section::Pulse(Pulse::default()));
        board.changes(&mut sent, &mut out);
        assert_eq!(out.len(), 2);
        board.post(line(1));
        board.changes(&mut sent, &mut out);
        assert!(out.is_empty());
        (2..9).for_each(|ok| board.post(line(ok)));
        board.changes(&mut sent, &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(board.sections()[0], line(8));
    }
}
