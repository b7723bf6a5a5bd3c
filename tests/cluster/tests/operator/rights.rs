//! The rights that the chart gives to an operator: each operator of these tests has only them, and none is without a use.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use angzarr_cluster::{ControlPlane, until};
use http::{Method, Request, StatusCode};
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use kube::core::discovery::ApiResource;
use kube::{Client, Config, ResourceExt};
use serde_json::json;
use tokio::sync::OnceCell;
use tower::{BoxError, service_fn};

use super::chart::{CHART, run};
use super::injection::{deployment, existing};
use super::lake::{Lake, STORE, aggregate, component};
use super::reasons::SERVER;

/// The name of the operator of the chart's default instance.
const NAME: &str = "angzarr-operator";
/// Stands for a namespace in what Helm prints.
const SOMEWHERE: &str = "some-namespace";

/// What the chart installs for the rights of an operator of one namespace.
async fn objects(namespace: &str) -> Vec<DynamicObject> {
    static PRINTED: OnceCell<String> = OnceCell::const_new();
    let print = async || {
        let parts = [
            "--show-only=templates/roles.yaml",
            "--show-only=templates/account.yaml",
        ];
        let template = [
            "template",
            "lake",
            CHART,
            "--namespace",
            SOMEWHERE,
            "--set",
            "scope=namespaced",
        ];
        run(None, &[&template[..], &parts].concat())
    };
    let printed = PRINTED.get_or_init(print).await;
    serde_saphyr::from_multiple(&printed.replace(SOMEWHERE, namespace)).unwrap()
}

/// A client with the rights that the chart gives to an operator of a namespace.
pub(crate) async fn account(plane: &ControlPlane, client: &Client, namespace: &str) -> Client {
    for object in objects(namespace).await {
        let kind = object.types.clone().unwrap();
        let resource = ApiResource::from_gvk(&(&kind).try_into().unwrap());
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let how = PatchParams::apply("tests");
        let applied = api
            .patch(&object.name_any(), &how, &Patch::Apply(&object))
            .await;
        applied.unwrap();
    }
    holder(plane, client, (namespace, NAME)).await
}

/// A client with the token of an account, by namespace and name.
pub(crate) async fn holder(
    plane: &ControlPlane,
    client: &Client,
    (namespace, name): (&str, &str),
) -> Client {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), namespace);
    let request = TokenRequest::default();
    let request = accounts
        .create_token_request(name, &PostParams::default(), &request)
        .await;
    let token = request.unwrap().status.unwrap().token.unwrap();
    let mut file = Kubeconfig::read_from(plane.kubeconfig()).unwrap();
    file.auth_infos[0].auth_info = Some(AuthInfo {
        token: Some(token.into()),
        ..AuthInfo::default()
    });
    let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
    Client::try_from(config.unwrap()).unwrap()
}

/// A right: the group, the resource with what is below it, and the verb.
type Right = (String, String, String);

/// The rights in the rules of roles.
fn granted(objects: &[DynamicObject]) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    let rules = objects.iter().filter_map(|it| it.data["rules"].as_array());
    for rule in rules.flatten() {
        let list = |key: &str| -> Vec<String> {
            let words = rule[key].as_array().unwrap().iter();
            words.map(|it| it.as_str().unwrap().to_owned()).collect()
        };
        for group in list("apiGroups") {
            for resource in list("resources") {
                let all = list("verbs").into_iter();
                rights.extend(all.map(|verb| (group.clone(), resource.clone(), verb)));
            }
        }
    }
    rights
}

/// The right that a call needs; an apply that creates something needs that to create it, too.
fn needed(request: &Request<Body>, answer: StatusCode) -> Right {
    let path = request.uri().path();
    let (group, rest) = match path.strip_prefix("/api/v1/") {
        Some(rest) => ("", rest),
        None => {
            let path = path.strip_prefix("/apis/").unwrap();
            let (group, rest) = path.split_once('/').unwrap();
            (group, rest.split_once('/').unwrap().1)
        }
    };
    let mut parts = rest.split('/');
    let mut resource = parts.next().unwrap();
    if resource == "namespaces" && parts.clone().count() >= 2 {
        resource = parts.nth(1).unwrap();
    }
    let (name, below) = (parts.next(), parts.next());
    let query = request.uri().query().unwrap_or_default();
    let verb = match (request.method(), name) {
        (&Method::GET, Some(_)) => "get",
        (&Method::GET, None) if query.contains("watch=true") => "watch",
        (&Method::GET, None) => "list",
        (&Method::POST, _) => "create",
        (&Method::PATCH, _) if answer == StatusCode::CREATED => "create",
        (&Method::PATCH, _) => "patch",
        (&Method::PUT, _) => "update",
        (&Method::DELETE, _) => "delete",
        (other, _) => panic!("{other} {path}"),
    };
    let resource = below.map_or(resource.to_owned(), |below| format!("{resource}/{below}"));
    (group.to_owned(), resource, verb.to_owned())
}

