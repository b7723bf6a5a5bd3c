//! Which part of a source is done without a hole: appends end in any order, the cursor moves in one.

use std::collections::VecDeque;

use crate::model::{AppendId, Position};

/// Follows the appends of one source that are under way.
#[derive(Debug, Default)]
pub(super) struct Prefix {
    running: VecDeque<Running>,
}

#[derive(Debug)]
struct Running {
    last: Position,
    id: AppendId,
    is_done: bool,
}

impl Prefix {
    /// How many appends were received since the end of what is done without a hole.
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    /// Notes an append that was received; positions ascend.
    pub(super) fn begin(&mut self, last: Position, id: AppendId) {
        debug_assert!(self.running.back().is_none_or(|other| other.last < last));
        self.running.push_back(Running {
            last,
            id,
            is_done: false,
        });
    }

    /// Notes that the append that ends at a position is done.
    pub(super) fn finish(&mut self, last: Position) {
        if let Ok(place) = self.running.binary_search_by_key(&last, |other| other.last) {
            self.running[place].is_done = true;
        }
    }

    /// Takes off what is done without a hole and returns where it ends, if that is further than before.
    pub(super) fn advance(&mut self) -> Option<(Position, AppendId)> {
        let mut end = None;
        while let Some(first) = self.running.front()
            && first.is_done
        {
            end = Some((first.last, first.id));
            self.running.pop_front();
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_end_is_always_that_of_the_longest_run_without_a_hole(
            sizes in proptest::collection::vec(1u64..5, 1..40),
            seed in proptest::collection::vec(any::<u16>(), 40),
        ) {
            let mut prefix = Prefix::default();
            let mut lasts = Vec::new();
            let mut last = 0;
            for size in &sizes {
                last += size;
                lasts.push(Position(last));
                prefix.begin(Position(last), AppendId::random());
            }
            let mut order: Vec<usize> = (0..lasts.len()).collect();
            order.sort_by_key(|place| seed[*place]);
            let mut done = vec![false; lasts.len()];
            let mut reached = None;
            for place in order {
                done[place] = true;
                prefix.finish(lasts[place]);
                if let Some((end, _)) = prefix.advance() {
                    prop_assert!(Some(end) > reached, "it moves forwards only");
                    reached = Some(end);
                }
                let expected = done.iter().take_while(|done| **done).count().checked_sub(1).map(|place| lasts[place]);
                prop_assert_eq!(reached, expected);
            }
        }
    }
}
