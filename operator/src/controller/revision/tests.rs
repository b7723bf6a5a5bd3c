use serde_json::json;

use super::*;

fn template() -> Value {
    json!({
        "metadata": { "labels": { "app": "nest" }, "annotations": { "kubectl.kubernetes.io/restartedAt": "now" } },
        "spec": {
            "dnsPolicy": "ClusterFirst",
            "containers": [
                { "name": "logic", "image": "nest:1", "imagePullPolicy": "IfNotPresent", "args": ["a", "b"] },
                { "name": "added", "image": "spy:1" },
            ],
            "finalizers": ["ours", "theirs"],
        },
    })
}

fn workload() -> DynamicObject {
    let fields = json!({ "f:spec": { "f:template": {
        "f:metadata": { "f:labels": { "f:app": {} } },
        "f:spec": {
            "f:containers": { "k:{\"name\":\"logic\"}": { ".": {}, "f:name": {}, "f:image": {}, "f:args": {} } },
            "f:finalizers": { "v:\"ours\"": {} },
        },
    } } });
    let entry = |manager: &str, operation: &str| json!({ "manager": manager, "operation": operation, "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields });
    let object = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": "nest-agg", "managedFields": [entry("kubectl", "Update"), entry("us", "Apply")] },
        "spec": { "template": template() },
    });
    serde_json::from_value(object).expect("it is an object")
}

#[test]
fn of_a_workload_only_what_we_applied_is_read_back() {
    let read = applied(&workload(), "us").expect("we applied it");
    assert_eq!(
        read["spec"]["template"],
        json!({
            "metadata": { "labels": { "app": "nest" } },
            "spec": {
                "containers": [{ "name": "logic", "image": "nest:1", "args": ["a", "b"] }],
                "finalizers": ["ours"],
            },
        })
    );
}

#[test]
fn of_a_workload_that_we_did_not_apply_nothing_is_read_back() {
    assert_eq!(applied(&workload(), "kubectl"), None);
    assert_eq!(applied(&workload(), "nobody"), None);
}
