//! The station's side of its consoles: what they see, and what people at them may do.
//!
//! What lives here: small pictures for people ([`previews`]), the last parts ([`parts`]), their pictures on disk ([`gallery`]), what happened before, from the
//! journal ([`past`]), who may log in ([`users`]), one console's questions and commands ([`guest`]), the state put up for
//! all ([`facts`]), what is written for others ([`dataset`], [`support`]). Nothing here is on the way of a frame but [`PreviewTap`], which copies a small picture and waits for nothing.
//! Where to start: [`Begun`], then `house.rs`.

mod alarms;
mod dataset;
mod difference;
mod facts;
mod gallery;
mod guest;
mod house;
mod incoming;
mod installed;
mod machine;
mod parts;
mod past;
mod previews;
mod shrink;
mod support;
pub mod users;

pub use house::{Deeds, House, Means};

use crate::station::running::Running;
use anyhow::Context;
use house::Reception;
use previews::PreviewTap;
use sightline_configs::{Loaded, Station};
use sightline_domain::Clock;
use sightline_flow::FlowCounters;
use sightline_frames::TapSink;
use sightline_wire::{Server, ServerSettings};
use std::sync::Arc;
use std::time::Duration;

/// Listens for consoles as long as it lives.
pub struct Console {
    server: Server,
    facts: facts::Facts,
}

/// What is there before the flow is: results and frames go through it.
pub struct Begun {
    house: Arc<House>,
    server: Option<Server>,
}

impl Begun {
    /// If the configuration wants consoles.
    pub fn new(
        station: &Loaded<Station>,
        clock: &Arc<dyn Clock>,
        means: &Means,
    ) -> anyhow::Result<Option<Self>> {
        let Some(config) = &station.value.console else {
            return Ok(None);
        };
        let house = House::new(station, config, clock.clone(), means.clone())?;
        Ok(Some(Self {
            house: Arc::new(house),
            server: None,
        }))
    }

    /// Who is told of results.
    pub fn house(&self) -> Arc<House> {
        self.house.clone()
    }

    /// Stands before `next` and keeps small pictures of what passes.
    pub fn before(&self, next: Arc<dyn TapSink>) -> Arc<dyn TapSink> {
        Arc::new(PreviewTap::new(self.house.previews().clone(), next))
    }

    /// Consoles may come, and hear that the station starts.
    pub fn listen(&mut self, station: &Loaded<Station>) -> anyhow::Result<()> {
        let house = self.house.clone();
        let board = house.board.clone();
        let config = station.value.console.clone().unwrap_or_default();
        let settings = ServerSettings {
            mode: config.mode(),
            consoles: config.consoles,
            period: Duration::from_secs_f64(1.0 / config.previews_per_s),
            ..ServerSettings::at(station.base.join(&config.socket))
        };
        self.server = Some(Server::start(settings, board, Arc::new(Reception(house)))?);
        Ok(())
    }

    /// The station runs: consoles may act.
    pub fn open(mut self, station: &Loaded<Station>, deeds: Deeds) -> anyhow::Result<Console> {
        self.house.begin(deeds);
        if self.server.is_none() {
            self.listen(station)?;
        }
        let server = self.server.context("nobody listens for consoles")?;
        let facts = facts::Facts::new(station, self.house);
        Ok(Console { server, facts })
    }
}

impl Console {
    /// Puts up how the station stands. To be called a few times a second.
    pub fn look(&self, running: &Running, counters: &FlowCounters) {
        let consoles = self.server.consoles();
        self.facts.post(running, counters, consoles);
    }

    /// Somebody is there to act.
    pub fn is_attended(&self) -> bool {
        self.server.consoles() > 0
    }
}
