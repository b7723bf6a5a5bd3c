//! `local.yaml`: the commands that a machine runs in place of images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use angzarr_config::secret::Secret;
use angzarr_config::{Error, Mistake, nearest, read_value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Maps container images to commands of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Images {
    /// The images by their full names, as the resources write them.
    pub(super) images: BTreeMap<String, Image>,
    /// The Secrets that resources name, each with its keys; only what is run as declared reads them.
    pub(super) secrets: BTreeMap<String, BTreeMap<String, Secret>>,
}

/// What stands for an image.
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

/// A placeholder without a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "${{{0}}} is not known here; write ${{PORT}}, ${{PORT_name}} or ${{DATA}}, or $${{{0}}} for the text itself"
)]
pub(super) struct Unknown(pub String);

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
    ///
    /// # Errors
    /// Every mistake in it.
    pub(super) fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let value: Value = serde_saphyr::from_str(text).map_err(|error| {
            // The library shows the lines around the mistake below its sentence.
            let said = error.to_string();
            let sentence = said.lines().next().unwrap_or_default();
            vec![Mistake::new("", format!("is not valid YAML: {sentence}"))]
        })?;
        let mut reader = Reader::default();
        let images = match value {
            Value::Null => reader.images(&Map::new()),
            Value::Object(keys) => reader.images(&keys),
            _ => {
                reader.report("", "must be a mapping with the key images");
                Self::default()
            }
        };
        if reader.mistakes.is_empty() {
            Ok(images)
        } else {
            Err(reader.mistakes)
        }
    }
}

/// Reads values and collects the mistakes in them.
#[derive(Default)]
struct Reader {
    mistakes: Vec<Mistake>,
}

impl Reader {
    fn report(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.mistakes.push(Mistake::new(path, message));
    }

    fn images(&mut self, keys: &Map<String, Value>) -> Images {
        const KEYS: [&str; 2] = ["images", "secrets"];
        for key in keys.keys().filter(|key| !KEYS.contains(&key.as_str())) {
            let hint = nearest(key, &KEYS).map_or_else(
                || format!("known are {}", KEYS.join(", ")),
                |near| format!("did you mean {near}?"),
            );
            self.report(key, format!("is not a known key; {hint}"));
        }
        let mut read = Images::default();
        match keys.get("images") {
            Some(Value::Object(images)) => {
                for (name, value) in images {
                    let image = self.image(&format!("images.{name}"), value);
                    read.images
                        .extend(image.map(|image| (name.clone(), image)));
                }
            }
            None | Some(Value::Null) => self.report(
                "images",
                "is missing; map each image of the resources to a command, such as images: {shop/cart:1: {command: [./cart]}}",
            ),
            Some(_) => self.report("images", "must be a mapping of images to commands"),
        }
        if let Some(secrets) = keys.get("secrets").filter(|secrets| !secrets.is_null()) {
            read.secrets = self.typed("secrets", secrets).unwrap_or_default();
        }
        read
    }

    fn image(&mut self, path: &str, value: &Value) -> Option<Image> {
        let image: Image = self.typed(path, value)?;
        if image.command.first().is_none_or(String::is_empty) {
            self.report(format!("{path}.command"), "is empty; name a program");
            return None;
        }
        let words = image.command.iter().enumerate();
        let words = words.map(|(index, word)| (format!("{path}.command[{index}]"), word));
        let env = image.env.iter();
        let env = env.map(|(name, text)| (format!("{path}.env.{name}"), text));
        for (place, text) in words.chain(env) {
            let unknown = names(text).filter(|name| !is_known(name));
            for name in unknown {
                self.report(&place, Unknown(name.to_owned()).to_string());
            }
        }
        Some(image)
    }

    fn typed<T: DeserializeOwned + Serialize>(&mut self, path: &str, value: &Value) -> Option<T> {
        let mistakes = match read_value(value) {
            Ok(read) => return Some(read),
            Err(Error::Mistakes(mistakes)) => mistakes,
            Err(syntax @ Error::Syntax(_)) => vec![Mistake::new(".", syntax.to_string())],
        };
        for Mistake {
            path: within,
            message,
            ..
        } in mistakes
        {
            let place = match within.as_str() {
                "." => path.to_owned(),
                within => format!("{path}.{within}"),
            };
            self.report(place, message);
        }
        None
    }
}

impl Image {
    /// The names of the extra ports that it asks for by `${PORT_name}`.
    pub(super) fn port_names(&self) -> Vec<String> {
        let mut found = Vec::new();
        for text in self.command.iter().chain(self.env.values()) {
            for name in names(text).filter_map(|name| name.strip_prefix("PORT_")) {
                if !found.iter().any(|known| known == name) {
                    found.push(name.to_owned());
                }
            }
        }
        found
    }

