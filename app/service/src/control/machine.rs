//! The station's states as OPC 40100-1 names them (OPC UA for Machine Vision, part 1: VisionStateMachine and
//! AutomaticModeStateMachine): what may happen in which, and where it leads. Pure.

use std::fmt;

/// Where the station is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Starting: cameras, engines and recipe are being brought together.
    Preoperational,
    /// Ended on purpose.
    Halted,
    /// An alarm that holds the line stands. Parts go on being inspected or rejected; nothing new is begun.
    Error,
    /// Cameras and engines are there, no recipe yet.
    Initialized,
    /// A recipe is there, no parts are taken.
    Ready,
    /// One part is taken, then it is Ready again.
    SingleExecution,
    /// Parts are taken until somebody says stop.
    ContinuousExecution,
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Cameras and engines are there.
    Configured,
    /// A recipe took over.
    RecipePrepared,
    /// Another model of the same recipe took over, between parts.
    ModelChanged,
    /// One part is to be inspected.
    StartSingle,
    /// Parts are taken until a stop.
    StartContinuous,
    /// No more parts are taken.
    Stop,
    /// The one part of a single execution has its result.
    PartDone,
    /// An alarm that holds the line.
    Fault,
    /// No such alarm any more.
    Recovered,
    /// The station ends.
    Halt,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What the state does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a state that allows {event:?}, found {state}; {}", advice(*.state, *.event))]
pub struct NotNow {
    pub state: State,
    pub event: Event,
}

fn advice(state: State, event: Event) -> &'static str {
    use State::{ContinuousExecution, Error, Halted, Preoperational, SingleExecution};
    match (state, event) {
        (ContinuousExecution | SingleExecution, Event::RecipePrepared) => {
            "send stop, then prepare_recipe, then start"
        }
        (ContinuousExecution | SingleExecution, _) => "send stop first",
        (Error, _) => {
            "see to the alarm that holds the line (its `effect` is `hold`); the station recovers when it is over"
        }
        (Preoperational, _) => "wait until the station is Ready",
        (Halted, _) => "start the program again",
        _ => "send prepare_recipe or start first",
    }
}

/// The state, and where an error leads back to.
#[derive(Clone, Copy, Debug)]
pub struct Machine {
    state: State,
    before_error: State,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            state: State::Preoperational,
            before_error: State::Preoperational,
        }
    }
}

impl Machine {
    /// Where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// True while parts are taken, also when such an alarm came meanwhile: a part is never left alone.
    pub fn takes_parts(&self) -> Option<State> {
        let state = match self.state {
            State::Error => self.before_error,
            state => state,
        };
        matches!(state, State::SingleExecution | State::ContinuousExecution).then_some(state)
    }

    /// Where `event` would lead.
    pub fn after(&self, event: Event) -> Result<Self, NotNow> {
        use Event as E;
        use State as S;
        let to = |state| {
            Ok(Self {
                state,
                before_error: self.before_error,
            })
        };
        match (self.state, event) {
            (S::Halted, _) => Err(NotNow {
                state: S::Halted,
                event,
            }),
            (_, E::Halt) => to(S::Halted),
            (S::Error, E::Fault) => Ok(*self),
            (before_error, E::Fault) => Ok(Self {
                state: S::Error,
                before_error,
            }),
            (S::Error, E::Recovered) => to(self.before_error),
            // To stop is always allowed: an error must not keep a line running.
            (S::Error, E::Stop | E::PartDone) => Ok(match self.takes_parts() {
                Some(_) => Self {
                    state: S::Error,
                    before_error: S::Ready,
                },
                None => *self,
            }),
            // A model that works may be what ends it.
            (S::Error, E::ModelChanged)
                if !matches!(self.before_error, S::Preoperational | S::Initialized) =>
            {
                Ok(*self)
            }
            (S::Preoperational, E::Configured) => to(S::Initialized),
            (S::Initialized | S::Ready, E::RecipePrepared) => to(S::Ready),
            (S::Ready, E::StartSingle) => to(S::SingleExecution),
            (S::Ready, E::StartContinuous) => to(S::ContinuousExecution),
            (S::SingleExecution | S::ContinuousExecution, E::Stop) => to(S::Ready),
            (S::SingleExecution, E::PartDone) => to(S::Ready),
            (S::Ready | S::SingleExecution | S::ContinuousExecution, E::ModelChanged) => Ok(*self),
            (state, event) => Err(NotNow { state, event }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Event as E;
    use State as S;

    const EVENTS: [Event; 10] = [
        E::Configured,
        E::RecipePrepared,
        E::ModelChanged,
        E::StartSingle,
        E::StartContinuous,
        E::Stop,
        E::PartDone,
        E::Fault,
        E::Recovered,
        E::Halt,
    ];

    #[test]
    fn every_state_and_event_is_as_the_table_says() {
        // P I R S C E H: Preoperational Initialized Ready Single Continuous Error Halted; -: not allowed.
        let table = [
            (S::Preoperational, "I - - - - - - E - H"),
            (S::Initialized, "- R - - - - - E - H"),
            (S::Ready, "- R R S C - - E - H"),
            (S::SingleExecution, "- - S - - R R E - H"),
            (S::ContinuousExecution, "- - C - - R - E - H"),
            (S::Halted, "- - - - - - - - - -"),
        ];
        for (state, row) in table {
            let machine = Machine {
                state,
                ..Machine::default()
            };
            for (event, expected) in EVENTS.into_iter().zip(row.split(' ')) {
                let found = machine.after(event).map(|m| letter(m.state));
                let found = found.as_deref().unwrap_or("-");
                assert_eq!(found, expected, "{state} {event:?}");
            }
        }
    }

    fn letter(state: State) -> String {
        state.to_string()[..1].to_string()
    }

    #[test]
    fn an_error_leads_back_to_where_it_came_from_and_can_be_stopped_in() {
        for before in [S::Ready, S::SingleExecution, S::ContinuousExecution] {
            let machine = Machine {
                state: before,
                ..Machine::default()
            };
            let error = machine.after(E::Fault).unwrap();
            assert_eq!(error.state(), S::Error);
            assert_eq!(error.after(E::Fault).unwrap().before_error, before);
            assert_eq!(error.after(E::Recovered).unwrap().state(), before);
            let stopped = error.after(E::Stop).unwrap();
            assert_eq!((stopped.state(), stopped.takes_parts()), (S::Error, None));
            assert_eq!(stopped.after(E::Recovered).unwrap().state(), S::Ready);
            for event in [E::RecipePrepared, E::StartContinuous] {
                let refused = error.after(event).unwrap_err();
                assert!(refused.to_string().contains("`hold`"), "{refused}");
            }
            let changed = error.after(E::ModelChanged).unwrap();
            assert_eq!(changed.after(E::Recovered).unwrap().state(), before);
        }
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let machine = Machine {
            state: S::ContinuousExecution,
            ..Machine::default()
        };
        let refused = machine.after(E::RecipePrepared).unwrap_err().to_string();
        assert!(
            refused.contains("send stop, then prepare_recipe"),
            "{refused}"
        );
    }
}
