//! The station's state as consoles see it, in sections that change on their own.

mod alarm;
mod line;
mod model;
mod part;
mod recipe;
mod station;
mod timing;
mod uplink;

pub use alarm::*;
pub use line::*;
pub use model::*;
pub use part::*;
pub use recipe::*;
pub use station::*;
pub use timing::*;
pub use uplink::*;

use serde::{Deserialize, Serialize};
use sightline_domain::UtcMicros;

macro_rules! sections {
    ($($(#[$doc:meta])* $field:ident: $name:ident($inner:ty),)*) => {
        /// One part of the state.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub enum Section { $($(#[$doc])* $name($inner),)* }

        /// Everything a console knows.
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct Snapshot { $($(#[$doc])* pub $field: $inner,)* }

        /// Sections there are.
        pub(crate) const SECTIONS: usize = [$(stringify!($name)),*].len();

        impl Section {
            /// Which one, from 0.
            pub(crate) fn index(&self) -> usize {
                let mut index = 0;
                $(if matches!(self, Self::$name(_)) { return index; } index += 1;)*
                index
            }
        }

        impl Snapshot {
            /// Takes a section in.
            pub fn apply(&mut self, section: Section) {
                match section { $(Section::$name(new) => self.$field = new,)* }
            }
        }
    };
}

sections! {
    /// Who the station is.
    station: Station(StationFacts),
    /// Counts and rates of the line.
    line: Line(LineFacts),
    /// The cameras, by number.
    cameras: Cameras(Vec<CameraFacts>),
    /// The last parts, newest first.
    parts: Parts(Vec<PartCard>),
    /// Alarms that are active, shelved, or not yet acknowledged; most urgent first.
    alarms: Alarms(Vec<AlarmCard>),
    /// The recipe that inspects and those that could.
    recipes: Recipes(RecipeFacts),
    /// The models that look and those that are installed.
    models: Models(ModelFacts),
    /// The installation that goes on, or the last one.
    install: Install(Option<InstallFacts>),
    /// Times of parts, queues, gate.
    timing: Timing(TimingFacts),
    /// The way to the MES.
    uplink: Uplink(Option<UplinkFacts>),
    /// The box.
    system: System(SystemFacts),
    /// The station's heart beat.
    pulse: Pulse(Pulse),
}

/// Comes several times a second; when it stays away, what a console shows is old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pulse {
    /// The station's wall clock.
    pub at: UtcMicros,
    /// Seconds since the station started.
    pub uptime_s: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_goes_where_it_belongs() {
        let mut snapshot = Snapshot::default();
        let line = LineFacts {
            ok: 7,
            ..LineFacts::default()
        };
        snapshot.apply(Section::Line(line.clone()));
        assert_eq!(snapshot.line, line);
        assert_eq!(Section::Pulse(Pulse::default()).index(), SECTIONS - 1);
    }
}
