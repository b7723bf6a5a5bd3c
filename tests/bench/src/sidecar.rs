//! A sidecar of the benchmark, with its own store and folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use angzarr_servers::free_port;
use anyhow::{Context, Result, anyhow};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::process::{START, used};

/// A running sidecar; it is stopped when it is dropped.
pub(crate) struct Sidecar {
    /// Its address.
    pub(crate) address: String,
    child: Child,
}

/// The settings of a sidecar.
pub(crate) struct Documents {
    /// The folder of its files.
    pub(crate) folder: PathBuf,
    /// Its storage, as in a boot document.
    pub(crate) storage: String,
    /// Its components, a list in YAML.
    pub(crate) components: String,
    /// Its routing document.
    pub(crate) routing: String,
    /// The port of its services.
    pub(crate) port: u16,
}

impl Sidecar {
    /// Starts one and waits until it is ready.
    pub(crate) async fn start(program: &Path, documents: &Documents) -> Result<Self> {
        let Documents {
            folder,
            storage,
            components,
            routing,
            port,
        } = documents;
        fs::create_dir_all(folder)?;
        let admin = free_port();
        let boot = format!(
            "namespace: bench\nstorage: {storage}\nbus: {{type: direct}}\nports: {{bind: 127.0.0.1, grpc: {port}, admin: {admin}}}\ncomponents:\n{components}"
        );
        fs::write(folder.join("boot.yaml"), boot)?;
        fs::write(folder.join("routing.json"), routing)?;
        let child = Command::new(program)
            .env("ANGZARR_CONFIG", folder.join("boot.yaml"))
            .env("ANGZARR_ROUTING", folder.join("routing.json"))
            .env_remove("ANGZARR_LOG")
            .stdin(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let sidecar = Self {
            address: format!("http://127.0.0.1:{port}"),
            child,
        };
        sidecar.ready(folder).await?;
        Ok(sidecar)
    }

    async fn ready(&self, folder: &Path) -> Result<()> {
        let mut health = HealthClient::new(self.channel()?);
        let deadline = Instant::now() + START;
        loop {
            let answer = health.check(HealthCheckRequest::default()).await;
            if answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving) {
                return Ok(());
            }
            if Instant::now() > deadline {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                return Err(anyhow!("the sidecar is not ready in time; its log:\n{log}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// A new connection.
    pub(crate) fn channel(&self) -> Result<Channel> {
        channel(&self.address)
    }

    /// The CPU time that it has used.
    pub(crate) fn used(&self) -> Result<Duration> {
        used(&self.child)
    }

    /// Its resident memory, in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let id = self.child.id().context("the sidecar has exited")?;
        let status = fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kibibytes = line
            .and_then(|line| line.split_whitespace().next())
            .context("read the memory")?;
        Ok(kibibytes.parse::<u64>()? << 10)
    }
}

/// A connection that is opened on use.
pub(crate) fn channel(address: &str) -> Result<Channel> {
    Ok(Endpoint::from_shared(address.to_owned())?
        .tcp_nodelay(true)
        .connect_lazy())
}
