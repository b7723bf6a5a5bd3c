//! Texts that are never shown.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

/// A text with credentials. It is read from configuration, and never shown: neither by `Debug` nor in a written document.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

const SHOWN: &str = "(secret)";

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for anyone who needs it to connect.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHOWN)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(SHOWN)
    }
}

/// Removes what is between `://` and `@` from a message that may repeat a value as it was written.
pub(crate) fn redact(message: &str) -> String {
    let mut shown = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(at) = rest.find("://").map(|at| at + "://".len()) {
        shown.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest
            .find(|c: char| c.is_whitespace() || c == '"' || c == '`')
            .unwrap_or(rest.len());
        if let Some(credentials) = rest[..end].rfind('@') {
            shown.push_str(SHOWN);
            rest = &rest[credentials..];
        }
    }
    shown.push_str(rest);
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_shown_by_nobody() {
        let secret = Secret::new("postgres://till:sesame@db/till");
        let written = serde_json::to_string(&secret).unwrap_or_default();
        assert!(!format!("{secret:?}{written}").contains("sesame"));
        assert_eq!(secret.reveal(), "postgres://till:sesame@db/till");
    }

    #[test]
    fn credentials_are_cut_out_of_messages() {
        let cases = [
            (
                "invalid type: string \"postgres://till:se@same@db/till\", expected a map",
                "invalid type: string \"postgres://(secret)@db/till\", expected a map",
            ),
            (
                "see http://example/a and b@c",
                "see http://example/a and b@c",
            ),
        ];
        for (message, shown) in cases {
            assert_eq!(redact(message), shown);
        }
    }
}
