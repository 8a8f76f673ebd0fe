//! What a connection listens to: asked for when it stands, and again, slowly, where the broker said no.

use super::{Session, What};
use crate::conditions::Face;
use crate::mqtt::{Kind, Refusal};
use tokio::time::Instant;

/// `alarm/+`, `gap/+`: what an earlier run left behind there is emptied.
pub(super) const FILTERS: [&str; 3] = ["cmd", "alarm", "gap"];

/// How far a subscription is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Subscription {
    #[default]
    Wanted,
    Asked,
    Stands,
}

/// As refusals know it.
pub(super) fn group(name: &str) -> String {
    format!("subscribe {name}")
}

impl Session<'_> {
    pub(super) fn send_subscriptions(&mut self) {
        for (n, name) in FILTERS.into_iter().enumerate() {
            if self.subscriptions[n] != Subscription::Wanted {
                continue;
            }
            let filter = self.link.topic(&format!("{name}/+"));
            if !self.may_send(&group(name), &filter) {
                continue;
            }
            match self.connection.subscribe(filter.clone()) {
                Ok(standing) => {
                    self.past.suspicion.sent(&group(name), &filter);
                    self.subscriptions[n] = Subscription::Asked;
                    let done = async move {
                        let stands = standing.await;
                        let taken = stands.map(|()| crate::mqtt::Taken::ForSomebody);
                        (What::Subscription(n), taken)
                    };
                    self.follow((group(name), filter), done);
                }
                Err(Refusal::Said { kind, reason }) => {
                    self.not_subscribed(name, kind, &reason);
                }
                Err(Refusal::Busy | Refusal::Gone) => self.past.refusals.not_sent(&group(name)),
            }
        }
    }

    /// The broker has answered.
    pub(super) fn subscribed(&mut self, n: usize, answer: Result<(), (Kind, String)>) {
        let name = FILTERS[n];
        self.past.suspicion.answered(&group(name));
        match answer {
            Ok(()) => {
                self.subscriptions[n] = Subscription::Stands;
                let filter = self.link.topic(&format!("{name}/+"));
                self.past.refusals.taken(&group(name), &filter);
                let mut state = self.shared.state();
                state.conditions.subscription(Face::Mqtt, name, None);
            }
            Err((kind, reason)) => {
                self.subscriptions[n] = Subscription::Wanted;
                self.not_subscribed(name, kind, &reason);
            }
        }
    }

    pub(super) fn not_subscribed(&mut self, name: &str, _kind: Kind, reason: &str) {
        let filter = self.link.topic(&format!("{name}/+"));
        let refusals = &mut self.past.refusals;
        refusals.refused(&group(name), &filter, Instant::now());
        let refused = Some((filter.as_str(), reason, self.link.who.as_str()));
        let mut state = self.shared.state();
        state.conditions.subscription(Face::Mqtt, name, refused);
        tracing::warn!(filter, reason, "the broker refused a subscription");
    }
}
