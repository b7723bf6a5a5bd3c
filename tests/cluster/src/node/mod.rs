//! A node: pods run, Services are reached and names are found, all within namespaces of its own.

mod config;
mod network;

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;

use crate::folder::Folder;
use crate::images;
use crate::plane::{ADMINISTRATORS, ControlPlane};
use crate::process::Process;
use crate::site::Site;
use crate::tools;
use crate::wait::until;

/// The name of the node.
const NAME: &str = "node";

/// A control plane with one node.
pub struct Node {
    // Dropped first: it only knows the plane.
    parts: Vec<Process>,
    plane: ControlPlane,
}

static SHARED: OnceCell<Node> = OnceCell::const_new();

impl Node {
    /// The node of this process, with the custom resource definitions; started by the first test that asks for it.
    ///
    /// # Panics
    /// As [`Node::start`] does.
    pub async fn shared() -> &'static Self {
        SHARED.get_or_init(Self::start).await
    }

    /// Starts a node with the images of the shop and of the sidecar, and with the custom resource definitions.
    ///
    /// # Panics
    /// When it cannot be started; the message says what is missing.
    pub async fn start() -> Self {
        let folder = Folder::new().unwrap();
        let images = folder.path().join("images");
        let building = spawn_blocking(move || images::build(&images));
        let site = Site::namespaces(folder.path()).await;
        let runtime = start_runtime(&site, folder.path());
        let plane = ControlPlane::start_at(site, folder).await;
        plane.define_resources();
        let mut node = Self {
            parts: vec![runtime],
            plane,
        };
        node.start_parts();
        for archive in building.await.unwrap() {
            node.import(&archive);
        }
        node.await_ready().await;
        node
    }

    /// Its control plane.
    pub fn plane(&self) -> &ControlPlane {
        &self.plane
    }

    /// The address on loopback at which this process reaches an address of the cluster, such as that of a Service or of a pod.
    pub fn reach(&self, address: SocketAddr) -> SocketAddr {
        self.plane.site().reach(address)
    }

    /// The address at which pods reach an address of this machine, such as that of a database.
    pub fn expose(&self, address: SocketAddr) -> SocketAddr {
        self.plane.site().expose(address)
    }

    /// Makes volumes of one gibibyte, as many as a test has claims. Their names start with `prefix`.
    pub fn add_volumes(&self, prefix: &str, count: usize) {
        let folder = self.plane.folder().join("volumes");
        let volumes = (0..count).map(|number| {
            let name = format!("{prefix}-{number}");
            let path = folder.join(&name);
            fs::create_dir_all(&path).unwrap();
            network::volume(&name, &path, NAME)
        });
        let list =
            json!({ "apiVersion": "v1", "kind": "List", "items": volumes.collect::<Vec<_>>() });
        let apply = ["apply", "--filename", "-"];
        self.plane.kubectl_with(&apply, &list.to_string());
    }

    fn start_parts(&mut self) {
        let (site, folder) = (self.plane.site(), self.plane.folder());
        let server = self.plane.server();
        let user = |name: &str, group: Option<&str>| {
            let file = self.plane.write_kubeconfig(name, group, server);
            file.to_str().unwrap().to_owned()
        };
        let of_node = user(&format!("system:node:{NAME}"), Some("system:nodes"));
        let of_scheduler = user("system:kube-scheduler", None);
        let of_proxy = user("system:kube-proxy", None);
        let of_names = user("names", Some(ADMINISTRATORS));
        let address = site.address();
        let authority = self.plane.authority().file();
        config::write_kubelet(folder, address, &authority);
        network::write_names(folder, address, &of_names);
        // kube-proxy runs it.
        tools::installed("/usr/sbin/iptables", "iptables");
        let parts = [
            ("kubelet", config::kubelet(folder, NAME, address, &of_node)),
            ("kube-scheduler", config::scheduler(&of_scheduler)),
            ("kube-proxy", network::proxy(NAME, &of_proxy)),
        ];
        let started = parts.map(|(name, arguments)| {
            let program = self.plane.program(name);
            site.start(name, &program, &arguments, folder).unwrap()
        });
        self.parts.extend(started);
        let names = site.start(
            "coredns",
            &tools::coredns(),
            &network::names(folder),
            folder,
        );
        self.parts.push(names.unwrap());
    }

    fn import(&self, archive: &Path) {
        let folder = self.plane.folder();
        let ctr = tools::containerd().join("ctr");
        let ran = self
            .plane
            .site()
            .command(&ctr)
            .arg("--address")
            .arg(config::socket(folder))
            .args(["--namespace", "k8s.io", "images", "import"])
            .arg(archive)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
    }

    async fn await_ready(&self) {
        until("the readiness of the node", async || {
            self.check();
            let path = r#"--output=jsonpath={.items[*].status.conditions[?(@.type=="Ready")]}"#;
            let said = self.plane.kubectl(&["get", "nodes", path]);
            match said.contains(r#""status":"True""#) {
                true => Ok(()),
                false => Err(said),
            }
        })
        .await;
    }

    /// Panics with the log of a part that has ended.
    fn check(&self) {
        for part in &self.parts {
            if let Err(reason) = part.check() {
                panic!("{reason}");
            }
        }
    }
}

/// Starts containerd.
fn start_runtime(site: &Site, folder: &Path) -> Process {
    let programs = tools::containerd();
    config::write_runtime(folder);
    network::write_pods(folder);
    let mut command = site.command(&programs.join("containerd"));
    // It looks its shims up.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", format!("{}:{path}", programs.display()))
        .arg("--config")
        .arg(folder.join("containerd.toml"));
    Process::start("containerd", &command, folder).unwrap()
}
