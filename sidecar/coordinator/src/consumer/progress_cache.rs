//! The progress of the roots that a consumer used last, bounded in bytes.

use lru::LruCache;

use crate::model::{Sequence, StreamId};
use crate::port::progress::RootProgress;

/// What an entry takes besides the texts that it holds: key and value, and the links and the slot of the table.
const ENTRY_BYTES: usize = size_of::<StreamId>() + size_of::<RootProgress>() + 64;

/// Keeps what was used last; the rest is in the store.
pub(super) struct ProgressCache {
    entries: LruCache<StreamId, RootProgress>,
    bytes: usize,
    max_bytes: usize,
}

impl ProgressCache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            entries: LruCache::unbounded(),
            bytes: 0,
            max_bytes,
        }
    }

    pub(super) fn get(&mut self, stream: &StreamId) -> Option<RootProgress> {
        self.entries.get(stream).cloned()
    }

    /// Keeps the progress of a root in place of what was known of it, and drops what was unused longest.
    pub(super) fn insert(&mut self, stream: StreamId, progress: RootProgress) {
        self.bytes += size(&stream, &progress);
        if let Some((stream, replaced)) = self.entries.push(stream, progress) {
            self.bytes -= size(&stream, &replaced);
        }
        while self.bytes > self.max_bytes {
            let Some((stream, dropped)) = self.entries.pop_lru() else {
                break;
            };
            self.bytes -= size(&stream, &dropped);
        }
    }

    /// Moves a root on if it is kept: only the store knows whether another one is parked.
    pub(super) fn advance(&mut self, stream: &StreamId, next: Sequence) {
        if let Some(progress) = self.entries.get_mut(stream) {
            progress.next_sequence = Some(next);
        }
    }
}

fn size(stream: &StreamId, progress: &RootProgress) -> usize {
    let names = stream.domain.as_str().len() + stream.edition.as_str().len();
    let error = progress
        .parked
        .as_ref()
        .map_or(0, |parked| parked.error.size());
    ENTRY_BYTES + names + error
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::model::{Code, Domain, Edition, Root, Status};
    use crate::port::progress::Parked;

    fn stream(number: u128) -> StreamId {
        StreamId {
            domain: Domain::parse("till").unwrap(),
            edition: Edition::Main,
            root: Root(Uuid::from_u128(number)),
        }
    }

    fn parked(text: usize) -> RootProgress {
        RootProgress {
            next_sequence: Some(Sequence(1)),
            parked: Some(Parked {
                sequence: Sequence(1),
                attempts: 1,
                error: Status::new(Code::Internal, "x".repeat(text)),
            }),
        }
    }

    fn measured(cache: &ProgressCache) -> usize {
        let entries = cache.entries.iter();
        entries
            .map(|(stream, progress)| size(stream, progress))
            .sum()
    }

    #[test]
    fn what_was_unused_longest_goes_first() {
        let plain = RootProgress::default();
        let mut cache = ProgressCache::new(3 * size(&stream(1), &plain));
        for number in 1..=3 {
            cache.insert(stream(number), plain.clone());
        }
        assert!(cache.get(&stream(1)).is_some());
        cache.insert(stream(4), plain);
        let kept = [1, 2, 3, 4].map(|number| cache.get(&stream(number)).is_some());
        assert_eq!(kept, [true, false, true, true]);
    }

    #[test]
    fn the_text_of_a_parked_root_counts() {
        let plain = RootProgress::default();
        let mut cache = ProgressCache::new(3 * size(&stream(1), &plain) + 100);
        for number in 1..=3 {
            cache.insert(stream(number), plain.clone());
        }
        cache.insert(stream(3), parked(101));
        let kept = [1, 2, 3].map(|number| cache.get(&stream(number)).is_some());
        assert_eq!(kept, [false, true, true]);
        cache.insert(stream(2), parked(10_000));
        assert_eq!(cache.get(&stream(2)), None, "larger than the cache");
        assert_eq!(cache.bytes, 0);
    }

    #[test]
    fn only_a_root_that_is_kept_moves_on() {
        let mut cache = ProgressCache::new(1_000);
        cache.advance(&stream(1), Sequence(5));
        assert_eq!(cache.get(&stream(1)), None);
        cache.insert(stream(1), parked(3));
        cache.advance(&stream(1), Sequence(5));
        let moved = cache.get(&stream(1)).unwrap();
        assert_eq!(moved.next_sequence, Some(Sequence(5)));
        assert!(moved.parked.is_some());
    }

    proptest! {
        #[test]
        fn the_bound_in_bytes_holds(inserts in prop::collection::vec((0_u128..20, 0_usize..500), 1..100)) {
            let mut cache = ProgressCache::new(2_000);
            for (number, text) in inserts {
                cache.insert(stream(number), parked(text));
                prop_assert!(cache.bytes <= cache.max_bytes);
                prop_assert_eq!(cache.bytes, measured(&cache));
            }
        }
    }
}
