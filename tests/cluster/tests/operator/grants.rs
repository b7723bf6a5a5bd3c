//! Stores and components in different namespaces: only the word of the store counts. These tests have a control plane of their own, where one operator
//! looks at all namespaces.

use std::future::pending;
use std::thread;

use angzarr_cluster::{ControlPlane, until};
use angzarr_operator::controller::{Operator, Reason, Type, run};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::sync::OnceCell;

use super::chart::{self, CHART};
use super::lake::{Lake, component};
use super::record::Record;
use super::rights::holder;

/// The control plane, where an operator of the whole cluster runs.
async fn plane() -> &'static ControlPlane {
    static PLANE: OnceCell<ControlPlane> = OnceCell::const_new();
    static STARTED: OnceCell<()> = OnceCell::const_new();
    let start = || async {
        let plane = ControlPlane::start().await;
        plane.define_resources();
        plane
    };
    let plane = PLANE.get_or_init(start).await;
    let operate = || async {
        let own = lake(plane, "operator").await;
        let install = ["install", "release", CHART, "--set", "replicas=0"];
        chart::run(Some(&own), &install);
        let operator = Operator {
            namespace: None,
            ..own.operator()
        };
        // It outlives the test that started it.
        thread::spawn(move || {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                let client = plane.client().await;
                let account = (own.namespace.as_str(), "angzarr-operator");
                let client = holder(plane, &client, account).await;
                run(operator, client, pending::<()>()).await.unwrap();
            });
        });
    };
    STARTED.get_or_init(operate).await;
    plane
}

async fn lake(plane: &'static ControlPlane, prefix: &str) -> Lake {
    Lake {
        plane,
        client: plane.client().await,
        account: plane.client().await,
        namespace: plane.namespace(prefix).await,
    }
}

/// The namespace of a store, and another one.
async fn two(prefix: &str) -> (Lake, Lake) {
    let plane = plane().await;
    let provider = lake(plane, &format!("{prefix}-own")).await;
    let tenant = lake(plane, &format!("{prefix}-tenant")).await;
    (provider, tenant)
}

/// A store on a server with what it allows.
fn store(allowed: &str) -> String {
    format!(
        "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {{name: heron}}
spec:
  storage: {{type: postgres, postgres: {{connection: {{secretRef: {{name: lake}}}}}}}}
  bus: {{type: direct}}
  allowedNamespaces: {allowed}
"
    )
}

/// A component that uses the store of a provider with a Secret of its own.
fn abroad(provider: &Lake, kind: &str, name: &str, fields: &str) -> String {
    let reference = format!(
        "{{name: heron, namespace: {}, connectionSecretRef: {{name: key}}}}",
        provider.namespace
    );
    component(kind, name, fields).replace("{name: heron}", &reference)
}

fn nest() -> String {
    component("Aggregate", "nest", "  domain: nest")
}

const READS_NEST: &str = "  sources: [{domain: nest}]";

fn document(lake: &Lake, map: &str, key: &str) -> String {
    let map = lake.get(&format!("configmap/{map}"));
    map["data"][key].as_str().unwrap().to_owned()
}

/// Waits until a text holds another or not.
async fn holds(what: &str, text: impl Fn() -> String, part: &str, is_in: bool) {
    until(what, async || {
        let text = text();
        match text.contains(part) == is_in {
            true => Ok(()),
            false => Err(text),
        }
    })
    .await;
}

fn is_there(lake: &Lake, object: &str) -> bool {
    let arguments = ["--namespace", &lake.namespace, "get", object];
    lake.plane.try_kubectl(&arguments, "").status.success()
}

/// The tenant is told that it may not; returns how.
async fn is_refused(tenant: &Lake, object: &str) -> String {
    let told = tenant
        .condition(object, "Stalled", "ReferenceNotPermitted")
        .await;
    told["message"].as_str().unwrap().to_owned()
}

/// Reaches the reason with each of its conditions.
pub(super) async fn story() {
    let (provider, tenant) = two("reason").await;
    let record = Record::of(&tenant);
    provider.apply(&store("{from: Same}"));
    tenant.apply(&abroad(&provider, "Projector", "map", READS_NEST));
    let reason = Reason::ReferenceNotPermitted;
    for kind in [Type::Stalled, Type::ReferencesResolved] {
        record.reason("prj/map", kind, reason).await;
    }
    let seen = reason.entry().seen.iter();
    let expected = seen.map(|(kind, value)| (*kind, *value, reason)).collect();
    record.has_said(&expected).await;
}

