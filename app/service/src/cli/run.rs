//! `sightline run`: the station until it is told to stop.

use crate::cli::args::RunArgs;
use crate::cli::output::{Blame, Failure, Outcome};
use crate::cli::signals::{Reload, Stop};
use crate::cli::terminal::Terminal;
use crate::log;
use crate::station::monitor;
use crate::station::notify::{self, Watchdog};
use crate::station::result_sink::Mailbox;
use crate::station::starting;
use crate::station::unfinished::Place;
use crate::station::{assemble, options::RunOptions};
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
    let options = RunOptions {
        mailbox: mailbox.clone(),
        record: args.record.clone(),
        ..RunOptions::default()
    };
    let ground = assemble::prepare(&config).wrong_use()?;
    let note = Place::take(&config, &ground.events);
    let run = ground.boot_id;
    let Some(engines) = starting::engines(&ground, &config, &recipe, &stop).wrong_use()? else {
        log::note("ended before an engine was there");
        return Ok(());
    };
    let running = assemble::start_on(ground, &config, &recipe, engines, options).wrong_use()?;
    let keep = |note: Place| note.keep(&running.flow, &running.clock, run);
    let note = note.map(keep).transpose().failed()?;
    log::note(&format!(
        "station `{}` inspects `{}`; Ctrl-C ends it",
        config.value.station.name, recipe.value.external_id
    ));
    let terminal = mailbox.map(Terminal::start).transpose().failed()?;
    let mut ready = false;
    Watchdog::start(&running.flow).failed()?;
    while running.control.rest(&running, &config, &stop, LOOK) && !running.finished() {
        running.watch();
        if !ready {
            ready = notify::ready(&running.stands());
        }
        if reload.asked() {
            running.reload_recipe();
        }
    }
    notify::stopping();
    let ended = running.stop(crate::station::running::ON_SIGNAL);
    if let Some(terminal) = terminal {
        terminal.end();
    }
    if let Some(note) = note {
        note.end();
    }
    let line = &ended.flow.line;
    let unfinished = ended.flow.in_flight();
    log::note(&format!(
        "ended: {} parts, {} OK, {} NotOK, {} NotDecidable, {unfinished} unfinished",
        line.parts, line.ok, line.not_ok, line.not_decidable
    ));
    if monitor::check_conservation(&ended.events, &ended.flow, ended.uplink.as_ref()) {
        Ok(())
    } else {
        Err(Failure::Ran(anyhow!(
            "the counters do not agree: {line:?}, {:?}",
            ended.uplink
        )))
    }
}
