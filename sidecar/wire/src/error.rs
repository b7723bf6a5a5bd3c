//! What is wrong with a message, in words for its sender.

/// The longest text that a message repeats in full.
const QUOTED_BYTES: usize = 100;

/// Quotes a text of somebody else, at most the beginning, with a mark that it was cut.
pub fn quote(text: &str) -> String {
    if text.len() <= QUOTED_BYTES {
        return format!("{text:?}");
    }
    let end = text.floor_char_boundary(QUOTED_BYTES);
    format!("{:?}...[cut: it has {} bytes]", &text[..end], text.len())
}

/// A message that breaks the contract. The texts hold of the sender's values at most the beginning, as [`quote`] writes them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A field is missing or has a value that it may not have.
    #[error("{field} {rule}")]
    Invalid {
        /// The path of the field, such as `cover.root`.
        field: String,
        /// What it must be, and what it was.
        rule: String,
    },
    /// A value of the contract that this version does not serve yet.
    #[error("{field} {rule}")]
    Unsupported {
        /// The path of the field.
        field: String,
        /// What is not served, and what is.
        rule: String,
    },
}

impl Error {
    pub(crate) fn invalid(field: impl Into<String>, rule: impl ToString) -> Self {
        Self::Invalid {
            field: field.into(),
            rule: rule.to_string(),
        }
    }

    pub(crate) fn unsupported(field: impl Into<String>, rule: impl ToString) -> Self {
        Self::Unsupported {
            field: field.into(),
            rule: rule.to_string(),
        }
    }
}
