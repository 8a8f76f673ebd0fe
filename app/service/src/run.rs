//! `sightline run`: the station until it is told to stop.

use crate::cli::RunArgs;
use crate::report::{self, Blame, Failure, Outcome};
use crate::results::Mailbox;
use crate::station::{self, Wishes};
use crate::stop::{Reload, Stop};
use crate::watch;
use anyhow::anyhow;
use std::sync::Arc;
use std::time::Duration;

/// Results kept for a slow terminal.
const FOR_THE_TERMINAL: usize = 10_000;
/// Time between looks.
const LOOK: Duration = Duration::from_millis(200);

/// Runs it.
pub fn run(args: &RunArgs) -> Outcome {
    let (config, recipe) = sightline_configs::load(&args.config).wrong_use()?;
    let stop = Stop::on_signals().failed()?;
    let reload = Reload::on_signal().failed()?;
    let mailbox = args.json.then(|| Arc::new(Mailbox::new(FOR_THE_TERMINAL)));
    let wishes = Wishes {
        mailbox: mailbox.clone(),
        record: args.record.clone(),
        ..Wishes::default()
    };
    let running = station::start(&config, &recipe, wishes).wrong_use()?;
    eprintln!(
        "station `{}` inspects `{}`; Ctrl-C ends it",
        config.value.station.name, recipe.value.external_id
    );
    let print = || {
        let results = mailbox.as_ref().map(|m| m.take()).unwrap_or_default();
        results
            .iter()
            .for_each(|(_, json)| report::raw_line(&[json, &b"\n"[..]].concat()));
    };
    while running.control.rest(&running, &config, &stop, LOOK) && !running.finished() {
        running.watch();
        print();
        if reload.asked() {
            running.reload_recipe();
        }
    }
    let ended = running.stop();
    print();
    let line = &ended.flow.line;
    eprintln!(
        "ended: {} parts, {} OK, {} NotOK, {} NotDecidable",
        line.parts, line.ok, line.not_ok, line.not_decidable
    );
    if watch::check_conservation(&ended.events, &ended.flow, ended.uplink.as_ref()) {
        Ok(())
    } else {
        Err(Failure::Ran(anyhow!(
            "the counters do not agree: {line:?}, {:?}",
            ended.uplink
        )))
    }
}
