//! A folder of resources on which `angzarr local` runs, with real sidecars and the shop's logic.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use angzarr_admin::Client as Admin;
use angzarr_admin::shape::Statusz;
use rustix::process::{Pid, Signal, kill_process};
use shop_contract::customer::v1::CreateCustomer;
use shop_system::{Client, path_of_programs, wait};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tonic::transport::Endpoint;

/// How long a process may take to exit.
const WITHIN: Duration = Duration::from_secs(60);

const STORE: &str = "
apiVersion: angzarr.io/v1alpha1
kind: EventStore
metadata: {name: shop}
spec: {storage: {type: sqlite}, bus: {type: direct}}
";

/// `local.yaml` for the components that the desk writes.
pub(crate) const LOCAL: &str = "
images:
  customer:1: {command: [shop-customer]}
  logging:1: {command: [shop-logging]}
";

/// A resource whose logic has the image `IMAGE:1`.
fn component(kind: &str, name: &str, image: &str, fields: &str) -> String {
    format!(
        "---\napiVersion: angzarr.io/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec:\n  eventStoreRef: {{name: shop}}\n  {fields}\n  template: {{spec: {{containers: [{{name: logic, image: '{image}:1'}}]}}}}\n"
    )
}

/// The aggregate of customers.
pub(crate) fn aggregate(name: &str, domain: &str) -> String {
    component("Aggregate", name, "customer", &format!("domain: {domain}"))
}

/// A projector of customers.
pub(crate) fn projector(name: &str) -> String {
    component(
        "Projector",
        name,
        "logging",
        "sources: [{domain: customer}]",
    )
}

/// The folder `sys` of resources with `local.yaml` beside it; removed at the end.
pub(crate) struct Desk {
    folder: TempDir,
    path: OsString,
}

impl Desk {
    /// Writes an EventStore and other resources, and [`LOCAL`].
    pub(crate) fn new(resources: &[String]) -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
            path: path_of_programs().unwrap(),
        };
        fs::create_dir(desk.path("sys")).unwrap();
        desk.write("sys/all.yaml", &(STORE.to_owned() + &resources.concat()));
        desk.write("local.yaml", LOCAL);
        desk
    }

    /// Writes other resources in the place of those that are there.
    pub(crate) fn declare(&self, resources: &[String]) {
        self.write("sys/all.yaml", &(STORE.to_owned() + &resources.concat()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file as a whole.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let file = self.path(name);
        let fresh = file.with_extension("fresh");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, file).unwrap();
    }

    /// Writes a program.
    pub(crate) fn write_program(&self, name: &str, text: &str) {
        use std::os::unix::fs::PermissionsExt;
        let file = self.path(name);
        let fresh = file.with_extension("fresh");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&fresh, file).unwrap();
    }

    /// Starts `angzarr local -f sys`.
    pub(crate) fn start(&self) -> Local {
        self.start_on("sys", "log")
    }

    /// Starts `angzarr local` on a folder, with a file for its output.
    pub(crate) fn start_on(&self, folder: &str, log: &str) -> Local {
        self.start_by(&["angzarr", "local", "-f", folder], log)
    }

    /// Starts a command that becomes `angzarr local`.
    pub(crate) fn start_by(&self, words: &[&str], log: &str) -> Local {
        let log = self.path(log);
        let file = fs::File::create(&log).unwrap();
        let child = Command::new("angzarr")
            .arg("shim")
            .arg(std::process::id().to_string())
            .args(words)
            .current_dir(self.folder.path())
            .env("PATH", &self.path)
            .env_remove("PWD")
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let data = self.path(".angzarr");
        Local { child, log, data }
    }

    /// Runs `angzarr local -f sys`, which has to refuse; returns what it says.
    pub(crate) async fn refusal(&self) -> String {
        let mut local = self.start_on("sys", "refusal");
        let ended = local.ended().await;
        assert_eq!(ended.code(), Some(1), "{}", local.said());
        local.said()
    }
}

fn read_json(file: &Path) -> Option<serde_json::Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// A running `angzarr local`; killed when it is dropped.
pub(crate) struct Local {
    child: Child,
    log: PathBuf,
    data: PathBuf,
}

impl Local {
    /// Its output so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Waits until its output has a text.
    pub(crate) async fn until_said(&self, text: &str) {
        wait(async || self.said().contains(text))
            .await
            .unwrap_or_else(|error| panic!("{error}: {text:?} in\n{}", self.said()));
    }

    /// Waits until all components accept clients.
    pub(crate) async fn until_ready(&self) {
        self.until_said("all is ready").await;
    }

    pub(crate) fn pid(&self) -> Pid {
        let id = self.child.id().unwrap();
        Pid::from_raw(id.cast_signed()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until it has exited.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(WITHIN, self.child.wait()).await;
        ended
            .unwrap_or_else(|_| panic!("it does not exit:\n{}", self.said()))
            .unwrap()
    }

    /// Stops it as Ctrl-C does.
    pub(crate) async fn stop(mut self) {
        self.signal(Signal::INT);
        let ended = self.ended().await;
        assert!(ended.success(), "{ended}\n{}", self.said());
    }

    /// The address of a component, `grpc` or `admin`.
    pub(crate) fn address(&self, name: &str, which: &str) -> Option<String> {
        let addresses = read_json(&self.data.join("addresses.json"))?;
        let components = addresses["components"].as_array()?;
        let component = components.iter().find(|it| it["name"] == name)?;
        Some(component[which].as_str()?.to_owned())
    }

    /// The status of a component's sidecar, once it replies.
    pub(crate) async fn status(&self, name: &str) -> Option<Statusz> {
        let address = self.address(name, "admin")?.parse().ok()?;
        Admin::new(address, WITHIN).get("/statusz", &[]).await.ok()
    }

    /// A client of a component's sidecar.
    pub(crate) fn client(&self, name: &str) -> Client {
        let address = self.address(name, "grpc").unwrap();
        Client::new(Endpoint::from_shared(address).unwrap().connect_lazy())
    }

    /// Creates a customer through the sidecar of a component, in a domain.
    pub(crate) async fn create_customer(&self, through: &str, domain: &str, id: u8) {
        let command = CreateCustomer {
            name: "Ada".to_owned(),
            email: format!("{id}@example.org"),
        };
        let root = [id; 16];
        self.client(through)
            .execute((domain, &root), &format!("create-{id}"), &command)
            .await
            .unwrap();
    }

    /// How many events a customer has.
    pub(crate) async fn events(&self, through: &str, domain: &str, id: u8) -> usize {
        let events = self.client(through).events(domain, &[id; 16]).await;
        events.unwrap().len()
    }
}
