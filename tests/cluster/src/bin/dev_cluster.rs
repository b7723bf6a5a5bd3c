//! Starts a cluster for a person, says how kubectl reaches it, and keeps it until its input ends or Ctrl-C.
//!
//! With the word `api` it has no node, so that nothing runs in it.

use angzarr_cluster::{ControlPlane, Node};
use tokio::io::AsyncReadExt;

/// How many claims can be bound.
const VOLUMES: usize = 20;

#[tokio::main]
async fn main() {
    let is_bare = std::env::args().nth(1).is_some_and(|word| word == "api");
    if is_bare {
        let plane = ControlPlane::start().await;
        keep(&plane).await;
    } else {
        let node = Node::start().await;
        node.add_volumes("volume", VOLUMES);
        keep(node.plane()).await;
    }
}

async fn keep(plane: &ControlPlane) {
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
