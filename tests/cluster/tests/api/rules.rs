//! The rules between fields, evaluated by the API server.

use angzarr_cluster::ControlPlane;
use angzarr_crds::testkit::{Case, misshapen, rules};
use angzarr_crds::{GROUP, Kind, crd};
use futures::{StreamExt, stream};
use kube::api::{DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Api, Client};
use serde_json::{Value, json};

/// How many cases are tried at the same time.
const AT_ONCE: usize = 16;

fn resources(client: &Client, namespace: &str, kind: Kind) -> Api<DynamicObject> {
    let version = &crd(kind).spec.versions[0].name;
    let named = GroupVersionKind::gvk(GROUP, version, kind.as_str());
    let resource = ApiResource::from_gvk_with_plural(&named, kind.plural());
    Api::namespaced_with(client.clone(), namespace, &resource)
}

fn object(value: &Value, name: &str, version: Option<String>) -> DynamicObject {
    let mut value = value.clone();
    value["metadata"]["name"] = json!(name);
    let mut object: DynamicObject = serde_json::from_value(value).unwrap();
    object.metadata.resource_version = version;
    object
}

/// What the server says to a case. Nothing is kept but the resource that the case replaces, which gets a name of its own.
async fn verdict(client: &Client, namespace: &str, number: usize, case: &Case) -> kube::Result<()> {
    let resources = resources(client, namespace, case.kind);
    let tried = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    let Some(old) = &case.old else {
        let name = case.new["metadata"]["name"].as_str().unwrap();
        let object = object(&case.new, name, None);
        return resources.create(&tried, &object).await.map(drop);
    };
    let name = format!("tern-{number}");
    let old = object(old, &name, None);
    let created = resources.create(&PostParams::default(), &old).await?;
    let version = created.metadata.resource_version;
    let new = object(&case.new, &name, version);
    resources.replace(&name, &tried, &new).await.map(drop)
}

/// Says what is wrong with a verdict, if anything is.
fn judge(case: &Case, verdict: kube::Result<()>) -> Result<(), String> {
    match (&case.refusal, verdict) {
        (None, Ok(())) => Ok(()),
        (Some(wanted), Err(kube::Error::Api(refused)))
            if refused.message.contains(&wanted.sentence)
                && refused.message.contains(&wanted.field) =>
        {
            Ok(())
        }
        (_, verdict) => Err(format!("{verdict:?}\n{case:#?}")),
    }
}

#[tokio::test]
async fn the_server_accepts_and_refuses_the_cases_of_every_rule() {
    let plane = ControlPlane::shared().await;
    let (client, namespace) = (plane.client().await, plane.namespace("rules").await);
    let cases: Vec<_> = rules()
        .into_iter()
        .flat_map(|rule| rule.cases.into_iter().map(move |case| (rule.name, case)))
        .enumerate()
        .collect();
    assert!(cases.len() > 100, "{} cases", cases.len());
    let tried = cases.iter().map(async |(number, (rule, case))| {
        let verdict = verdict(&client, &namespace, *number, case).await;
        judge(case, verdict).map_err(|wrong| format!("{rule}: {wrong}"))
    });
    let judged: Vec<_> = stream::iter(tried)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let wrong: Vec<_> = judged.into_iter().filter_map(Result::err).collect();
    assert!(
        wrong.is_empty(),
        "{}\n{} wrong",
        wrong.join("\n"),
        wrong.len()
    );
}

/// Creates an Aggregate as kubectl does, which lets the server refuse fields that it does not know; nothing is kept.
async fn create_strictly(client: &Client, namespace: &str, resource: &Value) -> kube::Result<()> {
    let version = &crd(Kind::Aggregate).spec.versions[0].name;
    let path = format!(
        "/apis/{GROUP}/{version}/namespaces/{namespace}/aggregates?dryRun=All&fieldValidation=Strict"
    );
    let request = http::Request::post(path)
        .header("Content-Type", "application/json")
        .body(resource.to_string().into_bytes());
    client.request_text(request.unwrap()).await.map(drop)
}

#[tokio::test]
async fn the_server_refuses_each_mistake_in_the_shape_at_the_same_field() {
    let plane = ControlPlane::shared().await;
    let (client, namespace) = (plane.client().await, plane.namespace("shapes").await);
    for (resource, said) in misshapen() {
        let verdict = create_strictly(&client, &namespace, &resource).await;
        let Err(kube::Error::Api(refused)) = verdict else {
            panic!("{said}: {verdict:?}");
        };
        let (path, _) = said.split_once(": ").unwrap();
        // Keys of a map are written in another way.
        let field = path.split("[\"").next().unwrap();
        assert!(
            refused.message.contains(field),
            "{said}: {}",
            refused.message
        );
    }
}
