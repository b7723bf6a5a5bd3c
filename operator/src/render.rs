//! `angzarr render`: the objects that a cluster would get, as text.

use std::path::{Path, PathBuf};

use angzarr_crds::Form;
use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::graph;
use crate::index::Sight;
use crate::manifest::{self, Found, all};
use crate::model::System;
use crate::plan::{Desired, Installation, Plan, plain, plan};
use crate::validate::validate_seeing;

/// What to print.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The folder of the resources, or one file.
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    folder: PathBuf,
    /// Prints which component reads and commands which as a Mermaid flowchart instead of the objects.
    #[arg(long)]
    graph: bool,
    /// The namespace of resources that do not name one.
    #[arg(short = 'n', long, value_name = "NAMESPACE", default_value = manifest::DEFAULT_NAMESPACE, value_parser = namespace)]
    namespace: String,
    /// The image of the sidecar, for resources that do not name one. A cluster can pull the default only if its nodes hold it already.
    #[arg(long, value_name = "IMAGE")]
    sidecar_image: Option<String>,
    /// Also prints PodMonitors, for clusters that have that kind.
    #[arg(long)]
    pod_monitors: bool,
}

/// The image of the sidecar as `Dockerfile.sidecar` builds it; it is in no registry.
pub(crate) const DEFAULT_IMAGE: &str = concat!("angzarr-sidecar:", env!("CARGO_PKG_VERSION"));

fn namespace(text: &str) -> Result<String, String> {
    match Form::DnsLabel.fault(text) {
        Some(fault) => Err(fault),
        None => Ok(text.to_owned()),
    }
}

/// No line of a text is folded: folded lines are hard to compare.
const WIDEST: usize = 1_000_000;

/// Prints the objects of a folder of resources, or the graph of its routing.
///
/// # Errors
/// Every mistake in the resources.
pub(crate) fn run(render: &Render) -> Result<()> {
    let (system, notices) = read(&render.folder, &render.namespace)?;
    for notice in notices {
        eprintln!("angzarr: {notice}");
    }
    if render.graph {
        print!("{}", graph::draw(&system));
        return Ok(());
    }
    if let Some(warning) = image_warning(render, &system) {
        println!("# {warning}");
        eprintln!("angzarr: {warning}");
    }
    let sidecar_image = render.sidecar_image.as_deref().unwrap_or(DEFAULT_IMAGE);
    for finding in graph::unheard(&system) {
        eprintln!("angzarr: {finding}");
    }
    let installation = Installation {
        sidecar_image: sidecar_image.to_owned(),
        has_pod_monitors: render.pod_monitors,
    };
    print!("{}", yaml(&plan(&system, &installation))?);
    Ok(())
}

/// Says that pods use an image that a cluster cannot pull.
fn image_warning(render: &Render, system: &System) -> Option<String> {
    let mut components = system.components.values();
    let is_used = components.any(|component| component.sidecar.image.is_none());
    (is_used && render.sidecar_image.is_none()).then(|| {
        format!(
            "the image {DEFAULT_IMAGE} is in no registry, so nodes that do not hold it cannot pull it; push it and name it with --sidecar-image REGISTRY/{DEFAULT_IMAGE}"
        )
    })
}

fn read(folder: &Path, namespace: &str) -> Result<(System, Vec<String>)> {
    let found = manifest::read_in(folder, namespace).map_err(all)?;
    let Found {
        resources,
        namespaces,
        notices,
    } = found;
    let sight = Sight {
        namespaces,
        ..Sight::default()
    };
    let system = validate_seeing(&resources, sight).map_err(all)?;
    Ok((system, notices))
}

/// The objects of a plan as YAML documents, in the order of [`objects`].
///
/// # Errors
/// An object that YAML cannot hold.
pub fn yaml(plan: &Plan) -> Result<String> {
    let mut text = String::new();
    for object in objects(plan) {
        let options = serde_saphyr::ser_options! { folded_wrap_chars: WIDEST };
        let document = serde_saphyr::to_string_with_options(&object, options)
            .context("write an object as YAML")?;
        text.push_str("---\n");
        text.push_str(&document);
    }
    Ok(text)
}

/// The objects of a plan: the directories and the Jobs of stores first, then those of each component in the order in which they are needed.
pub fn objects(plan: &Plan) -> Vec<Value> {
    let directories = plan.directories.values().map(plain);
    let components = plan.components.values().cloned();
    directories
        .chain(plan.jobs.values().map(plain))
        .chain(components.flat_map(Desired::into_objects))
        .collect()
}
