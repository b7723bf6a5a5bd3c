//! A program of the shop as a process, from its start to a clean exit.

use std::{
    env,
    net::{Ipv4Addr, TcpListener},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{process::Child, process::Command, time};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::root;

const START: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// A running program. It is killed if it is dropped before [`Program::stop`].
#[derive(Debug)]
pub struct Program {
    child: Child,
    channel: Channel,
}

impl Program {
    /// Starts what was built, or the command of the environment (see [`crate::run`]), and waits until it reports that it
    /// serves. `settings` are added to its environment.
    ///
    /// # Errors
    /// It did not start, or exited before it served.
    pub async fn start(
        name: &str,
        built: &str,
        settings: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let variable = format!("SHOP_{}", name.to_uppercase().replace('-', "_"));
        let command = env::var(&variable).unwrap_or_else(|_| format!("'{built}'"));
        let port = free_port().context("find a free port")?;
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("exec {command}"))
            .current_dir(root())
            .env("PORT", port.to_string())
            .env("RUST_LOG", "warn")
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {command}"))?;
        let channel = Endpoint::from_shared(format!("http://127.0.0.1:{port}"))?.connect_lazy();
        wait_until_serving(&mut child, &channel)
            .await
            .with_context(|| format!("start {command}"))?;
        Ok(Self { child, channel })
    }

    /// A connection to it.
    pub fn channel(&self) -> Channel {
        self.channel.clone()
    }

    /// Stops it with SIGTERM.
    ///
    /// # Errors
    /// It did not exit cleanly.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.child.id().context("the program had already exited")?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
        kill_process(pid.context("read the process id")?, Signal::TERM).context("send SIGTERM")?;
        drop(self.channel);
        let status = time::timeout(STOP, self.child.wait())
            .await
            .context("wait for the exit after SIGTERM")??;
        ensure!(
            status.success(),
            "after SIGTERM the program exited with {status}"
        );
        Ok(())
    }
}

/// A free port.
///
/// # Errors
/// No port is free.
pub fn free_port() -> std::io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

async fn wait_until_serving(child: &mut Child, channel: &Channel) -> anyhow::Result<()> {
    let deadline = Instant::now() + START;
    let mut health = HealthClient::new(channel.clone());
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the program exited with {status} before it served");
        }
        let answer = health.check(HealthCheckRequest::default()).await;
        if answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the program did not serve in time"
        );
        time::sleep(POLL).await;
    }
}
