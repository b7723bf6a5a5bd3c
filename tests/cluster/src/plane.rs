//! The control plane: etcd, the API server and the controllers.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use angzarr_servers::free_port;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::sync::OnceCell;

use crate::certificates::{Authority, Files};
use crate::folder::Folder;
use crate::kubeconfig::kubeconfig;
use crate::process::Process;
use crate::tools;
use crate::wait::until;

/// The group that may do everything.
const ADMINISTRATORS: &str = "system:masters";
/// The identity of the controllers, to which roles are bound from the start.
const CONTROLLERS: &str = "system:kube-controller-manager";
/// The addresses of Services.
const SERVICE_RANGE: &str = "10.96.0.0/16";

/// A control plane without nodes. Role-based access control is on.
pub struct ControlPlane {
    // Fields are dropped in this order: whatever writes into the folder ends before it goes.
    controllers: Option<Process>,
    api_server: Process,
    etcd: Process,
    programs: PathBuf,
    port: u16,
    folder: Folder,
}

static SHARED: OnceCell<ControlPlane> = OnceCell::const_new();
static NAMESPACES: AtomicU32 = AtomicU32::new(0);

impl ControlPlane {
    /// The control plane of this process, with the custom resource definitions; started by the first test that asks for it.
    ///
    /// # Panics
    /// When it cannot be started; the message says what is missing.
    pub async fn shared() -> &'static Self {
        let start = || async {
            let plane = Self::start().await;
            let definitions = tools::repository().join("crds");
            plane.kubectl(&[
                "apply",
                "--server-side",
                "--filename",
                definitions.to_str().unwrap(),
            ]);
            let established = ["wait", "crd", "--all", "--for=condition=Established"];
            plane.kubectl(&established);
            plane
        };
        SHARED.get_or_init(start).await
    }

    /// Starts a control plane for one caller only, without custom resource definitions.
    ///
    /// # Panics
    /// When it cannot be started; the message says what is missing.
    pub async fn start() -> Self {
        let programs = tools::kubernetes();
        let folder = Folder::new().unwrap();
        let authority = Authority::new(folder.path()).unwrap();
        let tokens = authority.tokens().unwrap();
        let (store, etcd) = startetcd(folder.path());
        let port = free_port();
        let server = authority.server("api-server", &["127.0.0.1", "localhost"]);
        let options = ApiServer {
            port,
            store: &store,
            authority: &authority.file(),
            identity: &server.unwrap(),
            tokens: &tokens,
        };
        let program = programs.join("kube-apiserver");
        let api_server = Process::start(&program, &options.arguments(), folder.path()).unwrap();
        let mut plane = Self {
            controllers: None,
            api_server,
            etcd,
            programs,
            port,
            folder,
        };
        plane.write_kubeconfig(&authority, "admin", Some(ADMINISTRATORS));
        plane.write_kubeconfig(&authority, CONTROLLERS, None);
        plane.await_ready().await;
        plane.controllers = Some(plane.start_controllers(&authority, &tokens));
        plane
    }

    /// A client of an administrator, for the runtime of the caller.
    pub async fn client(&self) -> Client {
        let file = Kubeconfig::read_from(self.kubeconfig()).unwrap();
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await;
        Client::try_from(config.unwrap()).unwrap()
    }

    /// The kubeconfig of an administrator.
    pub fn kubeconfig(&self) -> PathBuf {
        self.kubeconfig_of("admin")
    }

    /// A program of Kubernetes, such as kubectl.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// Creates a namespace for one test; returns its name, which starts with `prefix`.
    pub async fn namespace(&self, prefix: &str) -> String {
        let number = NAMESPACES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{prefix}-{number}");
        self.ensure_namespace(&name).await;
        name
    }

    /// Creates a namespace that enforces the restricted profile of the Pod Security Standards, if it is not there.
    pub async fn ensure_namespace(&self, name: &str) {
        let namespace = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {
                "name": name,
                "labels": { "pod-security.kubernetes.io/enforce": "restricted" },
            },
        });
        let client = self.client().await;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let applied = namespaces
            .patch(name, &PatchParams::apply("tests"), &Patch::Apply(namespace))
            .await;
        applied.unwrap();
        let accounts: Api<ServiceAccount> = Api::namespaced(client, name);
        until("the account of a namespace", async || {
            self.check()?;
            let found = accounts.get("default").await;
            found.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Runs kubectl as an administrator and returns what it prints.
    ///
    /// # Panics
    /// When it fails.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let ran = self.try_kubectl(arguments, "");
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout),
            String::from_utf8_lossy(&ran.stderr),
        );
        assert!(ran.status.success(), "kubectl {arguments:?}: {out}{err}");
        out.into_owned()
    }

    /// Runs kubectl as an administrator with an input.
    pub fn try_kubectl(&self, arguments: &[&str], input: &str) -> Output {
        let mut running = Command::new(self.program("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            // Neither the settings nor the caches of the user.
            .env("KUBERC", "off")
            .env("KUBECACHEDIR", self.folder.path().join("kubectl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = running.stdin.take().unwrap();
        let input = input.to_owned();
        // Beside the reading of the output, since both may be larger than a pipe. It may end before it has read all.
        let writing = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = running.wait_with_output().unwrap();
        let _ = writing.join().unwrap();
        output
    }

    fn kubeconfig_of(&self, user: &str) -> PathBuf {
        self.folder.path().join(format!("{user}.kubeconfig"))
    }

    fn write_kubeconfig(&self, authority: &Authority, user: &str, group: Option<&str>) {
        let server = format!("https://127.0.0.1:{}", self.port);
        let identity = authority.client(user, group).unwrap();
        let text = kubeconfig(&server, authority, &identity);
        fs::write(self.kubeconfig_of(user), text).unwrap();
    }

    async fn await_ready(&self) {
        let client = self.client().await;
        until("the start of the API server", async || {
            self.check()?;
            let request = http::Request::get("/readyz").body(Vec::new()).unwrap();
            let answer = client.request_text(request).await;
            answer.map(drop).map_err(|error| error.to_string())
        })
        .await;
    }

    /// Says which part ended, if one did.
    fn check(&self) -> Result<(), String> {
        let parts = [
            Some(&self.etcd),
            Some(&self.api_server),
            self.controllers.as_ref(),
        ]
        .into_iter()
        .flatten();
        let mut checked = parts.map(Process::check);
        if let Some(Err(reason)) = checked.find(Result::is_err) {
            panic!("{reason}");
        }
        Ok(())
    }

    fn start_controllers(&self, authority: &Authority, tokens: &Files) -> Process {
        let kubeconfig = self.kubeconfig_of(CONTROLLERS);
        let arguments = [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--root-ca-file={}", authority.file()),
            format!("--service-account-private-key-file={}", tokens.key),
            "--use-service-account-credentials=true".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        let program = self.program("kube-controller-manager");
        Process::start(&program, &arguments, self.folder.path()).unwrap()
    }
}

/// Starts etcd; returns its address, too.
fn startetcd(folder: &Path) -> (String, Process) {
    let [clients, peers] =
        [free_port(), free_port()].map(|port| format!("http://127.0.0.1:{port}"));
    let arguments = [
        format!("--data-dir={}", folder.join("etcd").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=default={peers}"),
    ];
    let process = Process::start(&tools::etcd(), &arguments, folder).unwrap();
    (clients, process)
}

/// The options of the API server.
struct ApiServer<'a> {
    port: u16,
    store: &'a str,
    authority: &'a str,
    identity: &'a Files,
    tokens: &'a Files,
}

impl ApiServer<'_> {
    fn arguments(&self) -> Vec<String> {
        vec![
            "--bind-address=127.0.0.1".to_owned(),
            "--advertise-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.port),
            format!("--etcd-servers={}", self.store),
            format!("--tls-cert-file={}", self.identity.public),
            format!("--tls-private-key-file={}", self.identity.key),
            format!("--client-ca-file={}", self.authority),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.tokens.public),
            format!("--service-account-signing-key-file={}", self.tokens.key),
            format!("--service-cluster-ip-range={SERVICE_RANGE}"),
            "--allow-privileged=true".to_owned(),
        ]
    }
}
