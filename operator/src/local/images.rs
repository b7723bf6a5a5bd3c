//! `local.yaml`: the commands that a machine runs in place of images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use angzarr_config::secret::Secret;
use angzarr_config::{Error, Mistake, read};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Maps container images to commands of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Images {
    /// The images by their full names, as the resources write them.
    pub(super) images: BTreeMap<String, Image>,
    /// The Secrets that resources name, each with its keys; only read with `--as-declared`.
    #[serde(default)]
    pub(super) secrets: BTreeMap<String, BTreeMap<String, Secret>>,
}

/// What runs in place of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Image {
    /// The program and its arguments. A program with a `/` is looked up from the folder of `local.yaml`, another one in `PATH`.
    pub(super) command: Vec<String>,
    /// Where it runs, from the folder of `local.yaml`; default is that folder.
    #[serde(default)]
    pub(super) working_dir: Option<PathBuf>,
    /// Its environment, besides `PORT` and what the shell has.
    #[serde(default)]
    pub(super) env: BTreeMap<String, String>,
}

/// What to run for one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Command {
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) folder: PathBuf,
    /// What is added to the environment.
    pub(super) env: BTreeMap<String, String>,
}

impl Images {
    /// Reads a `local.yaml`.
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let read: Self = read(text)?;
        let mut empty = read.images.iter().filter(|(_, it)| it.command.is_empty());
        if let Some((image, _)) = empty.next() {
            let path = format!("images.{image}.command");
            let mistake = Mistake::new(path, "is empty; name a program");
            return Err(Error::Mistakes(vec![mistake]));
        }
        Ok(read)
    }
}

impl Image {
    /// The names of the extra ports that it asks for by `${PORT_name}`.
    pub(super) fn port_names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for text in self.command.iter().chain(self.env.values()) {
            for (_, name) in placeholders(text) {
                if let Some(name) = name
                    .strip_prefix("PORT_")
                    .filter(|name| !names.iter().any(|known| known == name))
                {
                    names.push(name.to_owned());
                }
            }
        }
        names
    }

    /// Replaces placeholders by values. `base` is the folder of `local.yaml`; `values` holds `PORT`, `DATA` and the like.
    pub(super) fn resolve(
        &self,
        base: &Path,
        values: &BTreeMap<String, String>,
    ) -> Result<Command> {
        let mut words = Vec::with_capacity(self.command.len());
        for word in &self.command {
            words.push(fill(word, values)?);
        }
        let mut words = words.into_iter();
        let program = words.next().expect("a parsed image has a command");
        let program = if program.contains('/') {
            base.join(program)
        } else {
            PathBuf::from(program)
        };
        let mut env = BTreeMap::new();
        for (key, text) in &self.env {
            env.insert(key.clone(), fill(text, values)?);
        }
        for (key, value) in values.iter().filter(|(key, _)| key.starts_with("PORT")) {
            env.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let folder = self
            .working_dir
            .as_ref()
            .map_or_else(|| base.to_owned(), |folder| base.join(folder));
        Ok(Command {
            program,
            arguments: words.collect(),
            folder,
            env,
        })
    }
}

/// The placeholders of a text, each with its range and its name.
fn placeholders(text: &str) -> Vec<(std::ops::Range<usize>, &str)> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(start) = text[from..].find("${").map(|at| from + at) {
        let Some(end) = text[start..].find('}').map(|at| start + at) else {
            break;
        };
        found.push((start..end + 1, &text[start + 2..end]));
        from = end + 1;
    }
    found
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut from = 0;
    for (range, name) in placeholders(text) {
        let value = values.get(name).with_context(|| {
            let placeholder = &text[range.clone()];
            format!("{placeholder} is not known here; write ${{PORT}}, ${{PORT_name}} or ${{DATA}}")
        })?;
        filled.push_str(&text[from..range.start]);
        filled.push_str(value);
        from = range.end;
    }
    filled.push_str(&text[from..]);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "
images:
  till.example/cash:1:
    command: [../bin/cash, --listen, '127.0.0.1:${PORT}', '--page=${PORT_page}']
    workingDir: run
    env: {CASH_DB: '${DATA}/cash.db'}
  till.example/snake:1:
    command: [python3, snake.py]
";

    fn values() -> BTreeMap<String, String> {
        [("PORT", "7001"), ("PORT_page", "7002"), ("DATA", "/data/x")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    }

    #[test]
    fn placeholders_get_their_values() {
        let images = Images::parse(TEXT).unwrap();
        let image = &images.images["till.example/cash:1"];
        assert_eq!(image.port_names(), ["page"]);
        let command = image.resolve(Path::new("/etc/till"), &values()).unwrap();
        assert_eq!(command.program, Path::new("/etc/till/../bin/cash"));
        assert_eq!(
            command.arguments,
            ["--listen", "127.0.0.1:7001", "--page=7002"]
        );
        assert_eq!(command.folder, Path::new("/etc/till/run"));
        assert_eq!(command.env["CASH_DB"], "/data/x/cash.db");
        assert_eq!(
            (
                command.env["PORT"].as_str(),
                command.env["PORT_page"].as_str()
            ),
            ("7001", "7002")
        );
    }

    #[test]
    fn a_program_without_a_slash_is_looked_up_in_the_path() {
        let images = Images::parse(TEXT).unwrap();
        let command = images.images["till.example/snake:1"]
            .resolve(Path::new("/etc/till"), &values())
            .unwrap();
        assert_eq!(
            (command.program.as_path(), command.folder.as_path()),
            (Path::new("python3"), Path::new("/etc/till"))
        );
    }

    #[test]
    fn mistakes_name_their_place() {
        let cases = [
            ("images: {a: {command: []}}", "images.a.command: is empty"),
            (
                "images: {a: {command: [x], workngDir: b}}",
                "images.a.workngDir: is not a known key; did you mean workingDir?",
            ),
        ];
        for (text, expected) in cases {
            let error = Images::parse(text).unwrap_err().to_string();
            assert!(
                error.contains(expected),
                "{error:?} does not say {expected:?}"
            );
        }
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let image = Image {
            command: vec!["x".into(), "${HOME}".into()],
            working_dir: None,
            env: BTreeMap::new(),
        };
        let error = image.resolve(Path::new("/"), &values()).unwrap_err();
        assert!(error.to_string().starts_with("${HOME} is not known here"));
    }
}
