//! `sightline journal`: what is stored, beside a running station or without one.

use crate::cli::args::{ExportFormat, JournalCommand, Place};
use crate::cli::export::{self, Exported};
use crate::cli::output::{self, Blame, Failure, Outcome};
use anyhow::{Context, anyhow};
use indicatif::ProgressBar;
use sightline_journal::records::Stat;
use sightline_journal::{GapRecord, Reader};
use std::path::PathBuf;

/// Looks at, exports or checks the journal.
pub fn journal(command: &JournalCommand) -> Outcome {
    match command {
        JournalCommand::Stat { place, json } => stat(place, *json),
        JournalCommand::Export {
            place,
            format,
            output,
            bom,
            from,
            to,
        } => {
            let reader = open(place)?;
            if *format == ExportFormat::Parquet && output.is_none() {
                return Err(Failure::Use(anyhow!(
                    "parquet is a file, not a stream; say --output FILE"
                )));
            }
            let span = (*from, *to);
            let exported = export::export(&reader, *format, output.as_deref(), *bom, span);
            match output::unless_gone(exported).failed()? {
                Some(exported) => tell_exported(&reader, &exported),
                None => Ok(()),
            }
        }
        JournalCommand::Audit { place, json } => audit(place, *json),
        JournalCommand::Verify { place, json } => verify(place, *json),
    }
}

/// What was written, and which numbers are not among it and why. Not everything is not done.
fn tell_exported(reader: &Reader, exported: &Exported) -> Outcome {
    eprintln!("{} results", exported.written);
    for gap in reader.gaps(false, GAPS).failed()? {
        eprintln!("{}", in_words(&gap));
    }
    for (seq, why) in &exported.damaged {
        eprintln!("{seq}: damaged, left out: {why}");
    }
    match exported.damaged.len() {
        0 => Ok(()),
        n => Err(Failure::Ran(anyhow!(
            "every sound result was exported; {n} damaged ones were left out: see above, and run `sightline journal verify`"
        ))),
    }
}

/// Ranges of lost numbers that are printed.
const GAPS: usize = 1_000;

fn in_words(gap: &GapRecord) -> String {
    let numbers = match gap.first == gap.last {
        true => gap.first.to_string(),
        false => format!("{} to {}", gap.first, gap.last),
    };
    let noted = match (&gap.by, gap.acknowledged) {
        (Some(by), Some(at)) => format!("{by} took note at {}", at.to_rfc3339()),
        _ => "nobody has taken note".into(),
    };
    format!(
        "{numbers}: lost, found at {}: {}; {noted}",
        gap.at.to_rfc3339(),
        gap.why
    )
}

/// Links printed in one statement.
const LINKS: usize = 1_000;

fn audit(place: &Place, json: bool) -> Outcome {
    let reader = open(place)?;
    let mut last = 0;
    loop {
        let links = reader.audit_after(last, LINKS).failed()?;
        let Some(newest) = links.last() else {
            return Ok(());
        };
        last = newest.id;
        if output::nobody_reads() {
            return Ok(());
        }
        for link in &links {
            if json {
                output::json_line(link);
                continue;
            }
            let value = |v: &Option<String>| v.clone().unwrap_or_else(|| "-".into());
            output::say(&format!(
                "{} {} {} {}: {} -> {}; {}",
                link.id,
                link.at.to_rfc3339(),
                link.actor,
                link.action,
                value(&link.old),
                value(&link.new),
                link.reason
            ));
        }
    }
}

fn open(place: &Place) -> Outcome<Reader> {
    let path = match (&place.journal, &place.config) {
        (Some(path), _) => path.clone(),
        (None, Some(config)) => configured(config).wrong_use()?,
        (None, None) => return Err(Failure::Use(anyhow!("say --config FILE or --journal DIR"))),
    };
    Reader::open(&path).wrong_use()
}

fn configured(config: &std::path::Path) -> anyhow::Result<PathBuf> {
    let (station, _) = sightline_configs::load(config)?;
    let journal = station.value.journal.as_ref();
    let journal = journal.with_context(|| {
        format!(
            "{}: expected a [journal] section, found none",
            config.display()
        )
    })?;
    Ok(station.base.join(&journal.folder))
}

fn stat(place: &Place, json: bool) -> Outcome {
    let stat = open(place)?.stat().failed()?;
    if json {
        output::json_line(&stat);
        return Ok(());
    }
    let &Stat {
        next_seq,
        acknowledged_to,
        pending,
        lost,
        removed_unacknowledged,
        runs,
        alarms,
        reviews,
        audit,
        bytes,
        ..
    } = &stat;
    let results = match (stat.first_seq, stat.last_seq) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".to_string(),
    };
    output::say(&format!(
        "results              {results}; the next is {next_seq}"
    ));
    output::say(&format!("with the broker      up to {acknowledged_to}"));
    output::say(&format!("waiting for it       {pending}"));
    output::say(&format!(
        "lost                 {lost} lost or damaged, {removed_unacknowledged} removed for lack of room"
    ));
    for gap in &stat.gaps {
        output::say(&format!("  {}", in_words(gap)));
    }
    output::say(&format!("starts               {runs}"));
    output::say(&format!(
        "alarm changes        {alarms}, reviews {reviews}, audit trail {audit} links"
    ));
    output::say(&format!(
        "size                 {:.1} MB, layout {}",
        bytes as f64 / 1e6,
        stat.version
    ));
    Ok(())
}

fn verify(place: &Place, json: bool) -> Outcome {
    let reader = open(place)?;
    let progress = ProgressBar::new_spinner();
    progress.set_message("results looked at");
    let found = reader.verify(|n| progress.set_position(n)).failed()?;
    progress.finish_and_clear();
    if json {
        output::json_line(&found);
    } else {
        output::say(&format!(
            "structure    {}",
            found.structure.as_deref().unwrap_or("sound")
        ));
        output::say(&format!(
            "results      {} sound ({} of them stored without a checksum by an older version), {} damaged",
            found.results, found.without_checksum, found.damaged_results
        ));
        for (seq, why) in &found.damaged {
            output::say(&format!("  {seq}: {why}"));
        }
        for (first, last) in &found.missing {
            output::say(&format!(
                "  {first} to {last}: neither stored nor noted as lost"
            ));
        }
        for other in &found.other {
            output::say(&format!("  {other}"));
        }
        for (first, last) in &found.broken_seals {
            output::say(&format!(
                "  {first} to {last}: not the results that were sealed into the audit trail"
            ));
        }
        let links = found.audit.links;
        let from = match found.audit.removed_to {
            0 => String::new(),
            last => format!(" after link {last}, up to which it was trimmed"),
        };
        match &found.audit.broken {
            None => output::say(&format!(
                "audit trail  {links} links{from}, whole; {} seals agree with the results",
                found.seals
            )),
            Some((id, why)) => output::say(&format!("audit trail  BROKEN at link {id}: {why}")),
        }
    }
    match found.is_sound() {
        true => Ok(()),
        false => Err(Failure::Ran(anyhow!("the journal is not sound; see above"))),
    }
}
