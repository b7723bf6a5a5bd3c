//! What was parked, for people: roots that the logic failed on, and commands and facts that their targets refused.

use std::fmt;

use angzarr_admin::Client;
use angzarr_admin::shape::{
    BroughtBack, Handled, ParkedPage, ParkedRoot, RefusedPage, RefusedWork, Statusz,
};
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::bulk::{self, Action, Bulk};
use super::table::{Table, line};
use super::{Error, Target, write_json};

/// The parameter that names a root.
const ROOT: &str = "root";
/// The parameter that names refused work.
const ID: &str = "id";

/// What to do with what was parked.
#[derive(Debug, Subcommand)]
pub enum Parked {
    /// Lists roots that are parked, and refused commands and facts.
    List(Scope),
    /// Shows why a root is parked, or why a command was refused.
    Show(Entry),
    /// Delivers a root from where it failed, then takes it back in; with --all every root.
    Replay(Box<Roots>),
    /// Takes a root back in without the append on which the logic failed; with --all every root.
    Skip {
        /// Which roots.
        #[command(flatten)]
        roots: Box<Roots>,
        /// The sequence at which the root is parked, as the list shows it; only the append that begins there is left out, however often this is
        /// repeated.
        #[arg(long, required_unless_present = "all", conflicts_with = "all")]
        sequence: Option<u32>,
        /// Skips an append of every parked root; needed with --all alone.
        #[arg(long, requires = "all")]
        yes: bool,
    },
    /// Sends a refused command or record again.
    Resend(Entry),
    /// Gives a refused command or record up.
    Discard(Entry),
}

/// Whose.
#[derive(Debug, Args)]
pub struct Scope {
    /// The consumer, as name or kind/name such as saga/loyalty; all by default.
    #[arg(long)]
    pub consumer: Option<String>,
    /// Which sidecar is asked.
    #[command(flatten)]
    pub target: Target,
}

/// Which one.
#[derive(Debug, Args)]
pub struct Entry {
    /// A root as the list shows it (domain/root) or its UUID, or the id of a refused command.
    #[arg(value_name = "ROOT|ID")]
    pub which: String,
    /// The consumer, as name or kind/name; needed when the sidecar runs several.
    #[arg(long)]
    pub consumer: Option<String>,
    /// Which sidecar is asked.
    #[command(flatten)]
    pub target: Target,
}

/// One root, or all.
#[derive(Debug, Args)]
pub struct Roots {
    /// A root as the list shows it (domain/root), or its UUID.
    #[arg(
        value_name = "ROOT",
        required_unless_present = "all",
        conflicts_with = "all"
    )]
    pub which: Option<String>,
    /// The consumer, as name or kind/name; needed for one root when the sidecar runs several.
    #[arg(long)]
    pub consumer: Option<String>,
    /// Which of all.
    #[command(flatten)]
    pub bulk: Bulk,
    /// Which sidecar is asked.
    #[command(flatten)]
    pub target: Target,
}

/// Everything that is parked for one consumer.
#[derive(Debug, serde::Serialize)]
struct Aside {
    consumer: String,
    roots: Vec<ParkedRoot>,
    refused: Vec<RefusedWork>,
}

pub(super) async fn ask(what: Parked, out: &mut dyn fmt::Write) -> Result<(), Error> {
    match what {
        Parked::List(scope) => list(&scope, out).await,
        Parked::Show(entry) if entry.is_root() => {
            let root: ParkedRoot = entry.get("/parked/show", ROOT).await?;
            entry.write(out, &root, |out| write_root(out, &root))
        }
        Parked::Show(entry) => {
            let work: RefusedWork = entry.get("/refused/show", ID).await?;
            entry.write(out, &work, |out| write_work(out, &work))
        }
        Parked::Replay(roots) => match roots.one() {
            Some(entry) => bring_back(&entry, "/parked/replay", None, out).await,
            None => bulk::run(Action::Replay, &roots, out).await,
        },
        Parked::Skip {
            roots,
            sequence,
            yes,
        } => match roots.one() {
            Some(entry) => {
                let sequence = sequence.map(|sequence| sequence.to_string());
                let sequence = sequence.as_deref().map(|it| ("sequence", it));
                bring_back(&entry, "/parked/skip", sequence, out).await
            }
            None => {
                let is_everything = roots.consumer.is_none() && roots.bulk.is_unfiltered();
                if is_everything && !yes && !roots.bulk.dry_run {
                    return Err(Error::Unfiltered);
                }
                bulk::run(Action::Skip, &roots, out).await
            }
        },
        Parked::Resend(entry) => handle(&entry, "/refused/resend", out).await,
        Parked::Discard(entry) => handle(&entry, "/refused/discard", out).await,
    }
}

