//! What `angzarr-sidecar store` leaves for the operator: a termination message, as JSON.

use serde::{Deserialize, Serialize};

/// The longest sentence, in bytes: a termination message holds 4,096.
const LONGEST: usize = 3_000;

/// What became of the tables of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "outcome",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Prepared {
    /// They can be used.
    Ready {
        /// The id of the store.
        store_id: String,
        /// The format of its tables.
        format: i32,
    },
    /// They cannot.
    Failed {
        /// What kind of failure it is.
        failure: Failure,
        /// What to do, for people.
        sentence: String,
    },
}

/// A kind of failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Failure {
    /// The server did not answer.
    Unreachable,
    /// The tables are missing or too old, and may only be looked at.
    Outdated,
    /// There is another store than the expected one, or none.
    OtherStore,
    /// Anything else, such as a missing right.
    Refused,
}

impl Prepared {
    /// A failure, with as much of its sentence as there is room for.
    pub fn failed(failure: Failure, mut sentence: String) -> Self {
        sentence.truncate(sentence.floor_char_boundary(LONGEST));
        Self::Failed { failure, sentence }
    }

    /// Reads a termination message; `None` if it is none of these.
    pub fn read(message: &str) -> Option<Self> {
        serde_json::from_str(message).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_of_any_length_fits_a_termination_message() {
        let failed = Prepared::failed(Failure::Refused, "ä\"".repeat(5_000));
        let text = serde_json::to_string(&failed).unwrap();
        assert!(text.len() <= 4_096, "{}", text.len());
        assert_eq!(Prepared::read(&text), Some(failed));
        assert_eq!(Prepared::read("Killed"), None);
    }
}
