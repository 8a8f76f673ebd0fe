//! Topics that the broker refuses: remembered across connections, so that one missing right costs its own topic only.
//!
//! Some brokers end the connection over a refused message. So a group of topics that was refused is left out, and tried
//! again slowly, one group at a time. Groups are few: each of the station's own topics (all alarms together), and the
//! response topics below one parent. An answer whose response topic has been taken before goes on; where many parents are
//! refused, others are tried slowly, too.

use crate::settings::Patience;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How the groups of topics outside the station's root are called, together.
pub(crate) const ANSWERS: &str = "answers";
/// Response topics that are known to be allowed.
const PROVEN: usize = 256;
/// Characters of a response topic's parent that tell groups apart.
const PARENT: usize = 200;
/// With so many parents refused, somebody asks for answers everywhere.
const MANY: usize = 8;
/// Groups that are remembered.
const GROUPS: usize = 64;
/// What was refused longer ago than this says nothing about the next attempt.
const FORGET: Duration = Duration::from_secs(600);

/// The group that `topic` belongs to: its rights are given together.
pub(crate) fn group(root: &str, topic: &str) -> String {
    let own = topic
        .strip_prefix(root)
        .and_then(|rest| rest.strip_prefix('/'));
    match own {
        Some(suffix) if suffix.starts_with("alarm/") => "alarm".into(),
        Some(suffix) if suffix.starts_with("gap/") => "gap".into(),
        Some(suffix) if !suffix.starts_with("answer/") => suffix.into(),
        _ => {
            let (parent, _) = topic.rsplit_once('/').unwrap_or((topic, ""));
            let parent: String = parent.chars().take(PARENT).collect();
            format!("{ANSWERS} {parent}")
        }
    }
}

/// Whether it is a group of response topics.
pub(crate) fn is_answer(group: &str) -> bool {
    group
        .strip_prefix(ANSWERS)
        .is_some_and(|rest| rest.starts_with(' '))
}

#[derive(Debug)]
struct Refused {
    /// It is left out until it has been taken again.
    stands: bool,
    times: u32,
    last: Instant,
    /// The next attempt.
    due: Instant,
    /// An attempt is on its way.
    trying: bool,
}

/// What the broker refused.
#[derive(Debug)]
pub(crate) struct Refusals {
    groups: BTreeMap<String, Refused>,
    proven: VecDeque<String>,
    first: Duration,
    longest: Duration,
    /// No group is tried again before.
    next_attempt: Option<Instant>,
}

impl Refusals {
    pub(crate) fn new(patience: &Patience) -> Self {
        Self {
            groups: BTreeMap::new(),
            proven: VecDeque::new(),
            first: patience.hold_first,
            longest: patience.hold_longest,
            next_attempt: None,
        }
    }

    /// Whether `topic` of `group` may be sent now. A group that stands refused may when its time has come, once.
    pub(crate) fn may(&mut self, group: &str, topic: &str, now: Instant) -> bool {
        if self.proven.iter().any(|known| known == topic) {
            return true;
        }
        let many = is_answer(group) && self.answers_refused() >= MANY;
        let Some(refused) = self.groups.get_mut(group).filter(|r| r.stands) else {
            if many && self.next_attempt.is_some_and(|at| now < at) {
                return false;
            }
            if many {
                self.next_attempt = Some(now + self.longest / 4);
            }
            return true;
        };
        let early = self.next_attempt.is_some_and(|at| now < at);
        if refused.trying || early || now < refused.due {
            return false;
        }
        refused.trying = true;
        self.next_attempt = Some(now + self.first);
        true
    }

    /// The broker said no.
    pub(crate) fn refused(&mut self, group: &str, topic: &str, now: Instant) {
        self.proven.retain(|known| known != topic);
        self.make_room(group);
        let refused = self.groups.entry(group.into()).or_insert(Refused {
            stands: true,
            times: 0,
            last: now,
            due: now,
            trying: false,
        });
        if now.duration_since(refused.last) > FORGET {
            refused.times = 0;
        }
        let wait = self.first.saturating_mul(1 << refused.times.min(16));
        refused.due = now + wait.min(self.longest);
        refused.times += 1;
        (refused.stands, refused.trying, refused.last) = (true, false, now);
        let soonest = now + self.first;
        self.next_attempt = Some(self.next_attempt.map_or(soonest, |at| at.max(soonest)));
    }

    /// The broker took a message. True: the group had been refused, and is no longer.
    pub(crate) fn taken(&mut self, group: &str, topic: &str) -> bool {
        let was_known = self.proven.iter().any(|known| known == topic);
        let answer = is_answer(group);
        if answer && !was_known {
            if self.proven.len() >= PROVEN {
                self.proven.pop_front();
            }
            self.proven.push_back(topic.into());
        }
        let Some(refused) = self.groups.get_mut(group).filter(|r| r.stands) else {
            return false;
        };
        if was_known {
            return false;
        }
        (refused.stands, refused.trying) = (false, false);
        self.next_attempt = None;
        if !answer {
            self.groups.remove(group);
        }
        true
    }

    /// Parents of response topics that stand refused.
    pub(crate) fn answers_refused(&self) -> usize {
        let stand = |(group, r): &(&String, &Refused)| r.stands && is_answer(group);
        self.groups.iter().filter(stand).count()
    }

