//! `sightline journal export`: results as JSON lines, or one row each as CSV or Parquet.

use crate::cli::args::ExportFormat;
use crate::cli::parquet::Table;
use anyhow::Context;
use serde::Serialize;
use sightline_configs::redact;
use sightline_domain::{Health, InspectionResult, UtcMicros};
use sightline_journal::{Reader, Record, StoredResult};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Results read in one statement, so that a running station's log is never held.
const CHUNK: usize = 1_000;

/// A result in a row.
#[derive(Serialize)]
pub struct Row {
    pub seq: u64,
    pub event_id: String,
    pub boot_id: String,
    pub decided: String,
    pub evaluation: String,
    pub disposition: String,
    pub disposition_reason: String,
    pub recipe: String,
    pub recipe_version: String,
    pub part_id: Option<String>,
    pub job_id: Option<String>,
    pub product_id: Option<String>,
    pub margin_ms: f64,
    /// `camera: class score; …` of everything that counted, and what was missed or unhealthy.
    pub findings: String,
    #[serde(skip)]
    pub decided_us: i64,
}

/// Longest text of a cell, characters; Excel takes 32,767.
const CELL: usize = 32_000;

impl Row {
    /// The same with texts that a spreadsheet shows and does not carry out. What they were is in `jsonl` and `parquet`.
    fn for_spreadsheets(self) -> Self {
        let cell = |text: String| {
            let text = redact::visible(&text, CELL);
            // Full-width signs, too: some spreadsheets take them for the same.
            match text.trim_start().chars().next() {
                Some('=' | '+' | '-' | '@' | '|' | '%' | '＝' | '＋' | '－' | '＠') => {
                    format!("'{text}")
                }
                _ => text,
            }
        };
        Self {
            recipe: cell(self.recipe),
            recipe_version: cell(self.recipe_version),
            part_id: self.part_id.map(cell),
            job_id: self.job_id.map(cell),
            product_id: self.product_id.map(cell),
            findings: cell(self.findings),
            ..self
        }
    }
}

/// What was written, and what could not be.
pub struct Exported {
    pub written: u64,
    /// Damaged results: number and why. They are left out.
    pub damaged: Vec<(u64, String)>,
}

/// Writes the sound results of a span of time, oldest first, around what is damaged.
pub fn export(
    reader: &Reader,
    format: ExportFormat,
    output: Option<&Path>,
    bom: bool,
    span: (Option<UtcMicros>, Option<UtcMicros>),
) -> anyhow::Result<Exported> {
    let file = |path: &Path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))
    };
    let mut to: Box<dyn Write + Send> = match output {
        Some(path) => Box::new(BufWriter::new(file(path)?)),
        None => Box::new(BufWriter::new(io::stdout())),
    };
    match format {
        ExportFormat::Jsonl => jsonl(reader, to, span),
        ExportFormat::Csv => {
            if bom {
                to.write_all("\u{feff}".as_bytes())?;
            }
            let mut rows = csv::Writer::from_writer(to);
            let written = each(reader, span, row, |row| {
                Ok(rows.serialize(row.for_spreadsheets())?)
            })?;
            rows.flush()?;
            Ok(written)
        }
        ExportFormat::Parquet => {
            let mut table = Table::new(to)?;
            let written = each(reader, span, row, |row| table.push(row))?;
            table.finish()?;
            Ok(written)
        }
    }
}

fn jsonl(
    reader: &Reader,
    mut to: impl Write,
    span: (Option<UtcMicros>, Option<UtcMicros>),
) -> anyhow::Result<Exported> {
    let written = each(reader, span, Ok, |stored| {
        to.write_all(&stored.json)?;
        Ok(to.write_all(b"\n")?)
    })?;
    to.flush()?;
    Ok(written)
}

