//! Two installations in one cluster never touch what is the other's.

use angzarr_cluster::until;
use serde_json::Value;

use super::lake::{Lake, Running, STORE, aggregate};
use super::wire::Wire;

/// Resources that belong to an installation.
pub(crate) fn labelled(text: &str, instance: &str) -> String {
    let label = format!(", labels: {{angzarr.io/instance: {instance}}}}}");
    let lines = text.lines().map(|line| match line.strip_suffix('}') {
        Some(begin) if line.starts_with("metadata: {") => format!("{begin}{label}"),
        _ => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

impl Lake {
    /// Starts an operator of an installation; the wire notes what it does.
    fn operate_instance(&self, instance: &str) -> (Running, std::sync::Arc<Wire>) {
        let mut operator = self.operator();
        operator.instance = instance.to_owned();
        operator.sidecar_image = format!("sidecar:{instance}");
        let wire = Wire::new(self.account.clone());
        (self.operate_as(operator, wire.client()), wire)
    }
}

fn managers(object: &Value) -> Vec<&str> {
    let fields = object["metadata"]["managedFields"].as_array().unwrap();
    let applied = fields.iter().filter(|it| it["operation"] == "Apply");
    applied.map(|it| it["manager"].as_str().unwrap()).collect()
}

fn deployment(lake: &Lake, name: &str) -> Value {
    let name = format!("deployment/{name}-agg");
    let text = lake.kubectl(&["get", &name, "--show-managed-fields", "--output", "json"]);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_installations_beside_each_other_share_nothing() {
    let lake = Lake::new("beside").await;
    let (one, one_wire) = lake.operate_instance("angzarr");
    let (other, other_wire) = lake.operate_instance("lagoon");
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    let store = STORE.replace("heron", "crane");
    let reed = aggregate("reed").replace("heron", "crane");
    lake.apply(&labelled(&(store + &reed), "lagoon"));
    for name in ["nest", "reed"] {
        lake.pods_become_ready(name, 1).await;
        let object = format!("agg/{name}");
        lake.condition(&object, "Ready", "Serving").await;
    }
    for (name, instance, manager) in [
        ("nest", Value::Null, "angzarr-operator"),
        ("reed", "lagoon".into(), "lagoon-operator"),
    ] {
        let found = deployment(&lake, name);
        assert_eq!(managers(&found), [manager]);
        assert_eq!(found["metadata"]["labels"]["angzarr.io/instance"], instance);
    }
    // Neither has written anything of the other.
    for (wire, foreign) in [(&one_wire, "/reed"), (&other_wire, "/nest")] {
        let crossed = wire.writes();
        let crossed: Vec<_> = crossed
            .iter()
            .filter(|call| call.path.contains(foreign) && !call.path.contains("/events"))
            .collect();
        assert!(crossed.is_empty(), "{crossed:?}");
    }
    // A domain of the other is none of one's own.
    lake.apply(&aggregate("late").replace("domain: late", "domain: reed"));
    lake.condition("agg/late", "Accepted", "Valid").await;
    one.stop().await;
    other.stop().await;
}

/// Waits until the other installation writes the objects.
async fn is_handed_over(lake: &Lake) {
    until("the hand-over", async || {
        let conditions = lake.get("agg/nest")["status"]["conditions"].clone();
        let is_stalled = conditions.to_string().contains("Stalled");
        let managers = managers(&deployment(lake, "nest")).join(" ");
        if !is_stalled && managers.contains("lagoon-operator") {
            return Ok(());
        }
        Err(format!("{managers} {conditions}"))
    })
    .await;
}

/// Waits until the other installation has made the Service again.
async fn service_is_of_the_other(lake: &Lake) {
    until("the service", async || {
        let arguments = [
            "--namespace",
            &lake.namespace,
            "get",
            "service/nest-agg",
            "--output",
            "json",
        ];
        let ran = lake.plane.try_kubectl(&arguments, "");
        let found: Value = serde_json::from_slice(&ran.stdout).unwrap_or_default();
        if found["metadata"]["labels"]["angzarr.io/instance"] == "lagoon" {
            return Ok(());
        }
        Err(found.to_string())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_is_given_away_keeps_its_objects_until_they_are_handed_over() {
    let lake = Lake::new("given").await;
    let (one, _) = lake.operate_instance("angzarr");
    let (other, wire) = lake.operate_instance("lagoon");
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    lake.pods_become_ready("nest", 1).await;
    lake.condition("agg/nest", "Ready", "Serving").await;
    let before = deployment(&lake, "nest");
    let label = |objects: &str, how: &[&str]| {
        let label = "angzarr.io/instance=lagoon";
        lake.kubectl(&[&["label", objects, label][..], how].concat());
    };
    label("evs/heron", &[]);
    label("agg/nest", &[]);
    let stalled = lake
        .condition("agg/nest", "Stalled", "ManagedByAnotherOperator")
        .await;
    let message = stalled["message"].as_str().unwrap();
    assert!(
        message.ends_with("belongs to the operator of instance angzarr, and the resource to that of lagoon; give both the same label angzarr.io/instance"),
        "{message}"
    );
    let now = deployment(&lake, "nest");
    assert_eq!(now["spec"], before["spec"]);
    assert_eq!(managers(&now), ["angzarr-operator"]);
    let children: Vec<_> = wire.writes();
    let children = children
        .iter()
        .filter(|it| !it.path.contains("angzarr.io") && !it.path.contains("/events"));
    assert_eq!(children.count(), 0);
    // The owner hands everything over, and no pods are replaced.
    let ours = ["--selector", "app.kubernetes.io/managed-by=angzarr"];
    label(super::world::KINDS, &ours);
    is_handed_over(&lake).await;
    let now = deployment(&lake, "nest");
    assert_eq!(now["spec"]["template"], before["spec"]["template"]);
    lake.condition("agg/nest", "WorkloadUpToDate", "SidecarUpdateAvailable")
        .await;
    // What one of them deletes is repaired by the new one only.
    one.stop().await;
    lake.kubectl(&["delete", "service/nest-agg"]);
    service_is_of_the_other(&lake).await;
    other.stop().await;
}
