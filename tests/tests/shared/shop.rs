//! The shop on one database: the resources of a cluster, run as declared, with the checks of the demonstration.

use std::path::{Path, PathBuf};

use angzarr_servers::postgres::Server;
use tokio::process::Command;

/// The folder of the programs, two levels above a test.
fn programs() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_shop_passes_its_checks_on_one_database() {
    let database = Server::shared().await.database().await;
    let folder = tempfile::tempdir().unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let laid_out = Command::new(examples.join("postgres/setup.sh"))
        .arg(folder.path())
        .env("ANGZARR_POSTGRES_URL", database.url())
        .output();
    let laid_out = laid_out.await.unwrap();
    assert!(laid_out.status.success(), "{laid_out:?}");
    let programs = programs();
    let demo = programs.join("shop-demo");
    assert!(
        demo.exists(),
        "shop-demo is missing; run `cargo build --workspace`"
    );
    let others = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&others)));
    let told = Command::new(demo)
        .arg(folder.path().join("shop"))
        .env("PATH", path.unwrap())
        .env("ANGZARR_AS_DECLARED", "true")
        .output();
    let told = told.await.unwrap();
    let said = String::from_utf8_lossy(&told.stdout);
    let complained = String::from_utf8_lossy(&told.stderr);
    assert!(told.status.success(), "{said}\n{complained}");
    // All data is in the one database.
    let mut conn = database.connect().await;
    let domains =
        sqlx::query_scalar::<_, String>("SELECT domain FROM angzarr.partitions ORDER BY 1");
    let domains = domains.fetch_all(&mut conn).await.unwrap();
    assert_eq!(domains, ["customer", "inventory", "order"]);
}
