//! Who receives consoles: a session for each, and its previews.

use crate::context::ConsoleContext;
use crate::session::ConsoleSession;
use sightline_wire::preview::{PreviewHead, PreviewRequest};
use sightline_wire::{ClientSession, Host};
use std::sync::Arc;

/// Receives consoles on behalf of the station.
pub struct ConsoleHost(pub Arc<ConsoleContext>);

impl Host for ConsoleHost {
    fn welcome(&self, name: &str) -> Box<dyn ClientSession> {
        tracing::info!(name, "a console has come");
        Box::new(ConsoleSession::new(self.0.clone()))
    }

    fn preview(
        &self,
        wish: &PreviewRequest,
        seen: Option<(u64, bool)>,
        pixels: &mut Vec<u8>,
    ) -> Option<PreviewHead> {
        self.0.previews().newest(wish, seen, pixels)
    }
}
