//! `angzarr why`: walks from a resource over its conditions and references to the cause, and says what to type next.
//!
//! ```text
//! the resource ─▶ what a person must change ─ or ─▶ its EventStore ─▶ the owners of its domains ─▶ its pods
//! ```

use std::fmt::Write;

use angzarr_crds::Kind;
use anyhow::{Context, Result};
use clap::Args;
use k8s_openapi::api::core::v1::Pod as PodObject;
use kube::api::{Api, DynamicObject, ListParams};
use kube::{Client, ResourceExt};
use serde_json::Value;

use crate::controller::{Pod, Reason, Type, Value as State, api};
use crate::model::Key;
use crate::plan::{names, plain};
use crate::resource::Resource;

/// What to explain.
#[derive(Debug, Args)]
pub(crate) struct Why {
    /// The resource, as kubectl names it, such as `agg/order` or `EventStore/main`.
    #[arg(value_name = "KIND/NAME", value_parser = named)]
    resource: (Kind, String),
    /// Its namespace; that of the kubeconfig without it.
    #[arg(short = 'n', long, value_name = "NAMESPACE")]
    namespace: Option<String>,
}

fn named(text: &str) -> Result<(Kind, String), String> {
    let kinds = Kind::ALL.map(Kind::short).join(", ");
    let (word, name) = text
        .split_once('/')
        .ok_or("write a kind and a name, like agg/order")?;
    let word = word.to_lowercase();
    let word = word.split('.').next().unwrap_or_default();
    let is_meant = |kind: &Kind| {
        let full = kind.as_str().to_lowercase();
        [full.as_str(), kind.short(), kind.plural()].contains(&word)
    };
    let kind = Kind::ALL.into_iter().find(is_meant);
    let kind = kind.ok_or_else(|| format!("{word} is not a kind of ours; write one of {kinds}"))?;
    Ok((kind, name.to_owned()))
}

/// Prints why a resource is as it is.
///
/// # Errors
/// The API server cannot be asked.
pub(crate) async fn run(why: Why) -> Result<()> {
    let client = Client::try_default()
        .await
        .context("find the API server; set KUBECONFIG")?;
    let (kind, name) = why.resource;
    let namespace = why.namespace;
    let key = Key {
        namespace: namespace.unwrap_or_else(|| client.default_namespace().to_owned()),
        kind,
        name,
    };
    print!("{}", explain(&client, &key).await?);
    Ok(())
}

/// Why a resource is as it is, and what to type next.
///
/// # Errors
/// The API server cannot be asked.
pub async fn explain(client: &Client, key: &Key) -> Result<String> {
    let mut story = Story::default();
    match get(client, key).await? {
        None => story.absent(key),
        Some(object) => story.walk(client, key, &object).await?,
    }
    let next = story.next.map(|next| format!("\nNext: {next}\n"));
    Ok(story.text + &next.unwrap_or_default())
}

async fn get(client: &Client, key: &Key) -> Result<Option<DynamicObject>> {
    let objects: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &key.namespace, &api(key.kind));
    let found = objects.get_opt(&key.name).await;
    found.with_context(|| format!("read {} {}", key.kind, key.name))
}

/// What was found, from the resource to the cause.
#[derive(Debug, Default)]
struct Story {
    text: String,
    /// The command for the last cause that was found.
    next: Option<String>,
}

/// A condition that is not as it should be.
struct Trouble {
    kind: Type,
    state: State,
    reason: Option<Reason>,
    word: String,
    message: String,
}

impl Story {
    fn line(&mut self, line: &str) {
        // Writing into a String does not fail.
        let _ = writeln!(self.text, "{line}");
    }

    fn absent(&mut self, key: &Key) {
        self.line(&format!("{} does not exist.", title(key)));
        self.next = Some(command("get", key.kind.plural(), key));
    }