impl Roots {
    /// The root that is named, unless all are meant.
    fn one(&self) -> Option<Entry> {
        Some(Entry {
            which: self.which.clone()?,
            consumer: self.consumer.clone(),
            target: self.target.clone(),
        })
    }
}

impl Entry {
    /// Roots have slashes or are UUIDs; ids are longer than a UUID and have no slash.
    fn is_root(&self) -> bool {
        self.which.contains('/') || Uuid::parse_str(&self.which).is_ok()
    }

    fn query(&self, key: &'static str) -> Vec<(&'static str, &str)> {
        let mut query = vec![(key, self.which.as_str())];
        query.extend(self.consumer.as_deref().map(|named| ("consumer", named)));
        query
    }

    async fn get<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        key: &'static str,
    ) -> Result<T, Error> {
        let client = self.target.client();
        Ok(client.get(path, &self.query(key)).await?)
    }

    async fn post<T: serde::de::DeserializeOwned>(
        &self,
        path: &str,
        key: &'static str,
        parameter: Option<(&'static str, &str)>,
    ) -> Result<T, Error> {
        let mut query = self.query(key);
        query.extend(parameter);
        Ok(self.target.client().post(path, &query).await?)
    }

    fn write(
        &self,
        out: &mut dyn fmt::Write,
        answer: &impl serde::Serialize,
        text: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result,
    ) -> Result<(), Error> {
        if self.target.json {
            return write_json(out, answer);
        }
        text(out)?;
        Ok(())
    }
}

async fn bring_back(
    entry: &Entry,
    path: &str,
    parameter: Option<(&'static str, &str)>,
    out: &mut dyn fmt::Write,
) -> Result<(), Error> {
    let back: BroughtBack = entry.post(path, ROOT, parameter).await?;
    entry.write(out, &back, |out| {
        let (stream, next) = (&back.stream, back.next_sequence);
        writeln!(out, "{stream} is back; its next sequence is {next}.")
    })
}

async fn handle(entry: &Entry, path: &str, out: &mut dyn fmt::Write) -> Result<(), Error> {
    if entry.is_root() {
        return Err(Error::NotWork(entry.which.clone()));
    }
    let handled: Handled = entry.post(path, ID, None).await?;
    entry.write(out, &handled, |out| {
        writeln!(out, "{} is {}.", handled.id, handled.outcome)
    })
}

async fn list(scope: &Scope, out: &mut dyn fmt::Write) -> Result<(), Error> {
    let client = scope.target.client();
    let consumers = consumers(&client, scope.consumer.as_deref()).await?;
    let mut all = Vec::with_capacity(consumers.len());
    for consumer in &consumers {
        all.push(Aside {
            consumer: consumer.clone(),
            roots: list_roots(&client, consumer).await?,
            refused: list_refused(&client, consumer).await?,
        });
    }
    if scope.target.json {
        return write_json(out, &all);
    }
    write_all(out, &all)?;
    Ok(())
}

/// The consumer that is named, or all that the sidecar runs.
pub(super) async fn consumers(client: &Client, named: Option<&str>) -> Result<Vec<String>, Error> {
    if let Some(named) = named {
        return Ok(vec![named.to_owned()]);
    }
    let status: Statusz = client.get("/statusz", &[]).await?;
    if let Some(reason) = status.store.reason.filter(|_| status.store.id.is_none()) {
        return Err(Error::NotStarted(reason));
    }
    let consumers = status.consumers.iter();
    Ok(consumers
        .map(|it| format!("{}/{}", it.kind, it.name))
        .collect())
}

async fn list_roots(client: &Client, consumer: &str) -> Result<Vec<ParkedRoot>, Error> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = vec![("consumer", consumer)];
        query.extend(after.as_deref().map(|after| ("after", after)));
        let page: ParkedPage = client.get("/parked", &query).await?;
        all.extend(page.roots);
        after = page.next;
        if after.is_none() {
            return Ok(all);
        }
    }
}

