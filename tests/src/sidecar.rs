//! A sidecar as a process, with a store that outlives it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use angzarr_admin::Client;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

pub use angzarr_servers::{WITHIN, free_port};

/// All fail points at which a sidecar under test can be killed.
pub const FAIL_POINTS: [&str; 11] = [
    "after_load",
    "after_logic",
    "before_commit",
    "before_flush",
    "after_commit",
    "before_delivery",
    "after_delivery",
    "before_progress",
    "after_progress",
    "before_outgoing",
    "after_outgoing",
];

/// The files and ports of a sidecar, which stay the same over restarts.
pub struct Place {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// The port of the gRPC services.
    pub grpc: u16,
    /// The port of health and administration.
    pub admin: u16,
}

impl Place {
    /// Chooses free ports and writes the boot document, with `components` as its YAML list and an SQLite file.
    pub fn new(program: &str, components: &str) -> Self {
        let place = Self::bare(program);
        let store = place.folder.path().join("store.db");
        let storage = format!("{{type: sqlite, path: {}}}", store.display());
        place.write(&storage, components);
        place
    }

    /// Chooses free ports and writes the boot document, with a shared store at a URL.
    pub fn over(program: &str, url: &str, components: &str) -> Self {
        let place = Self::bare(program);
        let storage = format!(
            "{{type: postgres, connection: {{type: url, url: '{url}'}}, statementTimeout: 3s}}"
        );
        place.write(&storage, components);
        place
    }

    /// The place of a sidecar that follows this one over the same SQLite file, with ports of its own; it waits for the file so long.
    pub fn successor(&self, wait: &str) -> Self {
        let next = Self::bare(&self.program);
        let boot = std::fs::read_to_string(self.boot()).unwrap();
        let ports = |place: &Self| format!("grpc: {}, admin: {}", place.grpc, place.admin);
        let boot = boot.replace(&ports(self), &ports(&next));
        let boot = boot.replace("store.db}", &format!("store.db, wait: {wait}}}"));
        std::fs::write(next.boot(), boot).unwrap();
        std::fs::copy(self.routing(), next.routing()).unwrap();
        next
    }

