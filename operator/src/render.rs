//! `angzarr render`: the objects that a cluster would get, as text.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::graph;
use crate::manifest::{self, Found, all};
use crate::model::System;
use crate::plan::{Desired, Installation, Plan, plain, plan};
use crate::validate::validate;

/// What to print.
#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The folder of the resources, or one file.
    #[arg(short = 'f', long = "folder", value_name = "DIR")]
    folder: PathBuf,
    /// Prints which component reads and commands which as a Mermaid flowchart instead of the objects.
    #[arg(long)]
    graph: bool,
    /// The image of the sidecar, for resources that do not name one.
    #[arg(long, value_name = "IMAGE", default_value = concat!("angzarr-sidecar:", env!("CARGO_PKG_VERSION")))]
    sidecar_image: String,
    /// Also prints PodMonitors, for clusters that have that kind.
    #[arg(long)]
    pod_monitors: bool,
}

/// No line of a text is folded: folded lines are hard to compare.
const WIDEST: usize = 1_000_000;

/// Prints the objects of a folder of resources, or the graph of its routing.
///
/// # Errors
/// Every mistake in the resources.
pub(crate) fn run(render: &Render) -> Result<()> {
    let (system, notices) = read(&render.folder)?;
    for notice in notices {
        eprintln!("angzarr: {notice}");
    }
    if render.graph {
        print!("{}", graph::draw(&system));
        return Ok(());
    }
    let installation = Installation {
        sidecar_image: render.sidecar_image.clone(),
        has_pod_monitors: render.pod_monitors,
    };
    print!("{}", yaml(&plan(&system, &installation))?);
    Ok(())
}

fn read(folder: &Path) -> Result<(System, Vec<String>)> {
    let Found { resources, notices } = manifest::read(folder).map_err(all)?;
    let system = validate(&resources).map_err(all)?;
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

/// The objects of a plan: the directories first, then those of each component in the order in which they are needed.
pub fn objects(plan: &Plan) -> Vec<Value> {
    let mut objects: Vec<_> = plan.directories.values().map(plain).collect();
    for desired in plan.components.values() {
        let Desired {
            service_account,
            boot,
            routing,
            volume,
            workload,
            clients,
            peers,
            disruption_budget,
            autoscaler,
            network_policy,
            pod_monitor,
        } = desired;
        let of_component = [
            service_account.as_ref().map(plain),
            Some(plain(boot)),
            Some(plain(routing)),
            volume.as_ref().map(plain),
            Some(plain(clients)),
            Some(plain(peers)),
            network_policy.as_ref().map(plain),
            Some(workload.clone()),
            disruption_budget.as_ref().map(plain),
            autoscaler.as_ref().map(plain),
            pod_monitor.clone(),
        ];
        objects.extend(of_component.into_iter().flatten());
    }
    objects
}
