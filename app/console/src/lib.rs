//! The station's side of its consoles: what they see, and what people at them may do.
//!
//! What lives here: small pictures for people ([`previews`]), the last parts ([`recent_parts`]), the pictures of rejected
//! ones on disk ([`reject_pictures`]), what happened before, from the journal ([`history`]), who may log in ([`users`]), one
//! console's questions and commands ([`session`]), the state put up for all ([`snapshot`]), what is written for others
//! ([`dataset`], [`support_file`]). The station itself is known by one trait ([`Station`]) and one record of readings
//! ([`Readings`]), so that all of this is tested without one. Nothing here is on the way of a frame but
//! [`previews::PreviewTap`], which copies a small picture and waits for nothing. Where to start: [`ConsoleSetup`], then
//! `context.rs`.

mod alarms;
mod context;
mod dataset;
mod history;
mod host;
mod host_status;
mod inbox;
mod installed;
mod previews;
mod recent_parts;
mod recipe_diff;
mod reject_pictures;
mod session;
mod snapshot;
mod station;
mod support_file;
mod thumbnail;
pub mod users;

pub use context::ConsoleContext;
pub use station::{ActiveSet, CameraReading, Order, Readings, Station, UplinkReading};

use anyhow::Context;
use host::ConsoleHost;
use previews::PreviewTap;
use sightline_configs::Loaded;
use sightline_configs::Station as Configuration;
use sightline_domain::Clock;
use sightline_frames::TapSink;
use sightline_journal::Journal;
use sightline_wire::{Server, ServerSettings};
use std::sync::Arc;
use std::time::Duration;

/// Listens for consoles as long as it lives.
pub struct Console {
    server: Server,
    snapshots: snapshot::Snapshots,
}

/// What is there before the flow is: results and frames go through it.
pub struct ConsoleSetup {
    context: Arc<ConsoleContext>,
    server: Option<Server>,
}

impl ConsoleSetup {
    /// If the configuration wants consoles.
    ///
    /// # Errors
    /// Users or the folder of pictures cannot be read.
    pub fn new(
        station: &Loaded<Configuration>,
        clock: &Arc<dyn Clock>,
        handle: Arc<dyn Station>,
        journal: Option<Journal>,
    ) -> anyhow::Result<Option<Self>> {
        let Some(config) = &station.value.console else {
            return Ok(None);
        };
        let context = ConsoleContext::new(station, config, clock.clone(), handle, journal)?;
        Ok(Some(Self {
            context: Arc::new(context),
            server: None,
        }))
    }

    /// Who is told of results.
    pub fn context(&self) -> Arc<ConsoleContext> {
        self.context.clone()
    }

    /// Stands before `next` and keeps small pictures of what passes.
    pub fn before(&self, next: Arc<dyn TapSink>) -> Arc<dyn TapSink> {
        Arc::new(PreviewTap::new(self.context.previews().clone(), next))
    }

    /// Consoles may come, and hear that the station starts.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn listen(&mut self, station: &Loaded<Configuration>) -> anyhow::Result<()> {
        let context = self.context.clone();
        let board = context.board.clone();
        let config = station.value.console.clone().unwrap_or_default();
        let settings = ServerSettings {
            mode: config.mode(),
            consoles: config.consoles,
            period: Duration::from_secs_f64(1.0 / config.previews_per_s),
            ..ServerSettings::at(station.base.join(&config.socket))
        };
        self.server = Some(Server::start(
            settings,
            board,
            Arc::new(ConsoleHost(context)),
        )?);
        Ok(())
    }

    /// The station runs: consoles may act.
    ///
    /// # Errors
    /// The socket cannot be had.
    pub fn open(mut self, station: &Loaded<Configuration>) -> anyhow::Result<Console> {
        if self.server.is_none() {
            self.listen(station)?;
        }
        let server = self.server.context("nobody listens for consoles")?;
        let snapshots = snapshot::Snapshots::new(station, self.context);
        Ok(Console { server, snapshots })
    }
}

impl Console {
    /// Puts up how the station stands. To be called a few times a second.
    pub fn look(&self, readings: &Readings<'_>) {
        self.snapshots.post(readings, self.server.consoles());
    }

    /// Somebody is there to act.
    pub fn is_attended(&self) -> bool {
        self.server.consoles() > 0
    }
}
