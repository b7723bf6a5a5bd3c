//! The shop as processes: starts, inspects, kills and stops them.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use angzarr_admin::Client;
use angzarr_admin::shape::Statusz;
use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use url::Url;

/// How long anything may take.
const WITHIN: Duration = Duration::from_secs(60);
/// How often a condition is checked.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The running shop. Dropped before [`System::stop`], it is killed.
#[derive(Debug)]
pub struct System {
    child: Child,
    resources: PathBuf,
    programs: OsString,
    data: tempfile::TempDir,
    components: Vec<Component>,
}

#[derive(Debug, Deserialize)]
struct Addresses {
    components: Vec<Component>,
}

#[derive(Debug, Deserialize)]
struct Component {
    name: String,
    grpc: String,
    admin: Url,
    ports: BTreeMap<String, u16>,
}

impl System {
    /// Starts the resources of a folder. Programs are looked up in `path`, a list of folders as in the variable `PATH`.
    ///
    /// # Errors
    /// `angzarr local` could not be started.
    pub fn start(folder: &Path, path: &OsStr) -> Result<Self> {
        let data = tempfile::tempdir().context("make a folder for the data")?;
        Ok(Self {
            child: spawn(folder, data.path(), path)?,
            resources: folder.to_owned(),
            programs: path.to_owned(),
            data,
            components: Vec::new(),
        })
    }

    /// Waits until all components accept clients.
    ///
    /// # Errors
    /// It did not start; the error has the output of the processes.
    pub async fn until_open(&mut self) -> Result<()> {
        self.read_addresses().await?;
        for component in &self.components {
            until_open(component)
                .await
                .with_context(|| format!("wait for {}\n{}", component.name, self.log()))?;
        }
        Ok(())
    }

    /// The output of the processes so far.
    pub fn log(&self) -> String {
        // It is shown only together with another error.
        std::fs::read_to_string(self.data.path().join("log")).unwrap_or_default()
    }

