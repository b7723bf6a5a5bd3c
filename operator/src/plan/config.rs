//! ConfigMaps that hold documents.

use std::collections::BTreeMap;

use angzarr_config::boot::Boot;
use angzarr_config::directory::Directory;
use angzarr_config::routing::Routing;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use super::documents::DirectoryKey;
use super::{Scope, names};
use crate::digest::digits;

/// The key, and so the file, of the boot document.
pub(super) const BOOT: &str = "boot.json";
/// The key, and so the file, of the routing document.
pub(super) const ROUTING: &str = "routing.json";
/// The key, and so the file, of the directory.
pub(super) const DIRECTORY: &str = "directory.json";

/// How many digits of a hash make a name.
const HASH_DIGITS: usize = 10;

/// Another document is another object, so that pods of before keep theirs.
pub(super) fn build_boot(scope: &Scope, boot: &Boot) -> ConfigMap {
    let text = json(boot);
    let name = names::boot(scope.key, &digits(&text, HASH_DIGITS));
    ConfigMap {
        immutable: Some(true),
        ..holding(scope.metadata(name), BOOT, text)
    }
}

pub(super) fn build_routing(scope: &Scope, routing: &Routing) -> ConfigMap {
    let name = names::routing(scope.key);
    holding(scope.metadata(name), ROUTING, json(routing))
}

pub(super) fn build_directory(key: &DirectoryKey, directory: &Directory) -> ConfigMap {
    holding(
        names::directory_metadata(key, directory.store_id),
        DIRECTORY,
        json(directory),
    )
}

/// The directory of a component whose store is in another namespace.
pub(super) fn build_own_directory(scope: &Scope, directory: &Directory) -> ConfigMap {
    let name = names::directory_of(scope.key, &scope.component.store);
    holding(scope.metadata(name), DIRECTORY, json(directory))
}

fn holding(metadata: ObjectMeta, file: &str, text: String) -> ConfigMap {
    ConfigMap {
        metadata,
        data: Some(BTreeMap::from([(file.to_owned(), text)])),
        ..ConfigMap::default()
    }
}

/// The hash of a part of an object.
pub(super) fn hash(part: &impl Serialize) -> String {
    digits(&json(part), HASH_DIGITS)
}

/// The same text for the same meaning, in lines that people can compare.
fn json(document: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(document).expect("configuration is plain data");
    format!("{text}\n")
}
