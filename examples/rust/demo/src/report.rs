//! The output of the demonstration on the terminal.

use std::fmt::Display;

use angzarr_proto::v1::EventPage;
use angzarr_proto::v1::event_page::Sequence;
use shop_contract::type_name;

/// The steps of the demonstration and the results of its checks.
#[derive(Default)]
pub(crate) struct Report {
    /// How many checks there were.
    pub(crate) checks: u32,
    /// How many of them failed.
    pub(crate) failed: u32,
}

impl Report {
    /// Prints the title of a step.
    pub(crate) fn step(&self, title: impl Display) {
        println!("\n{title}");
    }

    /// Prints a check and its result.
    pub(crate) fn check(&mut self, holds: bool, what: impl Display) {
        self.checks += 1;
        self.failed += u32::from(!holds);
        println!("  {} {what}", if holds { "✓" } else { "✗" });
    }

    /// Prints an observation.
    pub(crate) fn note(&self, what: impl Display) {
        println!("    {what}");
    }

    /// Prints the events of a stream.
    pub(crate) fn stream(&self, name: &str, pages: &[EventPage]) {
        let events: Vec<_> = pages.iter().map(describe).collect();
        self.note(format_args!("{name:9} {}", events.join(" → ")));
    }
}

/// The sequence of an event, and its type without the package.
fn describe(page: &EventPage) -> String {
    let sequence = match page.sequence {
        Some(Sequence::Num(sequence)) => sequence.to_string(),
        _ => "?".to_owned(),
    };
    let name = page.event.as_ref().map_or("", type_name);
    format!("#{sequence} {}", name.rsplit('.').next().unwrap_or(name))
}