    async fn walk(&mut self, client: &Client, key: &Key, object: &DynamicObject) -> Result<()> {
        let troubles = self.tell(key, object);
        let needs_a_person = troubles.iter().any(|it| {
            it.kind == Type::Stalled && it.reason != Some(Reason::ProgressDeadlineExceeded)
        });
        if needs_a_person || is_unseen(object) {
            return Ok(());
        }
        let resource = Resource::read(plain(object), &key.namespace);
        let Ok(Some(resource)) = resource else {
            return Ok(());
        };
        if resource.component().is_none() {
            return Ok(());
        }
        if let Some(workload) = resource.workload() {
            let plural = workload.kind.plural();
            let next = match troubles.first().and_then(|it| it.reason) {
                Some(Reason::WaitingForWorkload) => Some(("get", plural.to_owned())),
                Some(Reason::WaitingForLabel) => {
                    Some(("edit", format!("{plural}/{}", workload.name)))
                }
                _ => None,
            };
            if let Some((verb, what)) = next {
                self.next = Some(command(verb, &what, key));
                return Ok(());
            }
        }
        let waits = troubles.first().is_some_and(|it| {
            let waits_for = [Reason::WaitingForEventStore, Reason::WaitingForDomain];
            it.reason.is_some_and(|reason| waits_for.contains(&reason))
        });
        if waits || troubles.is_empty() || !self.pods(client, &resource, &troubles).await? {
            self.references(client, &resource).await?;
        }
        Ok(())
    }

    /// Tells what a resource says of itself, and what to do about the first of it.
    fn tell(&mut self, key: &Key, object: &DynamicObject) -> Vec<Trouble> {
        let troubles = troubles(object);
        if is_unseen(object) {
            self.line(&format!(
                "{}: the operator has not looked at its newest generation.",
                title(key)
            ));
            let selector = "--selector=app.kubernetes.io/name=angzarr-operator";
            self.next = Some(format!("kubectl get pods --all-namespaces {selector}"));
            return troubles;
        }
        if troubles.is_empty() {
            self.line(&format!("{} is as it should be.", title(key)));
            return troubles;
        }
        self.line(&format!("{}:", title(key)));
        for trouble in &troubles {
            let (kind, state) = (trouble.kind.as_str(), trouble.state.as_str());
            let (word, message) = (&trouble.word, &trouble.message);
            self.line(&format!("  {kind}={state} {word}: {message}"));
        }
        let first = &troubles[0];
        if let Some(fix) = first.reason.and_then(Reason::fix) {
            self.line(&format!("  What to do: {fix}"));
        }
        self.next = Some(next(key, first));
        troubles
    }

    /// Follows the references of a component.
    async fn references(&mut self, client: &Client, resource: &Resource) -> Result<()> {
        let Some(declared) = resource.component() else {
            return Ok(());
        };
        if self.follow(client, &resource.store().key()).await? {
            return Ok(());
        }
        let sources = declared.sources().iter().map(|it| &it.domain);
        let targets = declared.targets().iter().map(|it| &it.domain);
        let mut domains: Vec<_> = sources.chain(targets).collect();
        domains.sort();
        domains.dedup();
        if domains.is_empty() {
            return Ok(());
        }
        let owners = owners(client, resource).await?;
        for domain in domains {
            match owners.iter().find(|(owned, _)| owned == domain) {
                Some((_, owner)) => {
                    self.follow(client, owner).await?;
                }
                None => {
                    self.line(&format!("No Aggregate owns the domain {domain}."));
                    self.next = Some(command("get", Kind::Aggregate.plural(), &resource.key()));
                }
            }
        }
        Ok(())
    }

    /// Tells of another resource if something is wrong with it; returns whether that is so.
    async fn follow(&mut self, client: &Client, key: &Key) -> Result<bool> {
        let Some(object) = get(client, key).await? else {
            self.absent(key);
            return Ok(true);
        };
        // What nobody can tell is no cause.
        let is_wrong = |it: &Trouble| it.state != State::Unknown;
        if !troubles(&object).iter().any(is_wrong) && !is_unseen(&object) {
            return Ok(false);
        }
        self.tell(key, &object);
        Ok(true)
    }

