//! The processes of a row: each ends with its handle.

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

/// Serves a router on a free port of loopback, after printing where.
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
    /// Where it serves.
    pub(crate) address: String,
    child: Child,
}

impl Part {
    /// Starts this program with the words of a part.
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
            .ok_or_else(|| anyhow!("{} ended before it served", words.join(" ")))?;
        Ok(Self { address, child })
    }

    /// The processor time that it has used.
    pub(crate) fn used(&self) -> Result<Duration> {
        used(&self.child)
    }
}

/// The processor time that a process has used, as Linux counts it: in ticks of a hundredth of a second.
pub(crate) fn used(child: &Child) -> Result<Duration> {
    const TICKS: u64 = 100;
    let id = child.id().context("the process has ended")?;
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
    // The name, in parentheses, may hold spaces; of the fields after it, the 12th and 13th are user and system time.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: Result<Vec<u64>, _> = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(str::parse)
        .collect();
    let ticks: u64 = ticks.context("read the processor time")?.iter().sum();
    Ok(Duration::from_millis(ticks * 1_000 / TICKS))
}
