//! The processes of a row: each is stopped when it is dropped.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tonic::transport::server::{Router, TcpIncoming};

/// How long a process may take to start.
pub(crate) const START: Duration = Duration::from_secs(20);

/// Prints its address and serves a router on a free port of loopback.
pub(crate) async fn serve(router: Router) -> Result<()> {
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    println!("http://{}", listener.local_addr()?);
    router
        .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
        .await
        .context("serve")
}

/// A running part of this program.
pub(crate) struct Part {
    /// Its address.
    pub(crate) address: String,
    child: Child,
}

impl Part {
    /// Starts this program with the arguments of a part.
    pub(crate) async fn start(own: &Path, words: &[&str]) -> Result<Self> {
        let mut child = Command::new(own)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", own.display()))?;
        let out = child.stdout.take().context("read a part's output")?;
        let mut lines = BufReader::new(out).lines();
        let address = timeout(START, lines.next_line())
            .await
            .context("wait for a part's address")??
            .ok_or_else(|| anyhow!("{} exited before it served", words.join(" ")))?;
        Ok(Self { address, child })
    }

    /// The CPU time that it has used.
    pub(crate) fn used(&self) -> Result<Duration> {
        used(&self.child)
    }
}

/// The CPU time that a process has used, which Linux counts in ticks of a hundredth of a second.
pub(crate) fn used(child: &Child) -> Result<Duration> {
    const TICKS: u64 = 100;
    let id = child.id().context("the process has exited")?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may hold spaces; of the fields after it, the 12th and 13th are user and system time.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Result<Vec<u64>, _> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect();
    let ticks: u64 = ticks.context("read the CPU time")?.iter().sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}
