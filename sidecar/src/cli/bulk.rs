//! Every parked root that filters let through: brought back page by page, a few at a time.
//!
//! # Design
//! A root is named with the sequence at which the list showed it, and the sidecar leaves it alone if it is parked elsewhere by then. So the whole
//! can be interrupted and repeated, and several people can do it at once. The list is walked forwards: a root that fails again is not met twice.

mod tally;

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use angzarr_admin::Client;
use angzarr_admin::shape::{BroughtBack, ParkedPage, ParkedRoot, Problem, Untouched};
use clap::Args;
use clap::builder::PossibleValuesParser;
use futures::StreamExt;
use futures::stream;

use super::parked::{Roots, consumers};
use super::table::{Table, line};
use super::{Error, Target, write_json};
use crate::admin::code_names;
use tally::{Place, Tally};

/// How long one root may take: everything that waits behind its failure is delivered.
const WITHIN: Duration = Duration::from_secs(300);
/// So many outages in a row mean that the rest would fail as well.
const HOPELESS: usize = 10;

/// Which parked roots, and how.
#[derive(Debug, Args)]
pub struct Bulk {
    /// Takes every parked root that the other options let through, page by page. May be repeated: what was brought back is not parked any more.
    #[arg(long)]
    pub all: bool,
    /// Only roots of this domain.
    #[arg(long, requires = "all")]
    pub domain: Option<String>,
    /// Only roots that are parked with this code.
    #[arg(long, requires = "all", ignore_case = true, value_parser = PossibleValuesParser::new(code_names()))]
    pub code: Option<String>,
    /// At most so many roots.
    #[arg(long, requires = "all")]
    pub limit: Option<NonZeroUsize>,
    /// Only roots after this one in the list, of one consumer.
    #[arg(long, requires_all = ["all", "consumer"], value_name = "ROOT")]
    pub after: Option<String>,
    /// How many roots are under way at a time.
    #[arg(long, requires = "all", default_value = "4", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
    /// Lists what would be done, and does nothing.
    #[arg(long, requires = "all")]
    pub dry_run: bool,
}

impl Bulk {
    /// Whether every parked root of a consumer is meant.
    pub(super) fn is_unfiltered(&self) -> bool {
        self.domain.is_none() && self.code.is_none()
    }

    fn lets_through(&self, root: &ParkedRoot) -> bool {
        let domain = root.stream.split('/').next();
        let is_of = |wanted: &String| domain == Some(wanted.as_str());
        let has = |wanted: &String| wanted.eq_ignore_ascii_case(&root.code);
        self.domain.as_ref().is_none_or(is_of) && self.code.as_ref().is_none_or(has)
    }
}

/// What is done with each root.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Action {
    /// It is delivered from where it failed.
    Replay,
    /// It is delivered without the append on which the logic failed.
    Skip,
}

impl Action {
    /// A root that nobody has tried at its sequence lacks only the replay: the append before was skipped by a call that did not come to its end.
    fn of(self, root: &ParkedRoot) -> Self {
        match self {
            Self::Skip if root.attempts == 0 => Self::Replay,
            action => action,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Replay => "replay",
            Self::Skip => "skip",
        }
    }
}

/// A root that would be brought back.
#[derive(Debug, serde::Serialize)]
struct Planned {
    consumer: String,
    action: Action,
    #[serde(flatten)]
    root: ParkedRoot,
}

/// What became of a root.
enum Outcome {
    Back,
    Untouched(Untouched),
    Failed(Problem),
    /// The sidecar does not reply any more.
    Away(angzarr_admin::Error),
}

/// Brings back all parked roots that are meant.
///
/// # Errors
/// A sentence, if a root failed or was not tried.
pub(super) async fn run(
    action: Action,
    roots: &Roots,
    out: &mut dyn fmt::Write,
) -> Result<(), Error> {
    let (bulk, target) = (&roots.bulk, &roots.target);
    let mut walk = Walk {
        client: Client::new(target.admin.clone(), WITHIN),
        action,
        bulk,
        left: bulk.limit.map_or(usize::MAX, NonZeroUsize::get),
        tally: Tally::default(),
        planned: Vec::new(),
        outages: 0,
    };
    for consumer in consumers(&walk.client, roots.consumer.as_deref()).await? {
        walk.consumer(&consumer).await?;
        if walk.is_over() {
            break;
        }
    }
    if bulk.dry_run {
        return walk.write_plan(target, out);
    }
    walk.tally.write(action, target.json, out)?;
    walk.tally.judge()
}

/// The way through the list.
struct Walk<'a> {
    client: Client,
    action: Action,
    bulk: &'a Bulk,
    /// How many more roots may be taken.
    left: usize,
    tally: Tally,
    planned: Vec<Planned>,
    /// Outages in a row.
    outages: usize,
}