/// A client that writes down the rights that were needed.
fn recorded(client: &Client) -> (Client, Arc<Mutex<BTreeSet<Right>>>) {
    let used = Arc::new(Mutex::new(BTreeSet::new()));
    let (client, kept) = (client.clone(), Arc::clone(&used));
    let namespace = client.default_namespace().to_owned();
    let service = service_fn(move |request: Request<Body>| {
        let (client, kept) = (client.clone(), Arc::clone(&kept));
        async move {
            let (parts, body) = request.into_parts();
            let seen = Request::from_parts(parts.clone(), Body::empty());
            let answer = client.send(Request::from_parts(parts, body)).await?;
            kept.lock().unwrap().insert(needed(&seen, answer.status()));
            Ok::<_, BoxError>(answer)
        }
    });
    (Client::new(service, namespace), used)
}

/// A component with everything that a role is needed for, on the store of all other tests; and one with a file.
const RICH: &str = "  domain: tern
  autoscaling: {minReplicas: 2, maxReplicas: 3}
  network: {policy: Ingress}
  rollout: {revisionHistoryLimit: 0}";
const PLAIN: &str = "  domain: tern
  logic: {port: 6000}
  rollout: {revisionHistoryLimit: 0}";
/// More changes of the pods than plans are kept.
const LEVELS: [&str; 3] = ["Debug", "Warn", "Error"];

/// The same with pods of somebody else.
const EXISTING: &str = "
apiVersion: angzarr.io/v1alpha1
kind: Aggregate
metadata: {name: tern}
spec:
  eventStoreRef: {name: heron}
  domain: tern
  workloadRef: {kind: Deployment, name: gull}
";

/// All kinds of objects that a component with pods of its own has.
const CHILDREN: &str = "configmaps,serviceaccounts,services,persistentvolumeclaims,deployments,controllerrevisions,horizontalpodautoscalers,\
    networkpolicies,poddisruptionbudgets,jobs";

/// Takes our label off everything that is ours of some kinds, and waits until it is back.
async fn spoil_and_see_mended(lake: &Lake, kinds: &str) {
    let of = "--selector=angzarr.io/component";
    // A PodTemplate holds parts of pods, which would violate the profile by themselves.
    lake.kubectl_warned(&[
        "label",
        kinds,
        of,
        "--overwrite",
        "app.kubernetes.io/managed-by=reed",
    ]);
    until("the repair of all objects", async || {
        let spoiled = "--selector=app.kubernetes.io/managed-by=reed";
        match lake.kubectl(&["get", kinds, spoiled, "--output=name"]) {
            none if none.is_empty() => Ok(()),
            some => Err(some),
        }
    })
    .await;
}

/// A component with the pods of a StatefulSet.
fn stateful(fields: &str) -> String {
    existing("owl", fields).replace(
        "workloadRef: {name",
        "workloadRef: {kind: StatefulSet, name",
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_right_of_the_role_is_needed() {
    let lake = Lake::new("needed").await;
    let (client, used) = recorded(&lake.account);
    let mut operator = lake.operator();
    operator.election.leader_election = true;
    operator.election.lease_duration = std::time::Duration::from_secs(60);
    let running = lake.operate_as(operator, client);
    let file = STORE.replace("heron", "wader");
    let saga = "  sources: [{domain: tern}]\n  targets: [{domain: nest}]";
    lake.apply(
        &[
            SERVER.to_owned(),
            file,
            component("Aggregate", "tern", RICH),
            aggregate("nest").replace("{name: heron}", "{name: wader}"),
            component("Projector", "map", "  sources: [{domain: tern}]"),
            component("Saga", "herd", saga),
            component(
                "ProcessManager",
                "keeper",
                &format!("{saga}\n  domain: keeper"),
            ),
            stateful(""),
            deployment("owl", "agg-owl", json!({ "kind": "StatefulSet" })),
        ]
        .join("\n---\n"),
    );
    lake.comes_to_serve("tern").await;
    spoil_and_see_mended(&lake, CHILDREN).await;
    let plain = component("Aggregate", "tern", PLAIN);
    let named = "    spec:\n      serviceAccountName: default";
    let plain = plain.replacen("    spec:", named, 1);
    lake.apply(&plain);
    lake.comes_to_serve("tern").await;
    for level in LEVELS {
        lake.apply(&(plain.clone() + &format!("  sidecar: {{logLevel: {level}}}\n")));
        lake.comes_to_serve("tern").await;
    }
    lake.apply(EXISTING);
    lake.is_gone("deployment/tern-agg").await;
    spoil_and_see_mended(&lake, "podtemplates").await;
    lake.apply(&plain);
    lake.is_gone("podtemplate/tern-agg").await;
    lake.apply(&stateful("  sidecar: {logLevel: Debug}"));
    // A Job that is not wanted any more goes.
    lake.apply(&format!("{SERVER}  schema: {{policy: External}}\n"));
    let granted = granted(&objects(&lake.namespace).await);
    until("the use of every right", async || {
        let unused: Vec<_> = granted.difference(&used.lock().unwrap()).cloned().collect();
        match unused.is_empty() {
            true => Ok(()),
            false => Err(format!("{unused:?}")),
        }
    })
    .await;
    running.stop().await;
}
