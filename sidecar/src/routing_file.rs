//! The routing as written in files: a document, and in a folder perhaps a directory beside it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use angzarr_config::{Directory, Routing};

/// The texts that make up the routing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    routing: Text,
    directory: Option<Text>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    file: PathBuf,
    text: String,
}

/// A routing that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file was not read.
    #[error("read the routing {file}", file = file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A document has mistakes.
    #[error("the routing {file} cannot be used", file = file.display())]
    Document {
        /// The file.
        file: PathBuf,
        /// Each mistake.
        source: angzarr_config::Error,
    },
}

/// Reads what a path names: a document, or a folder with `routing.json`, else `routing.yaml`, and perhaps `directory.json`. The look-up is made
/// again for every reading, since a mounted folder is swapped as a whole.
///
/// # Errors
/// [`Error::Unreadable`].
pub fn read(named: &Path) -> Result<Texts, Error> {
    if !named.is_dir() {
        return Ok(Texts {
            routing: read_text(named.to_owned())?,
            directory: None,
        });
    }
    let json = named.join("routing.json");
    let routing = if json.exists() {
        json
    } else {
        named.join("routing.yaml")
    };
    let directory = named.join("directory.json");
    Ok(Texts {
        routing: read_text(routing)?,
        directory: if directory.exists() {
            Some(read_text(directory)?)
        } else {
            None
        },
    })
}

fn read_text(file: PathBuf) -> Result<Text, Error> {
    match fs::read_to_string(&file) {
        Ok(text) => Ok(Text { file, text }),
        Err(source) => Err(Error::Unreadable { file, source }),
    }
}

impl Texts {
    /// The routing that they say together.
    ///
    /// # Errors
    /// [`Error::Document`].
    pub fn parse(&self) -> Result<Routing, Error> {
        let within = |text: &Text| {
            let file = text.file.clone();
            move |source| Error::Document { file, source }
        };
        let routing = Routing::parse(&self.routing.text).map_err(within(&self.routing))?;
        let Some(directory) = &self.directory else {
            return Ok(routing);
        };
        let owners = Directory::parse(&directory.text).map_err(within(directory))?;
        Ok(routing.with_directory(owners))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(named: &Path) -> Routing {
        read(named).unwrap().parse().unwrap()
    }

    #[test]
    fn a_folder_holds_the_routing_as_json_or_yaml() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let error = read(path).unwrap_err().to_string();
        assert!(error.ends_with("routing.yaml"), "{error}");
        fs::write(path.join("routing.yaml"), "schemaVersion: 1\n").unwrap();
        assert_eq!(parse(path), Routing::default());
        let other = "{\"schemaVersion\": 1, \"owners\": {\"heron\": [\"lake:9\"]}}";
        fs::write(path.join("routing.json"), other).unwrap();
        assert!(parse(path).owners.contains_key("heron"));
        assert_eq!(parse(&path.join("routing.yaml")), Routing::default());
    }

    #[test]
    fn a_directory_adds_owners_and_takes_none_away() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let write = |name: &str, owners: &str| {
            let text = format!("{{\"schemaVersion\": 1, \"owners\": {owners}}}");
            fs::write(path.join(name), text).unwrap();
        };
        write("routing.json", "{\"heron\": [\"near:9\"]}");
        write(
            "directory.json",
            "{\"heron\": [\"far:9\"], \"reed\": [\"far:8\"]}",
        );
        let routing = parse(path);
        assert_eq!(routing.owners["heron"][0].as_str(), "http://near:9");
        assert_eq!(routing.owners["reed"][0].as_str(), "http://far:8");
        write("directory.json", "[]");
        let error = read(path).unwrap().parse().unwrap_err().to_string();
        assert!(error.contains("directory.json"), "{error}");
    }
}