    /// The group that was refused least lately goes.
    fn make_room(&mut self, group: &str) {
        if self.groups.len() < GROUPS || self.groups.contains_key(group) {
            return;
        }
        let answers = self.groups.iter().filter(|(name, _)| is_answer(name));
        let oldest = answers
            .min_by_key(|(_, r)| r.last)
            .map(|(name, _)| name.clone());
        if let Some(oldest) = oldest {
            self.groups.remove(&oldest);
        }
    }

    /// The connection is gone, and every attempt with it.
    pub(crate) fn disconnected(&mut self) {
        self.groups.values_mut().for_each(|r| r.trying = false);
    }

    /// An attempt of `group` did not even leave.
    pub(crate) fn not_sent(&mut self, group: &str) {
        if let Some(refused) = self.groups.get_mut(group) {
            refused.trying = false;
        }
    }

    /// When a refused group is to be tried next.
    pub(crate) fn due(&self) -> Option<Instant> {
        let standing = self.groups.values().filter(|r| r.stands && !r.trying);
        let due = standing.map(|r| r.due).min()?;
        Some(self.next_attempt.map_or(due, |at| due.max(at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn groups_are_the_stations_own_topics_and_all_answers() {
        for (topic, expected) in [
            ("a/s1/result", "result"),
            ("a/s1/model/active", "model/active"),
            ("a/s1/alarm/camera.cam1.down", "alarm"),
            ("a/s1/answer/7", "answers a/s1/answer"),
            ("a/s10/result", "answers a/s10"),
            ("mes/answers/1", "answers mes/answers"),
            ("answer", "answers answer"),
        ] {
            assert_eq!(group("a/s1", topic), expected, "{topic}");
        }
    }

    #[tokio::test]
    async fn a_refused_group_is_left_out_and_tried_again_ever_more_slowly() {
        let mut refusals = Refusals::new(&Patience::default());
        let mut now = Instant::now();
        assert!(refusals.may("state", "s1/state", now));
        for wait in [1, 2, 4, 8, 16, 32, 60, 60] {
            refusals.refused("state", "s1/state", now);
            assert!(refusals.may("audit", "s1/audit", now), "the others go on");
            let due = now + wait * SECOND;
            assert_eq!(refusals.due(), Some(due));
            assert!(!refusals.may("state", "s1/state", due - SECOND / 100));
            assert!(refusals.may("state", "s1/state", due));
            assert!(!refusals.may("state", "s1/state", due), "once");
            now = due;
        }
        assert!(refusals.taken("state", "s1/state"));
        assert!(!refusals.taken("state", "s1/state"), "told once");
        assert!(refusals.may("state", "s1/state", now));
    }

    #[tokio::test]
    async fn one_group_is_tried_at_a_time() {
        let mut refusals = Refusals::new(&Patience::default());
        let now = Instant::now();
        refusals.refused("state", "s1/state", now);
        refusals.refused("audit", "s1/audit", now);
        let due = now + SECOND;
        assert!(refusals.may("state", "s1/state", due));
        assert!(!refusals.may("audit", "s1/audit", due));
        assert!(refusals.may("audit", "s1/audit", due + SECOND));
        refusals.disconnected();
        assert!(refusals.may("state", "s1/state", due + 2 * SECOND));
    }

    #[tokio::test]
    async fn an_answer_that_was_taken_before_goes_on_and_a_flood_of_others_is_slow() {
        let mut refusals = Refusals::new(&Patience::default());
        let mut now = Instant::now();
        let send = |refusals: &mut Refusals, topic: &str, now| {
            let group = group("s1", topic);
            let may = refusals.may(&group, topic, now);
            if may {
                refusals.refused(&group, topic, now);
            }
            may
        };
        let good = group("s1", "mes/1");
        refusals.taken(&good, "mes/1");
        // Below one parent, then each below its own.
        for (topics, most) in [("nowhere/", 20), ("nowhere/x", 60)] {
            let mut sent = 0;
            for n in 0..600 {
                let topic = match topics {
                    "nowhere/" => format!("nowhere/{n}"),
                    _ => format!("nowhere/x{n}/1"),
                };
                sent += usize::from(send(&mut refusals, &topic, now));
                assert!(refusals.may(&good, "mes/1", now));
                assert!(!refusals.taken(&good, "mes/1"));
                now += SECOND;
            }
            assert!(sent < most, "{topics}: {sent}");
        }
        assert!(refusals.groups.len() <= GROUPS && refusals.proven.len() == 1);
    }

    #[tokio::test]
    async fn one_client_with_a_wrong_response_topic_does_not_hold_the_others() {
        let mut refusals = Refusals::new(&Patience::default());
        let now = Instant::now();
        let wrong = group("s1", "elsewhere/1");
        refusals.refused(&wrong, "elsewhere/1", now);
        assert!(!refusals.may(&wrong, "elsewhere/2", now));
        assert!(refusals.may(&group("s1", "mes/1"), "mes/1", now));
        assert_eq!(refusals.answers_refused(), 1);
        assert!(refusals.taken(&wrong, "elsewhere/1"));
        assert_eq!(refusals.answers_refused(), 0);
    }
}