    fn bare(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            folder: tempfile::tempdir().unwrap(),
            grpc: free_port(),
            admin: free_port(),
        }
    }

    fn write(&self, storage: &str, components: &str) {
        let (grpc, admin) = (self.grpc, self.admin);
        let boot = format!(
            "namespace: probe\nstorage: {storage}\nbus: {{type: direct}}\nports: {{bind: 127.0.0.1, grpc: {grpc}, admin: {admin}}}\ncomponents:\n{components}"
        );
        std::fs::write(self.boot(), boot).unwrap();
        self.route("{\"schemaVersion\":1}");
    }

    /// Replaces the routing document, as an operator does.
    pub fn route(&self, routing: &str) {
        let fresh = self.folder.path().join("routing.new");
        std::fs::write(&fresh, routing).unwrap();
        std::fs::rename(fresh, self.routing()).unwrap();
    }

    /// Routes the domain `tally` to another sidecar.
    pub fn route_to(&self, owner: &Self) {
        self.route_domain_to("tally", owner);
    }

    /// Routes a domain to another sidecar.
    pub fn route_domain_to(&self, domain: &str, owner: &Self) {
        let at = owner.grpc;
        self.route(&format!(
            "{{\"schemaVersion\":1,\"owners\":{{\"{domain}\":[\"http://127.0.0.1:{at}\"]}}}}"
        ));
    }

    /// The boot document.
    pub fn boot(&self) -> PathBuf {
        self.folder.path().join("boot.yaml")
    }

    /// The routing document.
    pub fn routing(&self) -> PathBuf {
        self.folder.path().join("routing.json")
    }

    /// The folder of all its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the process; it is killed at `fail_point`.
    pub fn start(&self, fail_point: Option<String>) -> Process {
        let fail_point = fail_point.map(|name| ("ANGZARR_FAIL_POINT", name.into()));
        self.start_with(fail_point)
    }

    /// Starts the process with further environment variables.
    pub fn start_with(
        &self,
        variables: impl IntoIterator<Item = (&'static str, OsString)>,
    ) -> Process {
        let mut command = Command::new(&self.program);
        command.envs(variables);
        self.spawn(command)
    }

    /// Starts the process through another program, given by its arguments, which then becomes the process.
    pub fn start_by(&self, words: &[&OsStr]) -> Process {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(&self.program);
        self.spawn(command)
    }

    fn spawn(&self, command: Command) -> Process {
        Process::new(self.command(command).spawn().unwrap())
    }

    fn command(&self, mut command: Command) -> Command {
        command
            .env("ANGZARR_CONFIG", self.boot())
            .env("ANGZARR_ROUTING", self.routing())
            .env("ANGZARR_LOG", "error")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// Starts the process with warnings, which go to the file [`Place::log`].
    pub fn start_logged(&self) -> Process {
        let log = std::fs::File::create(self.folder().join("log")).unwrap();
        let mut command = self.command(Command::new(&self.program));
        command.env("ANGZARR_LOG", "warn").stderr(log);
        Process::new(command.spawn().unwrap())
    }

    /// What a process that was started with [`Place::start_logged`] has logged, a JSON object a line.
    pub fn log(&self) -> Vec<serde_json::Value> {
        let log = std::fs::read_to_string(self.folder().join("log")).unwrap();
        let complete = log
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        complete
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect()
    }

    /// Moves the store, which must not exist yet, to a new folder in [`Place::folder`], and returns that folder.
    pub fn move_store(&self, folder: &str) -> PathBuf {
        let moved = self.folder().join(folder);
        std::fs::create_dir(&moved).unwrap();
        let boot = std::fs::read_to_string(self.boot()).unwrap();
        let path = format!("{folder}/store.db");
        std::fs::write(self.boot(), boot.replace("store.db", &path)).unwrap();
        moved
    }

    /// Starts the process and waits until it is ready.
    pub async fn start_ready(&self) -> Process {
        let process = self.start(None);
        self.ready().await;
        process
    }

    /// Waits until the sidecar is ready.
    pub async fn ready(&self) {
        let mut health = HealthClient::new(self.channel());
        until(async || {
            let answer = health.check(HealthCheckRequest::default()).await;
            answer.is_ok_and(|answer| answer.into_inner().status() == ServingStatus::Serving)
        })
        .await;
    }

    /// Whether the gRPC port listens.
    pub fn is_listening(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.grpc)).is_ok()
    }

    /// A connection that is opened on use, and reopened.
    pub fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://127.0.0.1:{}", self.grpc))
            .unwrap()
            .connect_lazy()
    }

    /// The content of `/statusz`.
    pub async fn status(&self) -> serde_json::Value {
        let address = format!("http://127.0.0.1:{}", self.admin);
        let client = Client::new(address.parse().unwrap(), WITHIN);
        client.get("/statusz", &[]).await.unwrap()
    }

    /// Sends a request to the admin port and returns the whole response.
    pub async fn ask_http(&self, method: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.admin)).await.unwrap();
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    /// Runs a subcommand of the program against this sidecar; returns its exit status and output.
    pub async fn ask(&self, words: &[&str]) -> (ExitStatus, String) {
        let asked = Command::new(&self.program)
            .args(words)
            .env("ANGZARR_ADMIN", format!("http://127.0.0.1:{}", self.admin))
            .output();
        let asked = asked.await.unwrap();
        let mut said = String::from_utf8(asked.stdout).unwrap();
        said.push_str(&String::from_utf8(asked.stderr).unwrap());
        (asked.status, said)
    }
}

/// A running program; killed when it is dropped.
pub struct Process {
    child: Child,
}

impl Process {
    /// Wraps a started program.
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }

    /// Kills it with SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.id().unwrap()).unwrap();
        kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Sends SIGTERM and waits for the exit.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.ended().await
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Its resident memory.
    pub fn memory_bytes(&self) -> usize {
        let status = format!("/proc/{}/status", self.child.id().unwrap());
        let status = std::fs::read_to_string(status).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kibibytes = line.unwrap().split_whitespace().nth(1).unwrap();
        kibibytes.parse::<usize>().unwrap() << 10
    }

    /// Waits until it has exited, without a time limit.
    pub async fn wait(&mut self) -> ExitStatus {
        self.child.wait().await.unwrap()
    }

    /// Waits until it has exited.
    pub async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(WITHIN, self.child.wait())
            .await
            .expect("the process exits in time")
            .unwrap()
    }
}

/// Waits until a condition holds.
///
/// # Panics
/// When it does not hold in time.
pub async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + WITHIN;
    while !holds().await {
        assert!(
            Instant::now() < deadline,
            "the condition did not hold in time"
        );
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asserts that a condition holds during a whole period.
///
/// # Panics
/// When it does not.
pub async fn always(within: Duration, mut holds: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + within;
    while Instant::now() < end {
        assert!(holds().await, "the condition no longer holds");
        sleep(Duration::from_millis(50)).await;
    }
}
