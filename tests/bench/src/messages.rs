//! The commands and events of the benchmark.

use angzarr_proto::v1;
use prost_types::Any;

/// The domain of the benchmark.
pub(crate) const DOMAIN: &str = "meter";
/// A command with one event.
pub(crate) const ONE: &str = "One";
/// A command with ten events.
pub(crate) const TEN: &str = "Ten";
/// A command with one event, whose logic requests a snapshot now and then.
pub(crate) const KEPT: &str = "Kept";
/// Bytes of a command's and of an event's own message.
const SIZE: usize = 64;

/// A message of the benchmark in an `Any`.
pub(crate) fn any(name: &str) -> Any {
    Any {
        type_url: format!("type.googleapis.com/bench.v1.{name}"),
        value: vec![7; SIZE],
    }
}

/// The cover of a root.
pub(crate) fn cover(root: [u8; 16]) -> v1::Cover {
    v1::Cover {
        root: Some(v1::Uuid {
            value: root.to_vec().into(),
        }),
        domain: DOMAIN.to_owned(),
        ..v1::Cover::default()
    }
}

/// A command with a new id to a root, whatever its sequence.
pub(crate) fn command(name: &str, root: [u8; 16]) -> v1::CommandBook {
    v1::CommandBook {
        cover: Some(cover(root)),
        pages: vec![v1::CommandPage {
            command: Some(any(name)),
            merge_strategy: v1::MergeStrategy::AggregateHandles.into(),
            ..v1::CommandPage::default()
        }],
        command_id: uuid::Uuid::new_v4().to_string(),
        ..v1::CommandBook::default()
    }
}