async fn list_refused(client: &Client, consumer: &str) -> Result<Vec<RefusedWork>, Error> {
    let mut all = Vec::new();
    let mut after = 0;
    loop {
        let place = after.to_string();
        let query = [("consumer", consumer), ("after", place.as_str())];
        let page: RefusedPage = client.get("/refused", &query).await?;
        all.extend(page.refused);
        match page.next {
            Some(next) => after = next,
            None => return Ok(all),
        }
    }
}

fn write_all(out: &mut dyn fmt::Write, all: &[Aside]) -> fmt::Result {
    let mut roots = Table::new(["CONSUMER", "ROOT", "SEQUENCE", "ATTEMPTS", "ERROR"]);
    let mut refused = Table::new(["CONSUMER", "ID", "TARGET", "PAGES", "REFUSAL"]);
    for aside in all {
        for root in &aside.roots {
            roots.push([
                aside.consumer.clone(),
                root.stream.clone(),
                root.sequence.to_string(),
                root.attempts.to_string(),
                format!("{}: {}", root.code, root.error),
            ]);
        }
        for work in &aside.refused {
            refused.push([
                aside.consumer.clone(),
                work.id.clone(),
                work.target.clone(),
                pages(work),
                format!("{}: {}", work.code, work.error),
            ]);
        }
    }
    if roots.is_empty() && refused.is_empty() {
        return writeln!(out, "Nothing is parked.");
    }
    if !roots.is_empty() {
        write!(out, "{roots}")?;
    }
    if !roots.is_empty() && !refused.is_empty() {
        writeln!(out)?;
    }
    if !refused.is_empty() {
        write!(out, "{refused}")?;
    }
    Ok(())
}

/// The first pages, and how many more there are.
fn pages(work: &RefusedWork) -> String {
    const SHOWN: usize = 3;
    let shown = work.pages.iter().take(SHOWN);
    let mut shown: Vec<_> = shown
        .map(|page| format!("{} ({} bytes)", page.type_name, page.bytes))
        .collect();
    if work.pages.len() > SHOWN {
        shown.push(format!("and {} more", work.pages.len() - SHOWN));
    }
    shown.join(", ")
}

fn write_root(out: &mut dyn fmt::Write, root: &ParkedRoot) -> fmt::Result {
    writeln!(out, "root      {}", root.stream)?;
    writeln!(out, "sequence  {}", root.sequence)?;
    writeln!(out, "attempts  {}", root.attempts)?;
    writeln!(out, "error     {}: {}", root.code, line(&root.error))
}

fn write_work(out: &mut dyn fmt::Write, work: &RefusedWork) -> fmt::Result {
    writeln!(out, "id           {}", work.id)?;
    writeln!(out, "kind         {}", work.kind)?;
    writeln!(out, "trigger      {}", work.trigger)?;
    writeln!(out, "target       {}", work.target)?;
    writeln!(out, "correlation  {}", work.correlation_id)?;
    writeln!(out, "pages        {}", line(&pages(work)))?;
    writeln!(out, "refusal      {}: {}", work.code, line(&work.error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use angzarr_admin::shape::PageSummary;

    #[test]
    fn the_list_shows_roots_and_refusals_in_columns() {
        let aside = Aside {
            consumer: "saga/heron".to_owned(),
            roots: vec![ParkedRoot {
                stream: "fen/1".to_owned(),
                sequence: 7,
                attempts: 5,
                code: "INTERNAL".to_owned(),
                error: "out of fish".to_owned(),
            }],
            refused: vec![RefusedWork {
                id: "ab12".to_owned(),
                trigger: "fen/1".to_owned(),
                kind: "command".to_owned(),
                target: "reed/2".to_owned(),
                correlation_id: "c".to_owned(),
                pages: vec![PageSummary {
                    type_name: "reed.Grow".to_owned(),
                    bytes: 12,
                }],
                code: "FAILED_PRECONDITION".to_owned(),
                error: "it is winter".to_owned(),
            }],
        };
        let mut out = String::new();
        write_all(&mut out, &[aside]).unwrap();
        let expected = "\
CONSUMER    ROOT   SEQUENCE  ATTEMPTS  ERROR
saga/heron  fen/1  7         5         INTERNAL: out of fish

CONSUMER    ID    TARGET  PAGES                 REFUSAL
saga/heron  ab12  reed/2  reed.Grow (12 bytes)  FAILED_PRECONDITION: it is winter
";
        assert_eq!(out, expected);
    }

    #[test]
    fn an_empty_list_says_so() {
        let mut out = String::new();
        write_all(&mut out, &[]).unwrap();
        assert_eq!(out, "Nothing is parked.\n");
    }
}
