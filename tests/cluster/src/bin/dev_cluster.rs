//! Starts a cluster for a person, says how kubectl reaches it, and keeps it until its input ends or Ctrl-C.

use angzarr_cluster::ControlPlane;
use tokio::io::AsyncReadExt;

#[tokio::main]
async fn main() {
    let plane = ControlPlane::start().await;
    println!("export KUBECONFIG={}", plane.kubeconfig().display());
    println!("alias kubectl={}", plane.program("kubectl").display());
    let mut input = Vec::new();
    let ended = async {
        let mut stdin = tokio::io::stdin();
        // Input that cannot be read has ended.
        let _ = stdin.read_to_end(&mut input).await;
    };
    tokio::select! {
        () = ended => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
