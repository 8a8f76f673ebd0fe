//! `sightline run`: the station until it is told to stop.

use crate::cli::RunArgs;
use crate::report::{self, Blame, Failure, Outcome};
use crate::results::Mailbox;
use crate::starting;
use crate::station::{self, Wishes};
use crate::stop::{Reload, Stop};
use crate::watch;
use anyhow::anyhow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Results kept for a slow terminal.
const FOR_THE_TERMINAL: usize = 10_000;
/// How often results are printed.
const PRINT_EVERY: Duration = Duration::from_millis(50);
/// How long the terminal gets to take the last results.
const LAST_LINES: Duration = Duration::from_secs(2);
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
        eprintln!("ended before an engine was there");
        return Ok(());
    };
    let running = station::start_on(ground, &config, &recipe, engines, wishes).wrong_use()?;
    eprintln!(
        "station `{}` inspects `{}`; Ctrl-C ends it",
        config.value.station.name, recipe.value.external_id
    );
    let printer = mailbox.map(Printer::start).transpose().failed()?;
    while running.control.rest(&running, &config, &stop, LOOK) && !running.finished() {
        running.watch();
        if reload.asked() {
            running.reload_recipe();
        }
    }
    let ended = running.stop();
    if let Some(printer) = printer {
        printer.end();
    }
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

/// Prints results on a thread of its own: a terminal that takes nothing keeps nobody.
struct Printer {
    over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Printer {
    fn start(mailbox: Arc<Mailbox>) -> anyhow::Result<Self> {
        let over = Arc::new(AtomicBool::new(false));
        let last = over.clone();
        let thread = std::thread::Builder::new()
            .name("sl-print".into())
            .spawn(move || {
                loop {
                    let over = last.load(Ordering::SeqCst);
                    for (_, json) in mailbox.take() {
                        report::raw_line(&[&json, &b"\n"[..]].concat());
                    }
                    if over {
                        return;
                    }
                    std::thread::sleep(PRINT_EVERY);
                }
            })?;
        Ok(Self { over, thread })
    }

    /// Prints what is left, if somebody takes it.
    fn end(self) {
        self.over.store(true, Ordering::SeqCst);
        let end = Instant::now() + LAST_LINES;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
