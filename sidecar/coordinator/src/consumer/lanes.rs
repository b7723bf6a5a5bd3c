//! What one source has brought of each root, in order: one delivery under way, and what waits behind it. Pure.

use std::collections::{HashMap, VecDeque};

use super::attempt::Unit;
use crate::model::{Append, Position, Sequence, StreamId};

/// The roots of which something is under way.
#[derive(Debug, Default)]
pub(super) struct Lanes(HashMap<StreamId, Lane>);

/// What waits behind the delivery of a root.
#[derive(Debug, Default)]
struct Lane {
    /// Whether the delivery takes long: then only places are kept.
    is_slow: bool,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
enum Waiting {
    Held(Append),
    Place(Place),
}

/// Where an append stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    last: Position,
    next: Sequence,
}

impl Place {
    fn of(append: &Append) -> Self {
        Self {
            last: append.last_position,
            next: append.next_sequence(),
        }
    }
}

/// What becomes of an append that a source brought.
#[derive(Debug)]
pub(super) enum Pushed {
    /// It is to be delivered now.
    Due(Append),
    /// It waits behind another of its root, and is held.
    Held,
    /// It waits, and only its place is kept.
    Placed,
}

impl Lanes {
    /// Adds an append.
    pub(super) fn push(&mut self, append: Append) -> Pushed {
        let Some(lane) = self.0.get_mut(&append.stream) else {
            self.0.insert(append.stream.clone(), Lane::default());
            return Pushed::Due(append);
        };
        if lane.is_slow {
            lane.waiting.push_back(Waiting::Place(Place::of(&append)));
            return Pushed::Placed;
        }
        lane.waiting.push_back(Waiting::Held(append));
        Pushed::Held
    }

    /// Keeps only the places of what waits behind a delivery; returns the bytes of each append that was held.
    pub(super) fn slow_down(&mut self, stream: &StreamId) -> Vec<usize> {
        let Some(lane) = self.0.get_mut(stream) else {
            return Vec::new();
        };
        lane.is_slow = true;
        let mut freed = Vec::new();
        for waiting in &mut lane.waiting {
            if let Waiting::Held(append) = waiting {
                freed.push(append.size());
                *waiting = Waiting::Place(Place::of(append));
            }
        }
        freed
    }

    /// Ends the delivery of a root; returns what is to be delivered next, with its positions. Places are delivered together.
    pub(super) fn finish(&mut self, stream: &StreamId) -> Option<(Unit, Vec<Position>)> {
        let lane = self.0.get_mut(stream)?;
        lane.is_slow = false;
        let mut positions = Vec::new();
        let mut through = None;
        while let Some(Waiting::Place(place)) = lane.waiting.front() {
            positions.push(place.last);
            through = Some(place.next);
            lane.waiting.pop_front();
        }
        if let Some(through) = through {
            return Some((Unit::Through(through), positions));
        }
        match lane.waiting.pop_front() {
            Some(Waiting::Held(append)) => {
                positions.push(append.last_position);
                Some((Unit::Held(append), positions))
            }
            Some(Waiting::Place(_)) | None => {
                self.0.remove(stream);
                None
            }
        }
    }
}
