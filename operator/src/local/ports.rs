//! The port of each process: chosen once, kept with the data, and chosen again if another program has taken it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};

/// The ports of a data folder, by what they are for, such as `cart-agg/grpc`.
#[derive(Debug, Clone)]
pub(super) struct Ports {
    file: PathBuf,
    known: BTreeMap<String, u16>,
}

impl Ports {
    /// Reads the ports of a data folder; a new folder has none.
    pub(super) fn open(data: &Path) -> Result<Self> {
        let file = data.join("ports.json");
        let known = match fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).with_context(|| {
                let file = file.display();
                format!("{file} does not hold ports; remove it to choose them again")
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("read {}", file.display())),
        };
        Ok(Self { file, known })
    }

    /// Returns the port for a use: the one that it had, if that is free, else another.
    pub(super) fn give(&mut self, name: &str) -> Result<u16> {
        if let Some(port) = self.known.get(name).filter(|port| is_free(**port)) {
            return Ok(*port);
        }
        loop {
            let port = free().context("find a free port on 127.0.0.1")?;
            if !self.known.values().any(|known| *known == port) {
                self.known.insert(name.to_owned(), port);
                return Ok(port);
            }
        }
    }

    /// Keeps the ports for the next start.
    pub(super) fn keep(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(&self.known).expect("a map of numbers is JSON");
        fs::write(&self.file, text).with_context(|| format!("write {}", self.file.display()))
    }
}

/// Whether all of the ports are free.
pub(super) fn are_free(ports: &[u16]) -> bool {
    ports.iter().all(|port| is_free(*port))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn free() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_kept_until_another_program_takes_it() {
        let data = tempfile::tempdir().unwrap();
        let mut ports = Ports::open(data.path()).unwrap();
        let first = ports.give("cart/grpc").unwrap();
        assert_ne!(ports.give("cart/admin").unwrap(), first);
        ports.keep().unwrap();

        let mut again = Ports::open(data.path()).unwrap();
        assert_eq!(again.give("cart/grpc").unwrap(), first);

        let _taken = TcpListener::bind((Ipv4Addr::LOCALHOST, first)).unwrap();
        assert_ne!(again.give("cart/grpc").unwrap(), first);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let data = tempfile::tempdir().unwrap();
        fs::write(data.path().join("ports.json"), "[]").unwrap();
        let error = Ports::open(data.path()).unwrap_err().to_string();
        assert!(error.contains("ports.json does not hold ports"), "{error}");
    }
}