    /// Puts values in the place of placeholders. `base` is the folder of `local.yaml`; `values` holds `PORT`, `DATA` and the like.
    ///
    /// # Errors
    /// [`Unknown`] for a placeholder without a value.
    pub(super) fn resolve(
        &self,
        base: &Path,
        values: &BTreeMap<String, String>,
    ) -> Result<Command, Unknown> {
        let mut words = Vec::with_capacity(self.command.len());
        for word in &self.command {
            words.push(fill(word, values)?);
        }
        let mut words = words.into_iter();
        let program = words.next().expect("a parsed image has a command");
        let mut env = BTreeMap::new();
        for (key, text) in &self.env {
            env.insert(key.clone(), fill(text, values)?);
        }
        for (key, value) in values.iter().filter(|(key, _)| key.starts_with("PORT")) {
            env.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Ok(Command {
            program: program_from(base, &program),
            arguments: words.collect(),
            folder: self.folder(base),
            env,
        })
    }

    /// Where it runs.
    pub(super) fn folder(&self, base: &Path) -> PathBuf {
        let named = self.working_dir.as_ref();
        named.map_or_else(|| base.to_owned(), |folder| base.join(folder))
    }
}

/// A program with a `/` is looked up from the folder of `local.yaml`.
pub(super) fn program_from(base: &Path, program: &str) -> PathBuf {
    if program.contains('/') {
        base.join(program)
    } else {
        PathBuf::from(program)
    }
}

/// Whether a text has placeholders.
pub(super) fn has_placeholders(text: &str) -> bool {
    names(text).next().is_some()
}

/// A part of a text.
enum Piece<'a> {
    /// It stays as it is.
    Text(&'a str),
    /// A value takes its place.
    Placeholder(&'a str),
}

/// The parts of a text: `${name}` is a placeholder, and `$${` is the text `${`.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        if let Some(before) = rest[..at].strip_suffix('$') {
            found.extend([Piece::Text(before), Piece::Text("${")]);
            rest = &rest[at + 2..];
            continue;
        }
        let Some(length) = rest[at..].find('}') else {
            break;
        };
        found.push(Piece::Text(&rest[..at]));
        found.push(Piece::Placeholder(&rest[at + 2..at + length]));
        rest = &rest[at + length + 1..];
    }
    found.push(Piece::Text(rest));
    found
}

/// The names of the placeholders of a text.
fn names(text: &str) -> impl Iterator<Item = &str> {
    pieces(text).into_iter().filter_map(|piece| match piece {
        Piece::Placeholder(name) => Some(name),
        Piece::Text(_) => None,
    })
}

fn is_known(name: &str) -> bool {
    let is_port = name
        .strip_prefix("PORT_")
        .is_some_and(|port| !port.is_empty());
    is_port || matches!(name, "PORT" | "DATA")
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, Unknown> {
    let mut filled = String::with_capacity(text.len());
    for piece in pieces(text) {
        filled.push_str(match piece {
            Piece::Text(text) => text,
            Piece::Placeholder(name) => {
                let value = values.get(name);
                value.ok_or_else(|| Unknown(name.to_owned()))?
            }
        });
    }
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
    fn mistakes_name_their_place_and_all_are_found() {
        let cases = [
            ("images: {a: {command: []}}", "images.a.command: is empty"),
            (
                "images: {a: {command: [x], workngDir: b}}",
                "images.a.workngDir: is not a known key; did you mean workingDir?",
            ),
            (
                "images: {a: {command: 3}}",
                "images.a.command: invalid type",
            ),
            (
                "imges: {}",
                "imges: is not a known key; did you mean images?",
            ),
            ("", "images: is missing; map each image"),
            ("images:\n", "images: is missing; map each image"),
            ("images: [a]", "images: must be a mapping"),
            ("[a]", "must be a mapping with the key images"),
            ("images: {", "is not valid YAML"),
            (
                "images: {a: {command: [x, '${HOME}/y']}}",
                "images.a.command[1]: ${HOME} is not known here; write ${PORT}, ${PORT_name} or ${DATA}, or $${HOME} for the text itself",
            ),
            (
                "images: {a: {command: [x], env: {Y: '${PORT_}'}}}",
                "images.a.env.Y: ${PORT_} is not known here",
            ),
        ];
        for (text, expected) in cases {
            let mistakes = Images::parse(text).unwrap_err();
            let said: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            assert!(
                said.iter().any(|line| line.contains(expected)),
                "{said:?} does not say {expected:?}"
            );
        }
        let both = Images::parse("images: {a: {command: []}, b: {command: 3}}").unwrap_err();
        assert_eq!(both.len(), 2);
    }

    #[test]
    fn a_doubled_dollar_writes_a_placeholder_as_text() {
        let text =
            "images: {a: {command: [sh, -c, 'echo $${HOME} $$ ${PORT}'], env: {A: '$${PORT_x}'}}}";
        let images = Images::parse(text).unwrap();
        let image = &images.images["a"];
        assert!(image.port_names().is_empty());
        let command = image.resolve(Path::new("/"), &values()).unwrap();
        assert_eq!(command.arguments[1], "echo ${HOME} $$ 7001");
        assert_eq!(command.env["A"], "${PORT_x}");
    }

    #[test]
    fn an_unknown_placeholder_is_named() {
        let image = Image {
            command: vec!["x".into(), "${HOME}".into()],
            working_dir: None,
            env: BTreeMap::new(),
        };
        assert_eq!(
            image.resolve(Path::new("/"), &values()),
            Err(Unknown("HOME".into()))
        );
    }
}
