//! The steps of the features of the whole system.
//!
//! A name with a leading `@` is an id that is unique to the scenario: of a customer, an order, a cart, or a product.

use angzarr_proto::v1::business_coordinator_client::BusinessCoordinatorClient;
use angzarr_proto::v1::dry_run_request::Point;
use angzarr_proto::v1::{
    CommandBook, CommandPage, CommandResponse, DryRunRequest, EventPage, MergeStrategy,
};
use anyhow::{Context, bail, ensure};
use cucumber::gherkin::Step;
use cucumber::{given, then, when};
use prost_types::Any;
use shop_contract::type_name;
use shop_features::messages;
use shop_system::{cover, wait};
use tonic::Response;
use uuid::Uuid;

use crate::world::{Answer, World, client, system, system_alone};

#[given(regex = r"^([A-Z]\w*) goes to (\S+) @(\w+)$")]
#[when(regex = r"^([A-Z]\w*) goes to (\S+) @(\w+)$")]
async fn goes_to(
    world: &mut World,
    step: &Step,
    command: String,
    domain: String,
    name: String,
) -> anyhow::Result<()> {
    prepare(world, step, &command, &domain, &name)?;
    let book = world.sent.clone().context("a book was prepared")?;
    world.answer = Some(client().await?.send(book).await.into());
    Ok(())
}

#[when(regex = r"^([A-Z]\w*) goes to (\S+) @(\w+) and waits for the projections$")]
async fn goes_and_waits(
    world: &mut World,
    step: &Step,
    command: String,
    domain: String,
    name: String,
) -> anyhow::Result<()> {
    prepare(world, step, &command, &domain, &name)?;
    let book = world.sent.clone().context("a book was prepared")?;
    world.answer = Some(client().await?.send_and_wait(book).await.into());
    Ok(())
}

/// Builds the book that a step describes, with a new command id.
fn prepare(
    world: &mut World,
    step: &Step,
    command: &str,
    domain: &str,
    name: &str,
) -> anyhow::Result<()> {
    world.require_nothing_refused()?;
    let page = CommandPage {
        command: Some(messages::build(command, &world.resolve(step))?),
        merge_strategy: MergeStrategy::AggregateHandles.into(),
        ..CommandPage::default()
    };
    world.sent = Some(CommandBook {
        cover: Some(cover(domain, &world.root(domain, name))),
        pages: vec![page],
        command_id: Uuid::new_v4().to_string(),
        ..CommandBook::default()
    });
    Ok(())
}

#[when("the same command comes again")]
async fn comes_again(world: &mut World) -> anyhow::Result<()> {
    let book = world.sent.clone().context("nothing was sent")?;
    world.answer = Some(client().await?.send(book).await.into());
    Ok(())
}

#[when(regex = r"^the sidecar of (\S+) is killed$")]
async fn is_killed(_: &mut World, name: String) -> anyhow::Result<()> {
    system().await?.kill(&name).await?;
    Ok(())
}

#[when("the shop is stopped and started again")]
async fn is_restarted(_: &mut World) -> anyhow::Result<()> {
    system_alone().await?.restart().await
}

#[when(regex = r"^([A-Z]\w*) is tried on (\S+) @(\w+)(?: as of sequence (\d+))?$")]
async fn is_tried(world: &mut World, step: &Step, captures: &[String]) -> anyhow::Result<()> {
    let [command, domain, name, sequence] = captures else {
        bail!("the step has other captures: {captures:?}");
    };
    prepare(world, step, command, domain, name)?;
    let point = match sequence.as_str() {
        "" => None,
        digits => Some(Point::AsOfSequence(digits.parse()?)),
    };
    let request = DryRunRequest {
        command: world.sent.clone(),
        point,
    };
    let owner = system().await?.channel(domain)?;
    let answer = BusinessCoordinatorClient::new(owner).dry_run(request).await;
    world.answer = Some(answer.map(Response::into_inner).into());
    Ok(())
}

#[then("it is answered as a repeat")]
fn a_repeat(world: &mut World) -> anyhow::Result<()> {
    let receipt = done(world)?.receipt.as_ref();
    let receipt = receipt.context("the reply has no receipt")?;
    ensure!(receipt.replayed, "it was executed again");
    Ok(())
}

