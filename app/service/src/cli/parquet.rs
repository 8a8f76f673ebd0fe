//! Rows as a Parquet file, a group at a time.

use crate::cli::export::Row;
use anyhow::Context;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;
use std::io::Write;
use std::sync::Arc;

/// Rows of a group: what is held in memory.
const GROUP: usize = 10_000;

const SCHEMA: &str = "message result {
    REQUIRED INT64 seq;
    REQUIRED BYTE_ARRAY event_id (STRING);
    REQUIRED BYTE_ARRAY boot_id (STRING);
    REQUIRED INT64 decided (TIMESTAMP(MICROS, true));
    REQUIRED BYTE_ARRAY evaluation (STRING);
    REQUIRED BYTE_ARRAY disposition (STRING);
    REQUIRED BYTE_ARRAY disposition_reason (STRING);
    REQUIRED BYTE_ARRAY recipe (STRING);
    REQUIRED BYTE_ARRAY recipe_version (STRING);
    OPTIONAL BYTE_ARRAY part_id (STRING);
    OPTIONAL BYTE_ARRAY job_id (STRING);
    OPTIONAL BYTE_ARRAY product_id (STRING);
    REQUIRED DOUBLE margin_ms;
    REQUIRED BYTE_ARRAY findings (STRING);
}";

/// The file while it is written.
pub struct Table<W: Write + Send> {
    file: SerializedFileWriter<W>,
    rows: Vec<Row>,
}

impl<W: Write + Send> Table<W> {
    pub fn new(to: W) -> anyhow::Result<Self> {
        let schema = Arc::new(parse_message_type(SCHEMA)?);
        let compression = Compression::ZSTD(ZstdLevel::default());
        let properties = WriterProperties::builder().set_compression(compression);
        Ok(Self {
            file: SerializedFileWriter::new(to, schema, Arc::new(properties.build()))?,
            rows: Vec::with_capacity(GROUP),
        })
    }

    pub fn push(&mut self, row: Row) -> anyhow::Result<()> {
        self.rows.push(row);
        if self.rows.len() >= GROUP {
            self.write_group()?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> anyhow::Result<()> {
        if !self.rows.is_empty() {
            self.write_group()?;
        }
        self.file.close()?;
        Ok(())
    }

    /// The columns in the order of the schema.
    fn write_group(&mut self) -> anyhow::Result<()> {
        let rows = std::mem::take(&mut self.rows);
        let mut group = self.file.next_row_group()?;
        numbers(&mut group, rows.iter().map(|r| r.seq as i64))?;
        text(&mut group, rows.iter().map(|r| r.event_id.as_str()))?;
        text(&mut group, rows.iter().map(|r| r.boot_id.as_str()))?;
        numbers(&mut group, rows.iter().map(|r| r.decided_us))?;
        text(&mut group, rows.iter().map(|r| r.evaluation.as_str()))?;
        text(&mut group, rows.iter().map(|r| r.disposition.as_str()))?;
        text(
            &mut group,
            rows.iter().map(|r| r.disposition_reason.as_str()),
        )?;
        text(&mut group, rows.iter().map(|r| r.recipe.as_str()))?;
        text(&mut group, rows.iter().map(|r| r.recipe_version.as_str()))?;
        maybe(&mut group, rows.iter().map(|r| r.part_id.as_deref()))?;
        maybe(&mut group, rows.iter().map(|r| r.job_id.as_deref()))?;
        maybe(&mut group, rows.iter().map(|r| r.product_id.as_deref()))?;
        let margins: Vec<f64> = rows.iter().map(|r| r.margin_ms).collect();
        let mut column = group.next_column()?.context(NO_COLUMN)?;
        column
            .typed::<DoubleType>()
            .write_batch(&margins, None, None)?;
        column.close()?;
        text(&mut group, rows.iter().map(|r| r.findings.as_str()))?;
        group.close()?;
        Ok(())
    }
}

const NO_COLUMN: &str = "the schema has fewer columns than are written";

fn numbers<W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = i64>,
) -> anyhow::Result<()> {
    let mut column = group.next_column()?.context(NO_COLUMN)?;
    let values: Vec<i64> = values.collect();
    column
        .typed::<Int64Type>()
        .write_batch(&values, None, None)?;
    Ok(column.close()?)
}

fn text<'r, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = &'r str>,
) -> anyhow::Result<()> {
    let mut column = group.next_column()?.context(NO_COLUMN)?;
    let values: Vec<ByteArray> = values.map(ByteArray::from).collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&values, None, None)?;
    Ok(column.close()?)
}

fn maybe<'r, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: impl Iterator<Item = Option<&'r str>> + Clone,
) -> anyhow::Result<()> {
    let mut column = group.next_column()?.context(NO_COLUMN)?;
    let levels: Vec<i16> = values.clone().map(|v| i16::from(v.is_some())).collect();
    let values: Vec<ByteArray> = values.flatten().map(ByteArray::from).collect();
    column
        .typed::<ByteArrayType>()
        .write_batch(&values, Some(&levels), None)?;
    Ok(column.close()?)
}
