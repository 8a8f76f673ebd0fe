//! What people do at a console, on the running simulated line: each act is looked for in the station and in the audit trail.
//! Where to start: `plant.rs`, then `person.rs`, where the acts are touches on the screen.

mod alarms;
mod certificates;
mod changes;
mod install;
mod person;
mod plant;
mod rejects;
mod users;
