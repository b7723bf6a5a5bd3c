//! A disk that loses unflushed data.
//!
//! # Design
//! A library that is preloaded into the sidecar keeps an image of the flushed data only (`preload/flushes.c`). The sidecar itself runs
//! unchanged; a power cut is a SIGKILL, after which the files are replaced by the image. Unflushed data is then lost, or partly
//! present: a disk may have written any part of it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rand::Rng;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::preload;
use crate::sidecar::{Place, Process, WITHIN};

/// The unit that a disk writes completely or not at all.
const SECTOR: usize = 512;

/// How a disk handles a flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushes {
    /// It flushes.
    Kept,
    /// It reports success without flushing.
    Ignored,
}

/// What a power cut leaves of unflushed data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unflushed {
    /// Nothing.
    Lost,
    /// Any sectors of it.
    Torn,
}

/// The disk of a sidecar.
pub struct Disk {
    library: PathBuf,
    folder: TempDir,
}

impl Disk {
    /// Creates a disk on which nothing is flushed yet.
    ///
    /// # Panics
    /// When the library cannot be built; it needs a C compiler.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = preload::build("flushes", folder.path());
        fs::create_dir(folder.path().join("image")).unwrap();
        Self { library, folder }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn failing(&self) -> PathBuf {
        self.folder.path().join("fails")
    }

    /// Makes every flush fail from now on.
    pub fn break_down(&self) {
        fs::write(self.failing(), "").unwrap();
    }

    /// Makes flushes succeed again.
    pub fn repair(&self) {
        fs::remove_file(self.failing()).unwrap();
    }

    /// Starts a sidecar whose files are on this disk.
    pub fn start(&self, place: &Place, flushes: Flushes) -> Process {
        let mut variables: Vec<(&str, OsString)> = vec![
            ("LD_PRELOAD", self.library.clone().into()),
            ("FLUSHES_FOLDER", place.folder().into()),
            ("FLUSHES_IMAGE", self.image().into()),
            ("FLUSHES_FAIL", self.failing().into()),
        ];
        if flushes == Flushes::Ignored {
            variables.push(("FLUSHES_IGNORED", "1".into()));
        }
        place.start_with(variables)
    }

    /// Waits until the store begins to write into its main file.
    ///
    /// # Panics
    /// When it does not in time.
    pub async fn checkpoint_begins(&self, place: &Place) {
        let file = place.folder().join("store.db");
        let size = || fs::metadata(&file).unwrap().len();
        let (before, deadline) = (size(), Instant::now() + WITHIN);
        while size() == before {
            assert!(Instant::now() < deadline, "no checkpoint in time");
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// Cuts the power of a killed sidecar: its store keeps only flushed data, and the part of the rest that `unflushed` selects.
    pub fn cut_power(&self, place: &Place, unflushed: Unflushed, random: &mut impl Rng) {
        for file in store_files(place.folder()) {
            let flushed = self.image().join(file.file_name().unwrap());
            if !flushed.exists() {
                fs::remove_file(&file).unwrap();
                continue;
            }
            let mut content = fs::read(&flushed).unwrap();
            if unflushed == Unflushed::Torn {
                tear(&mut content, &fs::read(&file).unwrap(), random);
            }
            fs::write(&file, &content).unwrap();
            // Data that remains after a cut is on the disk.
            fs::write(&flushed, &content).unwrap();
        }
        for entry in fs::read_dir(self.image()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "new") {
                fs::remove_file(path).unwrap();
            }
        }
    }
}

impl Default for Disk {
    fn default() -> Self {
        Self::new()
    }
}

fn store_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let of_store = files.filter(|file| {
        let name = file.file_name().unwrap().to_string_lossy();
        name.starts_with("store.db")
    });
    of_store.collect()
}

/// Writes random sectors in which a file differs from its flushed content.
fn tear(flushed: &mut Vec<u8>, written: &[u8], random: &mut impl Rng) {
    for (index, sector) in written.chunks(SECTOR).enumerate() {
        let from = index * SECTOR;
        let until = from + sector.len();
        let is_same = flushed.get(from..until) == Some(sector);
        if is_same || random.random_bool(0.5) {
            continue;
        }
        if flushed.len() < until {
            flushed.resize(until, 0);
        }
        flushed[from..until].copy_from_slice(sector);
    }
}
