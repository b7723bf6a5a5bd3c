//! The settings of a sidecar at its start: the environment and the boot document, read once in `main`.

use std::ffi::OsString;
use std::path::PathBuf;

use angzarr_config::endpoint::{Endpoint, NotAnAddress};
use angzarr_config::{Boot, handwritten};
use tracing_subscriber::filter::Targets;

/// The variable that names the boot document, or a file written by hand.
pub const CONFIG: &str = "ANGZARR_CONFIG";
/// The variable that names the routing document, or the folder that holds it.
pub const ROUTING: &str = "ANGZARR_ROUTING";
/// The variable that says what is logged.
pub const LOG: &str = "ANGZARR_LOG";
/// The variable that says how logs look.
pub const LOG_FORMAT: &str = "ANGZARR_LOG_FORMAT";
/// The variable that says where other sidecars reach this one.
pub const SERVICE_ENDPOINT: &str = "ANGZARR_SERVICE_ENDPOINT";
/// The variable that lets a sidecar start closed.
pub const START_CLOSED: &str = "ANGZARR_START_CLOSED";

const DEFAULT_CONFIG: &str = "/etc/angzarr/config.yaml";
const DEFAULT_LOG: &str = "info";
/// The library of the metrics tells of its own parts at `info`; anyone who wants that can say so.
const QUIET: &str = "opentelemetry=warn";

/// The settings of a sidecar at its start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The boot document.
    pub boot: Boot,
    /// The routing document, or the folder that holds it; absent knows nobody else. See [`crate::routing_file`].
    pub routing: Option<PathBuf>,
    /// Where other sidecars reach this one; is written in leases. Absent, that is the address on which it listens.
    pub service_endpoint: Option<Endpoint>,
    /// Whether commands of clients are refused until the sidecar is opened.
    pub starts_closed: bool,
    /// What is logged, and how.
    pub log: LogSettings,
}

/// What is logged, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct LogSettings {
    /// Which modules say how much.
    pub filter: Targets,
    /// How it looks.
    pub format: LogFormat,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// Text on a terminal, else JSON.
    #[default]
    Auto,
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// A setting that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error(
        "read the configuration {path}; set {CONFIG} to a readable boot document",
        path = path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The boot document has mistakes.
    #[error("the configuration {path} (from {CONFIG}) cannot be used", path = path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Each mistake.
        source: angzarr_config::Error,
    },
    /// The routing document is not where it was said to be.
    #[error(
        "{ROUTING} names {path}, which does not exist; name a routing document or its folder, or unset it",
        path = path.display()
    )]
    NoRouting {
        /// The file or folder.
        path: PathBuf,
    },
    /// The address of this sidecar is none.
    #[error("{SERVICE_ENDPOINT} cannot be used")]
    Endpoint(#[source] NotAnAddress),
    /// The filter of the logs is none.
    #[error(
        "{LOG} is {value:?}; write a level such as info, or levels per module such as angzarr_sidecar=debug,warn"
    )]
    LogFilter {
        /// What was given.
        value: String,
        /// Why it is none.
        source: tracing_subscriber::filter::ParseError,
    },
    /// A variable has a value that it does not know.
    #[error("{variable} is {value:?}; write {allowed}")]
    Value {
        /// The variable.
        variable: &'static str,
        /// What was given.
        value: String,
        /// What may be given.
        allowed: &'static str,
    },
}

impl Settings {
    /// Reads the settings of this process.
    ///
    /// # Errors
    /// [`Error`] names the variable and what to write instead.
    pub fn read() -> Result<Self, Error> {
        Self::from_variables(&|name| std::env::var_os(name))
    }

    /// Reads the settings with the given look-up of variables; an empty variable counts as absent.
    ///
    /// # Errors
    /// As those of [`Settings::read`].
    pub fn from_variables(lookup: &dyn Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let given = |name| lookup(name).filter(|value| !value.is_empty());
        let text = |name| given(name).map(|value| value.to_string_lossy().into_owned());
        let log = read_log(text(LOG), text(LOG_FORMAT))?;
        let starts_closed = read_flag(START_CLOSED, text(START_CLOSED))?;
        let service_endpoint = text(SERVICE_ENDPOINT)
            .map(Endpoint::try_from)
            .transpose()
            .map_err(Error::Endpoint)?;
        let routing = given(ROUTING).map(PathBuf::from);
        if let Some(path) = routing.as_ref().filter(|path| !path.exists()) {
            return Err(Error::NoRouting { path: path.clone() });
        }
        let config = given(CONFIG).map_or_else(|| PathBuf::from(DEFAULT_CONFIG), PathBuf::from);
        Ok(Self {
            boot: read_boot(config)?,
            routing,
            service_endpoint,
            starts_closed,
            log,
        })
    }
}

