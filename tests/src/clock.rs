//! A wall clock that jumps.
//!
//! # Design
//! A library that is preloaded into the sidecar adds the number in a file to the time of day (`preload/clock.c`); the file is changed while the
//! sidecar runs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::preload;

/// The wall clock of a sidecar.
pub struct WallClock {
    library: PathBuf,
    shift: PathBuf,
    _folder: TempDir,
}

impl WallClock {
    /// Creates a correct clock.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let shift = folder.path().join("shift");
        fs::write(&shift, 0_i64.to_ne_bytes()).unwrap();
        Self {
            library: preload::build("clock", folder.path()),
            shift,
            _folder: folder,
        }
    }

    /// Shifts the clock by a number of seconds from now on.
    pub fn jump_to(&self, seconds: i64) {
        let file = fs::File::options().write(true).open(&self.shift).unwrap();
        file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    /// The environment variables of a sidecar with this clock.
    pub fn variables(&self) -> [(&'static str, OsString); 2] {
        [
            ("LD_PRELOAD", self.library.clone().into()),
            ("ANGZARR_CLOCK_SHIFT", self.shift.clone().into()),
        ]
    }
}

impl Default for WallClock {
    fn default() -> Self {
        Self::new()
    }
}
