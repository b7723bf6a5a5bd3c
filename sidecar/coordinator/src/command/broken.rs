//! Calls to the logic that broke or ran out of time, each reported once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::model::{Command, CommandId, StreamId};
use crate::port::logic;

/// How many commands are remembered; one that was forgotten is reported again.
const REMEMBERED: usize = 256;

/// The commands whose calls were reported, the latest last.
#[derive(Debug, Default)]
pub(super) struct BrokenCalls(Mutex<VecDeque<(StreamId, CommandId)>>);

impl BrokenCalls {
    /// Logs a call that broke, unless the command is a repeat of one that was reported.
    pub(super) fn report(&self, command: &Command, error: &logic::Error) {
        let logic::Error::Broken(reason) = error else {
            return;
        };
        let (stream, id) = (&command.stream, &command.id);
        if self.is_news(stream, id) {
            tracing::warn!(
                domain = %stream.domain, root = %stream.root, command_id = id.as_str(), correlation_id = %command.correlation_id, reason,
                "a call to the logic broke; nothing was stored, and the client may repeat the command with the same id"
            );
        }
    }

    /// Remembers a command; returns whether it was not known.
    fn is_news(&self, stream: &StreamId, id: &CommandId) -> bool {
        // Entries are added and removed whole, so a panic elsewhere spoils nothing.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.iter().any(|(of, known)| known == id && of == stream) {
            return false;
        }
        if known.len() >= REMEMBERED {
            known.pop_front();
        }
        known.push_back((stream.clone(), id.clone()));
        true
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::{Domain, Edition, Root};

    #[test]
    fn a_command_is_news_once_and_what_is_remembered_is_bounded() {
        let stream = StreamId {
            domain: Domain::parse("reed").unwrap(),
            edition: Edition::Main,
            root: Root(Uuid::from_u128(1)),
        };
        let broken = BrokenCalls::default();
        let is_news = |id: usize| {
            let id = CommandId::parse(&format!("c{id}")).unwrap();
            broken.is_news(&stream, &id)
        };
        assert!(is_news(0));
        assert!(!is_news(0));
        assert!((1..=REMEMBERED).all(is_news));
        assert_eq!(broken.0.lock().unwrap().len(), REMEMBERED);
        assert!(!is_news(REMEMBERED));
        assert!(is_news(0));
    }
}
