//! Measures flushes of the disk: writes a page into an allocated file and calls `fdatasync`, repeatedly.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use hdrhistogram::Histogram;
use serde::Serialize;

const PAGE: usize = 4_096;
const PAGES: u64 = 1_024;
const LASTS: Duration = Duration::from_secs(2);

/// The speed of flushes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Flush {
    /// Sequential flushes per second.
    pub(crate) per_second: f64,
    /// The median, in milliseconds.
    pub(crate) p50_ms: f64,
    /// The 99th percentile, in milliseconds.
    pub(crate) p99_ms: f64,
}

/// Measures in a folder.
pub(crate) fn measure(folder: &Path) -> Result<Flush> {
    let mut file = File::create(folder.join("flush"))?;
    let page = [7_u8; PAGE];
    for _ in 0..PAGES {
        file.write_all(&page)?;
    }
    file.sync_all()?;
    let mut lasted = Histogram::<u64>::new(3)?;
    let begin = Instant::now();
    let mut next = 0;
    while begin.elapsed() < LASTS {
        file.seek(SeekFrom::Start(next * PAGE as u64))?;
        let before = Instant::now();
        file.write_all(&page)?;
        file.sync_data()?;
        lasted.record(u64::try_from(before.elapsed().as_nanos())?)?;
        next = (next + 1) % PAGES;
    }
    let milliseconds = |quantile| lasted.value_at_quantile(quantile) as f64 / 1e6;
    Ok(Flush {
        per_second: lasted.len() as f64 / begin.elapsed().as_secs_f64(),
        p50_ms: milliseconds(0.5),
        p99_ms: milliseconds(0.99),
    })
}
