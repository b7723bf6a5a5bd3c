//! The figures, for people and for programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::flush::Flush;
use crate::memory::Memory;
use crate::rows::{Line, Setting};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    cores: usize,
    flush: Flush,
    rows: Vec<Line>,
    memory: Option<Memory>,
}

impl Report {
    /// Begins with what the disk can do.
    pub(crate) fn new(flush: Flush) -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            flush,
            rows: Vec::new(),
            memory: None,
        }
    }

    /// Prints what stands above the rows.
    pub(crate) fn begin(&self) {
        let Flush {
            per_second,
            p50_ms,
            p99_ms,
        } = self.flush;
        println!(
            "{} cores for client, sidecar and logic together. The disk flushes {per_second:.0} times a second, p50 {p50_ms:.2} ms, p99 {p99_ms:.2} ms.\n",
            self.cores
        );
        println!(
            "{:<20} {:>12} {:>9} {:>9} {:>9} {:>9}",
            "row", "commands/s", "p50 ms", "p99 ms", "cpu us", "of chain"
        );
    }

    /// Adds a row and prints it.
    pub(crate) fn add(&mut self, line: Line) {
        let share = self.chains().get(&line.row.callers).map_or_else(
            || "-".to_owned(),
            |chain| format!("{:.2}", line.measured.per_second / chain),
        );
        println!(
            "{:<20} {:>12.0} {:>9.2} {:>9.2} {:>9.0} {share:>9}",
            line.row.name,
            line.measured.per_second,
            line.measured.p50_ms,
            line.measured.p99_ms,
            line.used_us
        );
        self.rows.push(line);
    }

    /// Adds and prints the memory.
    pub(crate) fn end(&mut self, memory: Option<Memory>) {
        if let Some(memory) = &memory {
            let megabytes = |bytes: u64| bytes as f64 / 1e6;
            println!("\nmemory at rest {:.1} MB", megabytes(memory.idle));
            for (events, bytes) in &memory.after {
                println!("after {events:>8} events {:.1} MB", megabytes(*bytes));
            }
        }
        self.memory = memory;
    }

    /// Writes everything as JSON.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).context("write the figures")?;
        fs::write(file, text + "\n").with_context(|| format!("write {}", file.display()))
    }

    /// What the bare chain does, by callers.
    fn chains(&self) -> BTreeMap<usize, f64> {
        let chains = self
            .rows
            .iter()
            .filter(|line| line.row.setting == Setting::Chain);
        chains
            .map(|line| (line.row.callers, line.measured.per_second))
            .collect()
    }
}