fn read_boot(path: PathBuf) -> Result<Boot, Error> {
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(Error::Unreadable { path, source }),
    };
    handwritten::parse(&text).map_err(|source| Error::Document { path, source })
}

fn read_log(filter: Option<String>, format: Option<String>) -> Result<LogSettings, Error> {
    let value = filter.unwrap_or_else(|| DEFAULT_LOG.to_owned());
    let filter = match format!("{QUIET},{value}").parse() {
        Ok(filter) => filter,
        Err(source) => return Err(Error::LogFilter { value, source }),
    };
    let format = match format.as_deref() {
        None | Some("auto") => LogFormat::Auto,
        Some("text") => LogFormat::Text,
        Some("json") => LogFormat::Json,
        Some(other) => {
            return Err(Error::Value {
                variable: LOG_FORMAT,
                value: other.to_owned(),
                allowed: "auto, text or json",
            });
        }
    };
    Ok(LogSettings { filter, format })
}

fn read_flag(variable: &'static str, value: Option<String>) -> Result<bool, Error> {
    match value.as_deref() {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(other) => Err(Error::Value {
            variable,
            value: other.to_owned(),
            allowed: "true or false",
        }),
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::path::Path;

    use tracing::Level;

    use super::*;

    const HANDWRITTEN: &str = "
storage: {type: sqlite, path: ./events.db}
bus: {type: direct}
business_logic:
  - {domain: heron, address: localhost:50051}
";

    fn read(folder: &Path, variables: &[(&str, &str)]) -> Result<Settings, Error> {
        let config = folder.join("config.yaml");
        if !config.exists() {
            std::fs::write(&config, HANDWRITTEN).unwrap();
        }
        let lookup = |name: &str| match variables.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => Some(OsString::from(value)),
            None if name == CONFIG => Some(config.clone().into_os_string()),
            None => None,
        };
        Settings::from_variables(&lookup)
    }

    #[test]
    fn a_file_by_hand_is_enough() {
        let folder = tempfile::tempdir().unwrap();
        let settings = read(folder.path(), &[(LOG, "")]).unwrap();
        assert_eq!(settings.boot.components.len(), 1);
        assert_eq!(settings.routing, None);
        assert_eq!(settings.service_endpoint, None);
        assert!(!settings.starts_closed);
        let says = |level| settings.log.filter.would_enable("angzarr_sidecar", &level);
        assert!(says(Level::INFO) && !says(Level::DEBUG));
        assert_eq!(settings.log.format, LogFormat::Auto);
    }

    #[test]
    fn variables_are_read_into_types() {
        let folder = tempfile::tempdir().unwrap();
        let routing = folder.path().display().to_string();
        let variables = [
            (ROUTING, routing.as_str()),
            (LOG, "angzarr_sidecar=debug,warn"),
            (LOG_FORMAT, "json"),
            (SERVICE_ENDPOINT, "heron-0.heron:9000"),
            (START_CLOSED, "true"),
        ];
        let settings = read(folder.path(), &variables).unwrap();
        assert_eq!(settings.routing.as_deref(), Some(folder.path()));
        let endpoint = settings.service_endpoint.unwrap();
        assert_eq!(endpoint.as_str(), "http://heron-0.heron:9000");
        assert!(settings.starts_closed);
        assert_eq!(settings.log.format, LogFormat::Json);
    }

    #[test]
    fn a_wrong_value_names_its_variable_and_what_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            (CONFIG, "/nowhere/config.yaml", "readable boot document"),
            (ROUTING, "/nowhere", "name a routing document"),
            (LOG, "angzarr=loudest", "write a level such as info"),
            (LOG_FORMAT, "xml", "auto, text or json"),
            (START_CLOSED, "yes", "true or false"),
            (SERVICE_ENDPOINT, "heron", "cannot be used"),
        ];
        for (variable, value, fix) in cases {
            let error = read(folder.path(), &[(variable, value)]).unwrap_err();
            let said = error.to_string();
            assert!(said.contains(variable), "{said}");
            assert!(said.contains(fix), "{said}");
        }
    }

    #[test]
    fn a_mistake_in_the_document_is_named_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = HANDWRITTEN.replace("domain: heron", "domian: heron");
        std::fs::write(folder.path().join("config.yaml"), wrong).unwrap();
        let error = read(folder.path(), &[]).unwrap_err();
        assert!(error.to_string().contains("config.yaml"), "{error}");
        let mistake = error.source().unwrap().to_string();
        assert!(mistake.contains("domain"), "{mistake}");
    }
}
