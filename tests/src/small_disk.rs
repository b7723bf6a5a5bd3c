//! A small disk.
//!
//! The store of a sidecar is on a tmpfs in a private mount namespace, which lives as long as its [`SmallDisk`], over restarts of
//! the sidecar. It needs root and the tools of util-linux.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::sidecar::{Place, Process};

/// Mounts the disk, reports it, and waits until its input ends.
const HOLD: &str = "mount -t tmpfs -o size=\"$1\" tmpfs \"$2\" && echo mounted && exec cat";

/// A small disk with the store of one sidecar.
pub struct SmallDisk {
    holder: Child,
    folder: PathBuf,
}

impl SmallDisk {
    /// Creates the disk and moves the store there, which must not have been opened yet.
    ///
    /// # Panics
    /// When it cannot be mounted.
    pub fn new(place: &Place, bytes: u64) -> Self {
        let folder = place.move_store("disk");
        let mut holder = Command::new("unshare")
            .args([
                "--mount",
                "--propagation",
                "private",
                "sh",
                "-c",
                HOLD,
                "sh",
            ])
            .arg(bytes.to_string())
            .arg(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare of util-linux is needed");
        let mut said = String::new();
        let mut lines = BufReader::new(holder.stdout.take().unwrap());
        lines.read_line(&mut said).unwrap();
        assert_eq!(said, "mounted\n", "a tmpfs is mounted; that takes root");
        Self { holder, folder }
    }

    /// The namespace's view of the disk.
    fn path(&self, name: &str) -> PathBuf {
        let root = format!("/proc/{}/root{}", self.holder.id(), self.folder.display());
        PathBuf::from(root).join(name)
    }

    /// Starts the sidecar whose store is on this disk.
    pub fn start(&self, place: &Place) -> Process {
        let namespace = format!("--mount=/proc/{}/ns/mnt", self.holder.id());
        place.start_by(&[OsStr::new("nsenter"), OsStr::new(&namespace)])
    }

    /// The size of a file.
    pub fn size(&self, name: &str) -> u64 {
        fs::metadata(self.path(name)).unwrap().len()
    }

    /// Fills the disk.
    pub fn fill(&self) {
        let mut ballast = File::create(self.path("ballast")).unwrap();
        let full = loop {
            if let Err(error) = ballast.write_all(&[1; 4_096]) {
                break error.kind();
            }
        };
        assert_eq!(full, ErrorKind::StorageFull);
    }

    /// Frees the filled space.
    pub fn make_room(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its input ends, and so does it; with it and the sidecar goes the disk.
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