/// Every sound result of the span, oldest first, as `read` makes it. Of a damaged one nobody knows when it was.
fn each<T>(
    reader: &Reader,
    (from, to): (Option<UtcMicros>, Option<UtcMicros>),
    read: impl Fn(StoredResult) -> Result<T, String>,
    mut take: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<Exported> {
    let (mut last, mut written, mut damaged) = (0, 0, Vec::new());
    loop {
        let records = reader.records_after(last, CHUNK)?;
        let Some(newest) = records.last() else {
            return Ok(Exported { written, damaged });
        };
        last = newest.seq();
        for record in records {
            let stored = match record {
                Record::Sound(stored) => stored,
                Record::Damaged { seq, why } => {
                    damaged.push((seq, why));
                    continue;
                }
            };
            if from.is_some_and(|from| stored.decided < from)
                || to.is_some_and(|to| stored.decided >= to)
            {
                continue;
            }
            let seq = stored.seq;
            match read(stored) {
                Ok(read) => {
                    take(read)?;
                    written += 1;
                }
                Err(why) => damaged.push((seq, why)),
            }
        }
    }
}

fn row(stored: StoredResult) -> Result<Row, String> {
    let result: InspectionResult = serde_json::from_slice(&stored.json)
        .map_err(|e| format!("expected a result as this version writes it, found {e}; export it as jsonl, which takes it as it is"))?;
    Ok(Row {
        seq: stored.seq,
        event_id: stored.event_id.to_string(),
        boot_id: result.boot_id.to_string(),
        findings: findings(&result),
        decided: result.times.decided,
        evaluation: word(&stored.evaluation),
        disposition: word(&stored.disposition),
        disposition_reason: word(&stored.reason),
        recipe: result.recipe.external_id,
        recipe_version: result.recipe.version,
        part_id: result.part_id,
        job_id: result.job_id,
        product_id: result.product_id,
        margin_ms: result.times.margin_ms,
        decided_us: stored.decided.0,
    })
}

fn findings(result: &InspectionResult) -> String {
    let mut all = Vec::new();
    for view in &result.views {
        if let Some(missed) = &view.missed {
            let why = view.fault.as_deref();
            let why = why.map_or_else(String::new, |why| format!(" ({why})"));
            all.push(format!("{}: missed {}{why}", view.camera, word(missed)));
        }
        if let Some(health) = view.health.filter(|h| *h != Health::Ok) {
            all.push(format!("{}: {}", view.camera, word(&health)));
        }
        for found in view.detections.iter().filter(|d| d.counted) {
            all.push(format!(
                "{}: {} {:.2}",
                view.camera, found.class, found.score
            ));
        }
    }
    all.join("; ")
}

/// An enumeration's value as JSON says it.
fn word(value: &impl Serialize) -> String {
    let json = serde_json::to_value(value).unwrap_or_default();
    json.as_str().unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use super::Row;

    fn row(part_id: &str) -> Row {
        Row {
            seq: 1,
            event_id: String::new(),
            boot_id: String::new(),
            decided: String::new(),
            evaluation: "OK".into(),
            disposition: "pass".into(),
            disposition_reason: "verdict".into(),
            recipe: "=A".into(),
            recipe_version: "1".into(),
            part_id: Some(part_id.into()),
            job_id: None,
            product_id: None,
            margin_ms: -0.067,
            findings: String::new(),
            decided_us: 0,
        }
    }

    #[test]
    fn no_cell_is_a_formula_and_numbers_stay_numbers() {
        for (found, expected) in [
            ("=1+1", "'=1+1"),
            ("=cmd|'/C calc'!A0", "'=cmd|'/C calc'!A0"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+49 151", "'+49 151"),
            ("-5", "'-5"),
            (" =1", "' =1"),
            ("\t=1", "\\t=1"),
            ("Prüfling-Ä", "Prüfling-Ä"),
            ("零件", "零件"),
            ("a\0\u{202e}b\nc", "a\\u{0}\\u{202e}b\\nc"),
        ] {
            let row = row(found).for_spreadsheets();
            assert_eq!(row.part_id.as_deref(), Some(expected));
            assert_eq!((row.recipe.as_str(), row.margin_ms), ("'=A", -0.067));
        }
    }
}
