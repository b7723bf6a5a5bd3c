//! Checks that a release build of the sidecar has no fail points. `make release-check`, a part of `make test`, runs it.

use angzarr_tests::client::{command, execute_simple, root};
use angzarr_tests::probe::Probes;
use angzarr_tests::sidecar::{FAIL_POINTS, Place};
use anyhow::{Context, Result, ensure};

#[tokio::main]
async fn main() -> Result<()> {
    let named = std::env::args().nth(1);
    let program = named.context("name the release build of the sidecar")?;
    find_no_names(&program)?;
    outlive_all(&program).await?;
    println!("{program} has no fail points");
    Ok(())
}

fn find_no_names(program: &str) -> Result<()> {
    let bytes = std::fs::read(program).with_context(|| format!("read {program}"))?;
    let has = |text: &str| {
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    };
    ensure!(has("ANGZARR_CONFIG"), "{program} is no sidecar");
    for name in ["ANGZARR_FAIL_POINT"].into_iter().chain(FAIL_POINTS) {
        ensure!(!has(name), "{program} holds the name {name}");
    }
    Ok(())
}

async fn outlive_all(program: &str) -> Result<()> {
    for name in FAIL_POINTS {
        let probes = Probes::start().await;
        let place = Place::new(program, &probes.components());
        let process = place.start(Some(format!("{name}:1")));
        place.ready().await;
        let answer = execute_simple(place.channel(), command("Add", root(1), name)).await;
        answer.with_context(|| format!("execute beside {name}"))?;
        let ended = process.terminate().await;
        ensure!(ended.success(), "beside {name} it ended with {ended}");
    }
    Ok(())
}
