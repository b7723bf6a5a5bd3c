//! The figures, as text and as JSON.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::flush::Flush;
use crate::memory::Memory;
use crate::port::Port;
use crate::rows::{Line, Row, Setting, Spread};
use crate::stores::Kind;

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    flush: Flush,
    rows: Vec<Line>,
    port: Option<Port>,
    memory: Option<Memory>,
}

impl Report {
    /// Begins with what the disk can do.
    pub(crate) fn new(flush: Flush) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            flush,
            rows: Vec::new(),
            port: None,
            memory: None,
        }
    }

    /// Prints the header of the rows.
    pub(crate) fn begin(&self) {
        let Flush {
            per_second,
            p50_ms,
            p99_ms,
        } = self.flush;
        println!(
            "{} cores for client, sidecar and logic together. The disk does {per_second:.0} flushes per second, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms.\n",
            self.cores
        );
        println!(
            "{:<22} {:>10} {:>9} {:>9} {:>8} {:>9} {:>9}",
            "row", "commands/s", "p50 ms", "p99 ms", "cpu us", "of chain", "of sqlite"
        );
    }

    /// Adds a row and prints it.
    pub(crate) fn add(&mut self, line: Line) {
        let row = &line.row;
        let beside = |other: Row| {
            let rate = self.rate(&other)?;
            Some(format!("{:.2}", line.measured.per_second / rate))
        };
        let of_chain = beside(Row {
            setting: Setting::Chain,
            prior: 0,
            spread: Spread::Uniform,
            ..row.over(None)
        });
        let of_sqlite = beside(row.over(Some(Kind::Sqlite)));
        let shown = |share: Option<String>| share.unwrap_or_else(|| "-".to_owned());
        println!(
            "{:<22} {:>10.0} {:>9.2} {:>9.2} {:>8.0} {:>9} {:>9}",
            row.name(),
            line.measured.per_second,
            line.measured.p50_ms,
            line.measured.p99_ms,
            line.used_us,
            shown(of_chain),
            shown(of_sqlite),
        );
        self.rows.push(line);
    }

    /// Adds and prints the figures of the port of the shared store.
    pub(crate) fn add_port(&mut self, port: Port) {
        println!(
            "\nport of postgres: {:.0} commands/s in batches, {:.0} each in a transaction with a lock: {:.1} times; round trips per batch {:.2}, per load {:.2}",
            port.batched,
            port.alone,
            port.batched / port.alone,
            port.trips_per_batch,
            port.trips_per_load
        );
        self.port = Some(port);
    }

    /// Adds and prints the memory.
    pub(crate) fn add_memory(&mut self, memory: Memory) {
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        println!("\nmemory, idle: {:.1} MB", megabytes(memory.idle));
        for (events, bytes) in &memory.after {
            println!("after {events:>8} events: {:.1} MB", megabytes(*bytes));
        }
        self.memory = Some(memory);
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the figures")?;
        fs::write(file, text + "\n").with_context(|| format!("write {}", file.display()))
    }

    /// The figures of another row, if it was measured.
    fn rate(&self, row: &Row) -> Option<f64> {
        let name = row.name();
        let line = self.rows.iter().find(|line| line.row.name() == name)?;
        Some(line.measured.per_second)
    }
}