#[then(regex = r"^([A-Z]\w*) (?:is|would be) recorded$")]
fn recorded(world: &mut World, step: &Step, name: String) -> anyhow::Result<()> {
    let step = world.resolve(step);
    let Some(Answer::Done { events, .. }) = &mut world.answer else {
        bail!("the reply was {:?}", world.answer);
    };
    let page = events.pop_front().context("nothing else was recorded")?;
    let event = page.event.context("the page has no event")?;
    messages::check(&event, &name, &step)
}

#[then(regex = r#"^it is refused as ([A-Z_]+): (.+)$"#)]
fn refused(world: &mut World, code: String, message: String) -> anyhow::Result<()> {
    let Some(Answer::Refused(status)) = world.answer.take() else {
        bail!("it was not refused");
    };
    let actual = format!("{:?}", status.code()).to_uppercase();
    ensure!(actual == code.replace('_', ""), "the code is {actual}");
    ensure!(
        status.message() == message,
        "the message is {:?}",
        status.message()
    );
    Ok(())
}

#[then(regex = r"^the projection of (\S+) is ([A-Z]\w*)$")]
fn projection(
    world: &mut World,
    step: &Step,
    projector: String,
    name: String,
) -> anyhow::Result<()> {
    let step = world.resolve(step);
    let response = done(world)?;
    ensure!(
        response.reaction_errors.is_empty(),
        "the projections are {:?}",
        response.reaction_errors
    );
    let mut projections = response.projections.iter();
    let found = projections.find(|projection| projection.projector == projector);
    let view = found.and_then(|projection| projection.projection.as_ref());
    messages::check(view.context("it is missing")?, &name, &step)
}

#[then(regex = r"^the stream of (\S+) @(\w+) becomes$")]
async fn becomes(
    world: &mut World,
    step: &Step,
    domain: String,
    name: String,
) -> anyhow::Result<()> {
    let table = step.table.as_ref().context("name the events")?;
    let expected: Vec<_> = table.rows.iter().flatten().cloned().collect();
    let mut actual = Vec::new();
    let came = wait(async || {
        if let Ok(pages) = stream(world, &domain, &name).await {
            actual = pages.iter().map(short_name).collect();
        }
        actual == expected
    })
    .await;
    came.with_context(|| format!("the stream is {actual:?}"))
}

#[then(regex = r"^the last event of (\S+) @(\w+) is ([A-Z]\w*)$")]
async fn last_event(
    world: &mut World,
    step: &Step,
    domain: String,
    name: String,
    event: String,
) -> anyhow::Result<()> {
    let step = world.resolve(step);
    let last = stream(world, &domain, &name).await?.pop();
    let last = last.and_then(|page| page.event);
    messages::check(&last.context("the stream is empty")?, &event, &step)
}

#[then(regex = r"^the page shows order @(\w+) as (.+)$")]
async fn page_shows(world: &mut World, name: String, status: String) -> anyhow::Result<()> {
    let start = format!("<tr><td>{}<td>", world.id(&name));
    let end = format!("<td>{status}</tr>");
    let mut page = String::new();
    let came = wait(async || {
        if let Ok(system) = system().await {
            page = system.page().await.unwrap_or_default();
        }
        page.lines()
            .flat_map(|line| line.split_inclusive("</tr>"))
            .any(|row| row.contains(&start) && row.ends_with(&end))
    })
    .await;
    came.with_context(|| format!("the page is {page}"))
}

/// The reply, if the command was executed.
fn done(world: &World) -> anyhow::Result<&CommandResponse> {
    match &world.answer {
        Some(Answer::Done { response, .. }) => Ok(response),
        other => bail!("the reply was {other:?}"),
    }
}

async fn stream(world: &mut World, domain: &str, name: &str) -> anyhow::Result<Vec<EventPage>> {
    let root = world.root(domain, name);
    Ok(client().await?.events(domain, &root).await?)
}

/// The name of an event without its package.
fn short_name(page: &EventPage) -> String {
    let name = page
        .event
        .as_ref()
        .map_or("", |event: &Any| type_name(event));
    name.rsplit('.').next().unwrap_or_default().to_owned()
}