    async fn read_addresses(&mut self) -> Result<()> {
        let file = self.addresses();
        let deadline = Instant::now() + WITHIN;
        loop {
            if let Ok(text) = tokio::fs::read_to_string(&file).await {
                let addresses: Addresses =
                    serde_json::from_str(&text).context("read the addresses")?;
                self.components = addresses.components;
                return Ok(());
            }
            if let Some(status) = self.child.try_wait().context("check `angzarr local`")? {
                bail!("`angzarr local` exited with {status}:\n{}", self.log());
            }
            if Instant::now() > deadline {
                bail!("`angzarr local` did not report its addresses");
            }
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Reads all addresses again, since components may have moved.
    ///
    /// # Errors
    /// They cannot be read.
    pub async fn find_again(&mut self) -> Result<()> {
        self.read_addresses().await
    }

    /// The port of a component's sidecar.
    ///
    /// # Errors
    /// There is no such component.
    pub fn port(&self, name: &str) -> Result<u16> {
        let (_, port) = self
            .component(name)?
            .grpc
            .rsplit_once(':')
            .context("read the address")?;
        port.parse().context("read the port")
    }

    /// The port of a component's logic, by the base name of the component, such as `order-agg`.
    ///
    /// # Errors
    /// There is no such component.
    pub fn logic_port(&self, base_name: &str) -> Result<u16> {
        let text = std::fs::read_to_string(self.data.path().join("ports.json"))
            .context("read the ports")?;
        let ports: BTreeMap<String, u16> = serde_json::from_str(&text).context("read the ports")?;
        let port = ports.get(&format!("default/{base_name}/logic"));
        port.copied()
            .with_context(|| format!("{base_name} has no logic"))
    }

    /// Whether a component accepts client commands.
    pub async fn is_open(&self, name: &str) -> bool {
        match self.component(name) {
            Ok(component) => is_open(component).await,
            Err(_) => false,
        }
    }

    fn component(&self, name: &str) -> Result<&Component> {
        let found = self
            .components
            .iter()
            .find(|component| component.name == name);
        found.with_context(|| format!("the shop has no component {name}"))
    }

    /// A connection to a component's sidecar.
    ///
    /// # Errors
    /// There is no such component.
    pub fn channel(&self, name: &str) -> Result<Channel> {
        Ok(Endpoint::from_shared(self.component(name)?.grpc.clone())?.connect_lazy())
    }

    /// The order page, as a browser gets it.
    ///
    /// # Errors
    /// The request failed.
    pub async fn page(&self) -> Result<String> {
        let port = self.component("web")?.ports.get("page");
        get(
            &format!("127.0.0.1:{}", port.context("web has no page")?),
            "/",
        )
        .await
    }

    /// Kills the sidecar of a component and returns its process id.
    ///
    /// # Errors
    /// Its process id is unknown, or it cannot be killed.
    pub async fn kill(&self, name: &str) -> Result<u32> {
        let process = status(self.component(name)?).await?.process;
        let pid = i32::try_from(process)
            .ok()
            .and_then(Pid::from_raw)
            .context("read the process id")?;
        kill_process(pid, Signal::KILL).context("kill the sidecar")?;
        Ok(process)
    }

    /// Waits until another process has replaced a killed one and accepts clients.
    ///
    /// # Errors
    /// It was not replaced in time.
    pub async fn until_replaced(&self, name: &str, killed: u32) -> Result<()> {
        let component = self.component(name)?;
        wait(async || {
            let status = status(component).await;
            status.is_ok_and(|status| status.process != killed && status.lifecycle.open)
        })
        .await
    }

    /// Stops everything, starts it again over the same data, and waits until all components accept clients.
    ///
    /// # Errors
    /// It did not stop cleanly, or did not start.
    pub async fn restart(&mut self) -> Result<()> {
        let stopped = self.end().await?;
        ensure!(stopped.success(), "the shop stopped with {stopped}");
        // The file is written again once the ports are known.
        std::fs::remove_file(self.addresses()).context("remove the addresses")?;
        self.child = spawn(&self.resources, self.data.path(), &self.programs)?;
        self.until_open().await
    }

    /// Stops everything as Ctrl-C does, and removes the data.
    ///
    /// # Errors
    /// It had already exited, or did not exit in time.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        self.end().await
    }

    async fn end(&mut self) -> Result<ExitStatus> {
        let pid = self
            .child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(Pid::from_raw);
        kill_process(
            pid.context("`angzarr local` has already exited")?,
            Signal::TERM,
        )
        .context("stop the shop")?;
        timeout(WITHIN, self.child.wait())
            .await
            .context("wait for the shop to stop")?
            .context("stop the shop")
    }

    fn addresses(&self) -> PathBuf {
        self.data.path().join("addresses.json")
    }
}

/// Runs `angzarr local` so that it and its children cannot outlive this process.
fn spawn(folder: &Path, data: &Path, path: &OsStr) -> Result<Child> {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(data.join("log"))
        .context("make a file for the log")?;
    Command::new("angzarr")
        .arg("shim")
        .arg(std::process::id().to_string())
        .args(["angzarr", "local", "-f"])
        .arg(folder)
        .arg("--data")
        .arg(data)
        .env("PATH", path)
        .stdin(Stdio::null())
        .stdout(log.try_clone().context("share the log")?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .context("start `angzarr local`; is it in PATH?")
}

async fn until_open(component: &Component) -> Result<()> {
    wait(async || is_open(component).await).await
}

async fn is_open(component: &Component) -> bool {
    let status = status(component).await;
    status.is_ok_and(|status| status.lifecycle.open)
}

async fn status(component: &Component) -> Result<Statusz> {
    let client = Client::new(component.admin.clone(), WITHIN);
    Ok(client.get("/statusz", &[]).await?)
}

/// Gets a text with HTTP/1.0, where the response ends with the connection.
async fn get(address: &str, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (_, body) = answer
        .split_once("\r\n\r\n")
        .context("the response has no body")?;
    Ok(body.to_owned())
}

/// Waits until a condition holds.
///
/// # Errors
/// It did not hold in time.
pub async fn wait(mut holds: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + WITHIN;
    while !holds().await {
        if Instant::now() > deadline {
            bail!("the condition did not hold within {WITHIN:?}");
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(())
}
