//! The steps of the features.

use anyhow::{Context, bail, ensure};
use cucumber::{gherkin::Step, given, then, when};
use uuid::Uuid;

use crate::{
    messages,
    world::{Answer, World},
};

#[given(regex = r"^the (\S+) (?:aggregate|saga)$")]
fn the_subject(world: &mut World, name: String) -> anyhow::Result<()> {
    world.require_subject(&name)
}

#[given(regex = r"^([A-Z]\w*) happened$")]
fn happened(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    world.history.push(messages::build(&name, step)?);
    Ok(())
}

#[given(regex = r"^([A-Z]\w*) happened (\d+) times$")]
fn happened_often(
    world: &mut World,
    step: &Step,
    name: String,
    times: usize,
) -> anyhow::Result<()> {
    let event = messages::build(&name, step)?;
    world.history.extend(std::iter::repeat_n(event, times));
    Ok(())
}

/// Earlier events are left out of the history: a snapshot replaces them.
#[given(regex = r"^all that was kept as ([A-Z]\w*)$")]
fn kept(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    let last = world.next_sequence().checked_sub(1);
    let last = last.context("a snapshot needs an event before it")?;
    world.history.clear();
    world.snapshot = Some((last, messages::build(&name, step)?));
    Ok(())
}

#[given(regex = r"^([A-Z]\w*) comes first in the same book$")]
fn comes_first(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    world.book.push(messages::build(&name, step)?);
    Ok(())
}

#[when(regex = r"^([A-Z]\w*) is asked for$")]
async fn asked_for(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    world.book.push(messages::build(&name, step)?);
    world.send().await
}

#[when(regex = r"^([A-Z]\w*) arrives$")]
async fn arrives(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    world.book.push(messages::build(&name, step)?);
    world.deliver().await
}

#[then(regex = r"^([A-Z]\w*) is recorded$")]
fn recorded(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    let Some(Answer::Events { events, .. }) = &mut world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    let event = events.pop_front().context("nothing else was recorded")?;
    messages::check(&event, &name, step)
}

#[then(regex = r"^nothing is recorded$")]
fn nothing_recorded(world: &mut World) -> anyhow::Result<()> {
    let Some(Answer::Events { events, .. }) = &world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    ensure!(events.is_empty(), "recorded was {events:?}");
    Ok(())
}

#[then(regex = r"^a snapshot is asked for as ([A-Z]\w*)$")]
fn snapshot(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    let Some(Answer::Events { snapshot, .. }) = &mut world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    let state = snapshot.take().context("no snapshot was asked for")?;
    messages::check(&state, &name, step)
}

#[then(regex = r#"^it is refused as ([A-Z_]+): (.+)$"#)]
fn refused(world: &mut World, code: String, message: String) -> anyhow::Result<()> {
    let Some(Answer::Refused(status)) = &world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    let actual = format!("{:?}", status.code());
    let expected = code.replace('_', "");
    ensure!(actual.to_uppercase() == expected, "the code is {actual}");
    ensure!(
        status.message() == message,
        "the message is {:?}",
        status.message()
    );
    world.answer = Some(Answer::Checked);
    Ok(())
}

#[then(regex = r"^([A-Z]\w*) goes to (\S+) ([-0-9a-f]{36})$")]
fn goes_to(
    world: &mut World,
    step: &Step,
    name: String,
    domain: String,
    root: Uuid,
) -> anyhow::Result<()> {
    let Some(Answer::Commands(commands)) = &mut world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    let book = commands.pop_front().context("nothing else was sent")?;
    let cover = book.cover.context("the command has no cover")?;
    ensure!(cover.domain == domain, "it goes to {}", cover.domain);
    let actual = cover.root.context("the command has no root")?.value;
    let actual = Uuid::from_slice(&actual)?;
    ensure!(actual == root, "it goes to {actual}");
    let [page] = book.pages.as_slice() else {
        bail!("the book has {} commands", book.pages.len());
    };
    let command = page.command.as_ref().context("the page has no command")?;
    messages::check(command, &name, step)
}

#[then(regex = r"^nothing is sent$")]
fn nothing_sent(world: &mut World) -> anyhow::Result<()> {
    let Some(Answer::Commands(commands)) = &world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    ensure!(commands.is_empty(), "sent was {commands:?}");
    Ok(())
}