impl Walk<'_> {
    fn is_over(&self) -> bool {
        self.tally.stopped.is_some() || self.tally.next.is_some()
    }

    async fn consumer(&mut self, consumer: &str) -> Result<(), Error> {
        let mut after = self.bulk.after.clone();
        let mut taken = after.clone();
        loop {
            let mut query = vec![("consumer", consumer)];
            query.extend(after.as_deref().map(|after| ("after", after)));
            let listed: Result<ParkedPage, _> = self.client.get("/parked", &query).await;
            let page = match listed {
                Ok(page) => page,
                Err(error) if self.tally.has_begun() => {
                    self.tally.stopped = Some(told(&error));
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            };
            self.page(consumer, page.roots, &mut taken).await;
            after = page.next;
            if after.is_none() || self.is_over() {
                return Ok(());
            }
        }
    }

    /// Takes the roots of a page; `taken` is the last one of the consumer so far.
    async fn page(
        &mut self,
        consumer: &str,
        mut roots: Vec<ParkedRoot>,
        taken: &mut Option<String>,
    ) {
        roots.retain(|root| self.bulk.lets_through(root));
        let is_cut = roots.len() > self.left;
        roots.truncate(self.left);
        self.left -= roots.len();
        if let Some(last) = roots.last() {
            *taken = Some(last.stream.clone());
        }
        if is_cut {
            self.tally.next = Some(Place {
                consumer: consumer.to_owned(),
                after: taken.clone(),
            });
        }
        if roots.is_empty() {
            return;
        }
        if self.bulk.dry_run {
            self.planned.extend(roots.into_iter().map(|root| Planned {
                consumer: consumer.to_owned(),
                action: self.action.of(&root),
                root,
            }));
            return;
        }
        self.bring_back(consumer, &roots).await;
        eprintln!("{consumer}: {} so far", self.tally.counts(self.action));
    }

    async fn bring_back(&mut self, consumer: &str, roots: &[ParkedRoot]) {
        let (client, wanted) = (self.client.clone(), self.action);
        let is_stopped = Cell::new(false);
        // What is under way when it stops is awaited, so that it is counted.
        let begun = roots.iter().take_while(|_| !is_stopped.get());
        let concurrency = usize::from(self.bulk.concurrency);
        let mut outcomes = stream::iter(begun)
            .map(|root| {
                let (client, action) = (&client, wanted.of(root));
                async move {
                    let outcome = bring_back(client, consumer, action, root).await;
                    (root, action, outcome)
                }
            })
            .buffer_unordered(concurrency);
        while let Some((root, action, outcome)) = outcomes.next().await {
            self.note(root, action, outcome);
            is_stopped.set(self.tally.stopped.is_some());
        }
    }

    fn note(&mut self, root: &ParkedRoot, action: Action, outcome: Outcome) {
        let tally = &mut self.tally;
        let stream = &root.stream;
        let mut outages = 0;
        match outcome {
            Outcome::Back => tally.count_back(action),
            Outcome::Untouched(how) => {
                let sequence = root.sequence;
                eprintln!(
                    "{stream} is not parked at sequence {sequence} any more; it was left as it is"
                );
                tally.count_untouched(how);
            }
            Outcome::Failed(problem) => {
                eprintln!("{stream}: {}: {}", problem.code, line(&problem.error));
                if ["UNAVAILABLE", "DEADLINE_EXCEEDED"].contains(&problem.code.as_str()) {
                    outages = self.outages + 1;
                }
                if outages >= HOPELESS {
                    let why = format!("{HOPELESS} roots in a row: {}", problem.error);
                    tally.stopped.get_or_insert(why);
                }
                tally.count_failure(stream, problem);
            }
            Outcome::Away(error) => {
                tally.stopped.get_or_insert(told(&error));
            }
        }
        self.outages = outages;
    }

    fn write_plan(self, target: &Target, out: &mut dyn fmt::Write) -> Result<(), Error> {
        if target.json {
            return write_json(out, &self.planned);
        }
        if self.planned.is_empty() {
            writeln!(out, "Nothing that is parked matches.")?;
            return Ok(());
        }
        let mut table = Table::new(["ACTION", "CONSUMER", "ROOT", "SEQUENCE", "ERROR"]);
        let planned = self.planned.len();
        for Planned {
            consumer,
            action,
            root,
        } in self.planned
        {
            let error = format!("{}: {}", root.code, root.error);
            let (sequence, action) = (root.sequence.to_string(), action.as_str().to_owned());
            table.push([action, consumer, root.stream, sequence, error]);
        }
        write!(out, "{table}")?;
        writeln!(out, "{planned} roots; nothing was done.")?;
        Ok(())
    }
}

async fn bring_back(client: &Client, consumer: &str, action: Action, root: &ParkedRoot) -> Outcome {
    let seen = root.sequence.to_string();
    let mut query = vec![
        ("consumer", consumer),
        ("root", root.stream.as_str()),
        ("seen", seen.as_str()),
    ];
    let path = match action {
        Action::Replay => "/parked/replay",
        Action::Skip => {
            query.push(("sequence", seen.as_str()));
            "/parked/skip"
        }
    };
    let replied: Result<BroughtBack, _> = client.post(path, &query).await;
    match replied {
        Ok(_) => Outcome::Back,
        Err(angzarr_admin::Error::Refused(problem)) => match problem.untouched {
            Some(untouched) => Outcome::Untouched(untouched),
            None => Outcome::Failed(problem),
        },
        Err(late @ angzarr_admin::Error::Late { .. }) => Outcome::Failed(Problem {
            code: "DEADLINE_EXCEEDED".to_owned(),
            error: late.to_string(),
            untouched: None,
        }),
        Err(error) => Outcome::Away(error),
    }
}

/// An error with its causes, for people.
fn told(error: &angzarr_admin::Error) -> String {
    angzarr_coordinator::describe(error)
}
