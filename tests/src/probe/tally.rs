//! The fold of the events of a root: their number, and a hash chain over their content, so that an event shows the history that it was computed from.

use std::hash::{DefaultHasher, Hasher};

use angzarr_proto::v1;
use prost_types::Any;

use super::any;

/// The state of a root of the counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// The number of events.
    pub count: u64,
    chain: u64,
}

impl Tally {
    /// Decodes a state.
    pub fn read(state: &Any) -> Self {
        Self {
            count: word(&state.value, 0),
            chain: word(&state.value, 1),
        }
    }

    /// Encodes the state.
    pub fn write(&self) -> Any {
        any("Count", words(self.count, self.chain))
    }

    /// Creates the next event, with a note.
    pub fn add(&mut self, note: &[u8]) -> Any {
        let before = self.count;
        *self = self.with(note);
        let mut value = words(before, self.chain);
        value.extend_from_slice(note);
        any("Added", value)
    }

    /// Applies the next event.
    ///
    /// # Errors
    /// When it was not computed from exactly the events before.
    pub fn take(&mut self, event: &Any) -> Result<(), String> {
        if event.value.len() < 16 {
            return Err("the event is none of the counter's".to_owned());
        }
        let after = self.with(note(event));
        if number(event) != self.count || word(&event.value, 1) != after.chain {
            return Err(format!(
                "the event after {} others was computed from {} others",
                self.count,
                number(event)
            ));
        }
        *self = after;
        Ok(())
    }

    /// Folds the snapshot and the pages of a book.
    ///
    /// # Errors
    /// When the book is not the whole history of its root.
    pub fn of(book: &v1::EventBook) -> Result<Self, String> {
        let mut tally = Self::default();
        if let Some(snapshot) = &book.snapshot {
            tally = Self::read(snapshot.state.as_ref().ok_or("a snapshot without state")?);
            if tally.count != u64::from(snapshot.sequence) + 1 {
                return Err("the snapshot is not the state after its sequence".to_owned());
            }
        }
        for page in &book.pages {
            let next = u32::try_from(tally.count).map_err(|_| "too many events")?;
            if page.sequence != Some(v1::event_page::Sequence::Num(next)) {
                return Err(format!("the history has a gap before {next}"));
            }
            tally.take(page.event.as_ref().ok_or("a page without event")?)?;
        }
        if tally.count != u64::from(book.next_sequence) {
            return Err("the history is not whole".to_owned());
        }
        Ok(tally)
    }

    fn with(&self, note: &[u8]) -> Self {
        // Its keys are fixed, so that every process makes the same chain.
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.chain);
        hasher.write(note);
        Self {
            count: self.count + 1,
            chain: hasher.finish(),
        }
    }
}

/// The number in an event or a state.
pub fn number(any: &Any) -> u64 {
    word(&any.value, 0)
}

/// The note in an event of the counter.
pub fn note(event: &Any) -> &[u8] {
    &event.value[16..]
}

fn word(bytes: &[u8], index: usize) -> u64 {
    u64::from_le_bytes(bytes[index * 8..][..8].try_into().unwrap())
}

fn words(first: u64, second: u64) -> Vec<u8> {
    [first.to_le_bytes(), second.to_le_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_of_another_history_is_refused() {
        let (mut one, mut other) = (Tally::default(), Tally::default());
        let first = one.add(b"a");
        other.add(b"b");
        let second = other.add(b"c");
        let mut reader = Tally::default();
        assert_eq!(reader.take(&first), Ok(()));
        assert!(reader.take(&second).is_err());
        assert!(reader.take(&first).is_err());
        assert_eq!(reader, one);
        assert_eq!(Tally::read(&one.write()), one);
    }
}