/// An operator of one namespace.
pub(super) async fn unwatched(lake: &Lake, record: &Record) {
    lake.apply(&store("{from: All}"));
    record
        .reason(
            "evs/heron",
            Type::ReferencesResolved,
            Reason::NamespaceNotWatched,
        )
        .await;
    record
        .reason("evs/heron", Type::Accepted, Reason::Valid)
        .await;
    let elsewhere = "{name: heron, namespace: default, connectionSecretRef: {name: key}}";
    lake.apply(&nest().replace("{name: heron}", elsewhere));
    record
        .reason("agg/nest", Type::Stalled, Reason::NamespaceNotWatched)
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_used_from_a_namespace_that_it_allows_with_a_secret_of_there() {
    let (provider, tenant) = two("allowed").await;
    provider.apply(&(store("{from: All}") + &nest()));
    tenant.apply(&abroad(&provider, "Projector", "map", READS_NEST));
    tenant.apply(&abroad(&provider, "Aggregate", "reed", "  domain: reed"));
    tenant
        .condition("prj/map", "ReferencesResolved", "Resolved")
        .await;
    tenant
        .condition("prj/map", "Reconciling", "RollingOut")
        .await;
    let pod = tenant.get("deployment/map-prj")["spec"]["template"]["spec"].clone();
    let volumes = pod["volumes"].as_array().unwrap().iter();
    let secrets: Vec<_> = volumes
        .filter_map(|it| it["secret"]["secretName"].as_str())
        .collect();
    assert_eq!(secrets, ["key"]);
    assert!(pod["volumes"].to_string().contains("map-prj-directory"));
    let [near, far] = [&tenant.namespace, &provider.namespace];
    let routing = document(&tenant, "map-prj-routing", "routing.json");
    let peers = format!("http://nest-agg-peers.{far}.svc:9000");
    assert!(routing.contains(&peers), "{routing}");
    let directory = || document(&tenant, "map-prj-directory", "directory.json");
    let reed = format!("http://reed-agg.{near}.svc:9000");
    holds("the own domain", directory, &reed, true).await;
    let nest = format!("http://nest-agg.{far}.svc:9000");
    holds("the domain of the provider", directory, &nest, true).await;
    let of_provider = || document(&provider, "heron-evs-directory", "directory.json");
    holds("the domain of the tenant", of_provider, &reed, true).await;
    until("the users", async || {
        let users = provider.get("evs/heron")["status"]["usedBy"].clone();
        let expected = json!([
            { "kind": "Aggregate", "namespace": far, "name": "nest" },
            { "kind": "Aggregate", "namespace": near, "name": "reed" },
            { "kind": "Projector", "namespace": near, "name": "map" },
        ]);
        match users == expected {
            true => Ok(()),
            false => Err(users.to_string()),
        }
    })
    .await;
    // Nothing is copied.
    assert_eq!(tenant.kubectl(&["get", "secrets", "--output", "name"]), "");
    // A domain has one owner over all namespaces.
    tenant.apply(&abroad(&provider, "Aggregate", "zz-late", "  domain: nest"));
    tenant
        .condition("agg/zz-late", "Stalled", "DomainConflict")
        .await;
    // A domain that comes later is in the directory of each.
    provider.apply(&component("Aggregate", "pike", "  domain: pike"));
    holds("a later domain", directory, "pike-agg", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grant_nothing_is_read_routed_or_taken_over() {
    let (provider, tenant) = two("closed").await;
    // The tenant is there before everybody else, with the right names.
    tenant.apply(&abroad(&provider, "Aggregate", "nest", "  domain: nest"));
    tenant.apply(&abroad(
        &provider,
        "Projector",
        "map",
        &format!("  mode: Sync\n{READS_NEST}"),
    ));
    tenant
        .condition("agg/nest", "Reconciling", "WaitingForEventStore")
        .await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    provider.apply(&(store("{from: Same}") + &nest()));
    provider
        .condition("agg/nest", "Reconciling", "RollingOut")
        .await;
    for object in ["agg/nest", "prj/map"] {
        let said = is_refused(&tenant, object).await;
        assert!(said.contains("spec.allowedNamespaces"), "{said}");
        let status = tenant.get(object)["status"].to_string();
        assert!(!status.contains("Aggregate/nest"), "{status}");
        let conditions = &tenant.get(object)["status"]["conditions"];
        let accepted = conditions.as_array().unwrap().iter();
        let mut accepted = accepted.filter(|it| it["type"] == "Accepted");
        assert_eq!(accepted.next().unwrap()["status"], "True");
    }
    provider.condition("agg/nest", "Accepted", "Valid").await;
    let near = format!(".{}.", tenant.namespace);
    for (map, key) in [
        ("heron-evs-directory", "directory.json"),
        ("nest-agg-routing", "routing.json"),
    ] {
        let text = document(&provider, map, key);
        assert!(!text.contains(&near), "{text}");
    }
    let users = provider.get("evs/heron")["status"]["usedBy"].clone();
    assert_eq!(users.as_array().unwrap().len(), 1, "{users}");
    for object in [
        "deployment/nest-agg",
        "deployment/map-prj",
        "configmap/map-prj-routing",
    ] {
        assert!(!is_there(&tenant, object), "{object}");
    }
    // A store of the same name is another store.
    tenant.apply(&store("{from: All}"));
    tenant.apply(&component("Aggregate", "own", "  domain: nest"));
    tenant
        .condition("agg/own", "Reconciling", "RollingOut")
        .await;
    let text = document(&tenant, "heron-evs-directory", "directory.json");
    assert!(!text.contains(&provider.namespace), "{text}");
    is_refused(&tenant, "agg/nest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_grant_and_their_loss_leaves_running_pods_alone() {
    let (provider, tenant) = two("labels").await;
    let selector = "{from: Selector, selector: {matchLabels: {team: reeds}}}";
    provider.apply(&(store(selector) + &nest()));
    tenant.apply(&abroad(&provider, "Aggregate", "reed", "  domain: reed"));
    is_refused(&tenant, "agg/reed").await;
    let label = |word: &str| {
        let arguments = ["label", "namespace", &tenant.namespace, word];
        tenant.plane.kubectl(&arguments);
    };
    label("team=reeds");
    tenant.pods_become_ready("reed", 1).await;
    tenant.condition("agg/reed", "Ready", "Serving").await;
    let of_provider = || document(&provider, "heron-evs-directory", "directory.json");
    holds("the domain of the tenant", of_provider, "reed-agg", true).await;
    let before = tenant.get("deployment/reed-agg")["metadata"]["generation"].clone();
    label("team-");
    is_refused(&tenant, "agg/reed").await;
    holds("the end of the domain", of_provider, "reed-agg", false).await;
    let ready = tenant.condition("agg/reed", "Ready", "Serving").await;
    assert_eq!(ready["status"], "True");
    let after = tenant.get("deployment/reed-agg")["metadata"]["generation"].clone();
    assert_eq!(before, after);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_made_again_has_no_grant_of_the_one_before() {
    let (provider, tenant) = two("again").await;
    let selector = "{from: Selector, selector: {matchLabels: {team: reeds}}}";
    provider.apply(&store(selector));
    let name = tenant.namespace.clone();
    tenant
        .plane
        .kubectl(&["label", "namespace", &name, "team=reeds"]);
    let reed = abroad(&provider, "Aggregate", "reed", "  domain: reed");
    tenant.apply(&reed);
    tenant
        .condition("agg/reed", "Reconciling", "RollingOut")
        .await;
    tenant.plane.kubectl(&["delete", "namespace", &name]);
    tenant.plane.ensure_namespace(&name).await;
    tenant.apply(&reed);
    is_refused(&tenant, "agg/reed").await;
    assert!(!is_there(&tenant, "deployment/reed-agg"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_of_a_namespace_that_is_made_again_grants_by_its_own_word() {
    let (provider, tenant) = two("replaced").await;
    provider.apply(&(store("{from: All}") + &nest()));
    tenant.apply(&abroad(&provider, "Projector", "map", READS_NEST));
    tenant
        .condition("prj/map", "Reconciling", "RollingOut")
        .await;
    let name = provider.namespace.clone();
    provider.plane.kubectl(&["delete", "namespace", &name]);
    tenant
        .condition("prj/map", "ReferencesResolved", "WaitingForEventStore")
        .await;
    assert!(is_there(&tenant, "deployment/map-prj"));
    provider.plane.ensure_namespace(&name).await;
    provider.apply(&store("{from: Same}"));
    is_refused(&tenant, "prj/map").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_in_files_serves_its_own_namespace_only() {
    let (provider, tenant) = two("files").await;
    provider.apply(
        "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: heron}
spec: {storage: {type: sqlite}, bus: {type: direct}, allowedNamespaces: {from: All}}
",
    );
    tenant.apply(&abroad(&provider, "Aggregate", "reed", "  domain: reed"));
    let told = tenant.condition("agg/reed", "Stalled", "InvalidSpec").await;
    let said = Value::to_string(&told["message"]);
    assert!(said.contains("use a store on a server"), "{said}");
}
