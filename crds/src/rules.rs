//! The rules that relate fields to each other, in CEL, each with a sentence for the user.
//!
//! They are part of the schema, so an API server and [`validate_cel`](crate::validate_cel) agree.
//!
//! # Design
//!
//! A rule that forbids a change is attached to `spec`, which is always there. On an optional leaf it
//! would not be evaluated when the leaf is removed in one update and added again in the next.
//! Functions here are schemars transforms. Each `spec` names all of its own, since flattening two
//! parts into one keeps the rules of the first part only. `namespace` is a reserved word of CEL, hence `__namespace__`.

use kube::core::{Rule, validate};
use schemars::Schema;

use crate::form;

/// Adds a rule to a schema.
fn require(schema: &mut Schema, rule: &str, message: &str) {
    validate(schema, Rule::new(rule).message(message))
        .expect("rules are plain text, which JSON can hold");
}

/// The name of every resource; attached to the root, the only place that sees it.
pub(crate) fn name(schema: &mut Schema) {
    require(
        schema,
        "self.metadata.name.size() <= 50 && \
         self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must have at most 50 characters, only a-z, 0-9 and '-', begin with a \
         letter and end with a letter or digit: it becomes part of the names of Services",
    );
}

/// The keys of labels or annotations; a schema has no other way to reach keys.
pub(crate) fn keys(schema: &mut Schema, what: &str, pattern: &str) {
    let (pattern, lengths) = (pattern.replace('\\', "\\\\"), form::KEY_LENGTHS);
    require(
        schema,
        &format!("self.all(key, key.matches('{lengths}') && key.matches('{pattern}'))"),
        &format!(
            "each {what} key must be a name of at most 63 letters, digits, '-', '_' and '.' that begins and ends with a letter or digit, \
             with a DNS name and '/' before it if you like, as in example.com/team"
        ),
    );
}

/// What all components have in common.
pub(crate) fn component(schema: &mut Schema) {
    require(
        schema,
        "has(self.template) != has(self.workloadRef)",
        "exactly one of template and workloadRef must be set: template for pods that the \
         operator runs, workloadRef for a Deployment or StatefulSet of your own",
    );
    require(
        schema,
        "!(has(self.replicas) && has(self.autoscaling))",
        "replicas and autoscaling exclude each other: remove one of them",
    );
    require(
        schema,
        "self.eventStoreRef.name == oldSelf.eventStoreRef.name && \
         has(self.eventStoreRef.__namespace__) == has(oldSelf.eventStoreRef.__namespace__) && \
         (!has(self.eventStoreRef.__namespace__) || \
         self.eventStoreRef.__namespace__ == oldSelf.eventStoreRef.__namespace__)",
        "eventStoreRef cannot change to another store, since the events stay where they are: create a \
         component with another name instead",
    );
    require(
        schema,
        "!has(self.eventStoreRef.__namespace__) || has(self.eventStoreRef.connectionSecretRef)",
        "eventStoreRef.namespace needs eventStoreRef.connectionSecretRef: credentials are read \
         from a Secret in this component's own namespace",
    );
}

/// What writes events keeps its domain.
pub(crate) fn fixed_domain(schema: &mut Schema) {
    require(
        schema,
        "self.domain == oldSelf.domain",
        "domain cannot change, since its events are stored under that name: create a component with \
         another name instead",
    );
}

/// What reads events.
pub(crate) fn consumer(schema: &mut Schema) {
    require(
        schema,
        "!has(self.startFrom) || self.startFrom.type != 'Position' || size(self.sources) == 1",
        "startFrom.type Position needs exactly one source: each domain counts its own positions",
    );
}

/// A place to start from.
pub(crate) fn start_from(schema: &mut Schema) {
    require(
        schema,
        "(self.type == 'Position') == has(self.position)",
        "position must be set if type is Position, and only then",
    );
    require(
        schema,
        "(self.type == 'Time') == has(self.time)",
        "time must be set if type is Time, and only then",
    );
}

/// A horizontal autoscaler's range.
pub(crate) fn autoscaling(schema: &mut Schema) {
    require(
        schema,
        "self.minReplicas <= self.maxReplicas",
        "minReplicas must not be greater than maxReplicas",
    );
}

/// A store's storage: the tag and its block belong together.
pub(crate) fn storage(schema: &mut Schema) {
    require(
        schema,
        "self.type == 'sqlite' || !has(self.sqlite)",
        "the block sqlite must be left out unless type is sqlite",
    );
    for word in ["postgres", "mongodb", "redis"] {
        block(schema, word);
    }
}

/// A store's bus: the tag and its block belong together, and a broker is managed.
pub(crate) fn bus(schema: &mut Schema) {
    require(
        schema,
        "self.type == 'direct' || !has(self.direct)",
        "the block direct must be left out unless type is direct",
    );
    for word in ["rabbitmq", "kafka", "nats"] {
        block(schema, word);
    }
    require(
        schema,
        "!has(self.management) || self.management != 'Operator' || has(self.adminSecretRef)",
        "management Operator needs adminSecretRef, the credentials that may declare topology",
    );
    require(
        schema,
        "self.type != 'direct' || (!has(self.management) && !has(self.adminSecretRef))",
        "management and adminSecretRef have no meaning for type direct, which has no broker: \
         remove them",
    );
}

fn block(schema: &mut Schema, word: &str) {
    require(
        schema,
        &format!("(self.type == '{word}') == has(self.{word})"),
        &format!("the block {word} must be set if type is {word}, and only then"),
    );
}

/// What a store is cannot change under the components that use it.
pub(crate) fn store_identity(schema: &mut Schema) {
    const ADVICE: &str = "since the events stay where they are: create another EventStore instead";
    for field in ["storage", "bus"] {
        require(
            schema,
            &format!("self.{field}.type == oldSelf.{field}.type"),
            &format!("{field}.type cannot change, {ADVICE}"),
        );
    }
    for (block, field) in [
        ("postgres", "database"),
        ("postgres", "schema"),
        ("mongodb", "database"),
        ("redis", "prefix"),
    ] {
        let (new, old) = (
            format!("self.storage.{block}"),
            format!("oldSelf.storage.{block}"),
        );
        require(
            schema,
            &format!(
                "!has({new}) || !has({old}) || (has({new}.{field}) == has({old}.{field}) && \
                 (!has({new}.{field}) || {new}.{field} == {old}.{field}))"
            ),
            &format!("storage.{block}.{field} cannot change, {ADVICE}"),
        );
    }
}

/// Who may use a store.
pub(crate) fn allowed_namespaces(schema: &mut Schema) {
    require(
        schema,
        "(self.from == 'Selector') == has(self.selector)",
        "selector must be set if from is Selector, and only then",
    );
}
