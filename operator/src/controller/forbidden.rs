//! Why the API server forbids a call: a rule that the operator's role lacks, a quota, or something else.
//!
//! # Design
//! All of these come with the same code. Whether a rule is missing the API server tells when it is asked, which everybody may do; a quota it tells in words only.

use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::Client;
use kube::api::{Api, PostParams};
use kube::core::Status;

use super::apply::Error;
use super::child::ChildKey;

/// The words of an API server about a quota.
const QUOTA: &str = "exceeded quota";

/// What the API server said when it forbade one of these verbs for an object.
pub(super) async fn explain(
    client: &Client,
    key: &ChildKey,
    verbs: &[&'static str],
    status: &Status,
) -> Error {
    for verb in verbs {
        if !may(client, key, verb).await {
            return not_permitted(key, verb);
        }
    }
    let (kind, name) = (key.kind.as_str(), key.name.clone());
    let message = status.message.clone();
    if message.contains(QUOTA) {
        return Error::QuotaExceeded {
            kind,
            name,
            message,
        };
    }
    Error::Refused {
        kind,
        name,
        message,
    }
}

/// Whether a rule allows a verb. If nobody can tell, none is said to be missing.
async fn may(client: &Client, key: &ChildKey, verb: &str) -> bool {
    let resource = key.kind.api();
    let review = SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                group: Some(resource.group),
                resource: Some(resource.plural),
                namespace: Some(key.namespace.clone()),
                name: Some(key.name.clone()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            }),
            non_resource_attributes: None,
        },
        ..SelfSubjectAccessReview::default()
    };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(client.clone());
    let answered = reviews.create(&PostParams::default(), &review).await;
    let status = answered.ok().and_then(|it| it.status);
    status.is_none_or(|status| status.allowed)
}

fn not_permitted(key: &ChildKey, verb: &'static str) -> Error {
    let resource = key.kind.api();
    Error::NotPermitted {
        verb,
        resource: resource.plural,
        group: resource.group,
        namespace: key.namespace.clone(),
    }
}
