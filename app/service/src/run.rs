//! `sightline run`: the station until it is told to stop.

use crate::cli::RunArgs;
use crate::log;
use crate::notify::{self, Watchdog};
use crate::report::{Blame, Failure, Outcome};
use crate::results::Mailbox;
use crate::starting;
use crate::station::{self, Wishes};
use crate::stop::{Reload, Stop};
use crate::terminal::Terminal;
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
    let ground = station::prepare(&config).wrong_use()?;
    let Some(engines) = starting::engines(&ground, &config, &recipe, &stop).wrong_use()? else {
        log::note("ended before an engine was there");
        return Ok(());
    };
    let running = station::start_on(ground, &config, &recipe, engines, wishes).wrong_use()?;
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
    let ended = running.stop(station::ON_SIGNAL);
    if let Some(terminal) = terminal {
        terminal.end();
    }
    let line = &ended.flow.line;
    log::note(&format!(
        "ended: {} parts, {} OK, {} NotOK, {} NotDecidable",
        line.parts, line.ok, line.not_ok, line.not_decidable
    ));
    if watch::check_conservation(&ended.events, &ended.flow, ended.uplink.as_ref()) {
        Ok(())
    } else {
        Err(Failure::Ran(anyhow!(
            "the counters do not agree: {line:?}, {:?}",
            ended.uplink
        )))
    }
}