    /// Tells of the first pod of a component that has trouble, or of one whose logic does not answer; returns whether there is one.
    async fn pods(
        &mut self,
        client: &Client,
        resource: &Resource,
        troubles: &[Trouble],
    ) -> Result<bool> {
        let key = &resource.key();
        let pods: Api<PodObject> = Api::namespaced(client.clone(), &key.namespace);
        let of = ListParams::default().labels(&names::selector_text(key));
        let found = pods.list(&of).await.context("list the pods")?.items;
        let found: Vec<_> = found.iter().map(Pod::read).collect();
        let logic = troubles
            .iter()
            .find(|it| it.reason == Some(Reason::LogicUnreachable));
        if let Some(pod) = found.iter().find(|pod| pod.trouble.is_some()) {
            let trouble = pod.trouble.as_deref().unwrap_or_default();
            self.line(&format!("Pod {}: {trouble}", pod.name));
            let ends = trouble.contains("CrashLoopBackOff");
            let flags = "--all-containers --previous";
            self.next = Some(if ends {
                command("logs", &format!("{} {flags}", pod.name), key)
            } else {
                command("describe", &format!("pod/{}", pod.name), key)
            });
        } else if let Some(pod) = found.iter().find(|pod| {
            logic.is_some_and(|it| it.message.starts_with(&format!("pod {}:", pod.name)))
        }) {
            let what = format!("{} --all-containers", pod.name);
            self.next = Some(command("logs", &what, key));
        } else if found.is_empty() {
            self.line("It has no pods.");
            let workload = match resource.workload() {
                Some(own) => format!("{}/{}", own.kind.plural(), own.name),
                None => format!("deployment/{}", key.base_name()),
            };
            self.next = Some(command("describe", &workload, key));
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn title(key: &Key) -> String {
    format!("{}/{} in namespace {}", key.kind, key.name, key.namespace)
}

fn command(verb: &str, what: &str, key: &Key) -> String {
    format!("kubectl {verb} {what} --namespace {}", key.namespace)
}

/// Whether the operator has not seen what a person wrote last.
fn is_unseen(object: &DynamicObject) -> bool {
    let observed = object.data["status"]["observedGeneration"].as_i64();
    observed < object.metadata.generation
}

/// The conditions of an object that are not as they should be, the most important first.
fn troubles(object: &DynamicObject) -> Vec<Trouble> {
    let conditions = object.data["status"]["conditions"].as_array();
    let read = |condition: &Value| {
        let word = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
        let (kind, reason) = (word("type"), word("reason"));
        let trouble = Trouble {
            kind: Type::ALL.into_iter().find(|it| it.as_str() == kind)?,
            state: State::parse(&word("status"))?,
            reason: Reason::ALL.into_iter().find(|it| it.as_str() == reason),
            word: reason,
            message: word("message"),
        };
        trouble.kind.is_trouble(trouble.state).then_some(trouble)
    };
    let mut troubles: Vec<_> = conditions.into_iter().flatten().filter_map(read).collect();
    troubles.sort_by_key(|trouble| trouble.kind);
    troubles
}

/// What to type about a resource by itself.
fn next(key: &Key, trouble: &Trouble) -> String {
    let own = format!("{}/{}", key.kind.short(), key.name);
    match trouble.reason {
        Some(Reason::InvalidSpec | Reason::NotYetSupported | Reason::InvalidTemplate) => {
            command("edit", &own, key)
        }
        Some(Reason::DomainConflict) => command("get", Kind::Aggregate.plural(), key),
        Some(Reason::NameTaken) => {
            // The sentence begins with kind and name of that object.
            let mut words = trouble.message.split(' ');
            let (kind, name) = (words.next(), words.next());
            let object = kind.zip(name).map(|(kind, name)| format!("{kind}/{name}"));
            command("describe", &object.unwrap_or(own), key)
        }
        _ => command("describe", &own, key),
    }
}

/// The Aggregates that own the domains of a component's store, by domain.
async fn owners(client: &Client, resource: &Resource) -> Result<Vec<(String, Key)>> {
    let kind = Kind::Aggregate;
    let all: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), &resource.namespace, &api(kind));
    let all = all.list(&ListParams::default()).await;
    let all = all.context("list the Aggregates")?.items;
    let mut owners = Vec::new();
    for object in all {
        let is_accepted = troubles(&object)
            .iter()
            .all(|it| it.reason != Some(Reason::DomainConflict));
        let name = object.name_any();
        let Ok(Some(owner)) = Resource::read(plain(&object), &resource.namespace) else {
            continue;
        };
        let domain = owner.component().and_then(|it| it.domain());
        if let Some(domain) = domain.filter(|_| is_accepted && owner.store() == resource.store()) {
            let key = Key {
                namespace: resource.namespace.clone(),
                kind,
                name,
            };
            owners.push((domain.to_owned(), key));
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_as_kubectl_names_it() {
        for text in [
            "agg/order",
            "Aggregate/order",
            "aggregates/order",
            "aggregate.angzarr.io/order",
        ] {
            assert_eq!(
                named(text),
                Ok((Kind::Aggregate, "order".to_owned())),
                "{text}"
            );
        }
        let error = named("pod/order").unwrap_err();
        assert_eq!(
            error,
            "pod is not a kind of ours; write one of evs, agg, prj, saga, pm"
        );
        assert_eq!(
            named("order").unwrap_err(),
            "write a kind and a name, like agg/order"
        );
    }
}
