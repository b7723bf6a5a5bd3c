//! The control plane: etcd, the API server and the controllers.

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
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
use crate::site::Site;
use crate::tools;
use crate::wait::until;

/// The group that may do everything.
pub(crate) const ADMINISTRATORS: &str = "system:masters";
/// The identity of the controllers, to which roles are bound from the start.
const CONTROLLERS: &str = "system:kube-controller-manager";
/// The addresses of Services, and the one of the API server's own.
const SERVICES: &str = "10.96.0.0/16";
const SERVICE: &str = "10.96.0.1";

/// A control plane without nodes. Role-based access control is on.
pub struct ControlPlane {
    // Fields are dropped in this order: whatever writes into the folder ends before it goes.
    controllers: Option<Process>,
    api_server: Process,
    etcd: Process,
    site: Site,
    programs: PathBuf,
    authority: Authority,
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
            plane.define_resources();
            plane
        };
        SHARED.get_or_init(start).await
    }

    /// Starts a control plane for one caller only, without custom resource definitions.
    ///
    /// # Panics
    /// When it cannot be started; the message says what is missing.
    pub async fn start() -> Self {
        Self::start_at(Site::Loopback, Folder::new().unwrap()).await
    }

    pub(crate) async fn start_at(site: Site, folder: Folder) -> Self {
        let programs = tools::kubernetes();
        let authority = Authority::new(folder.path()).unwrap();
        let tokens = authority.tokens().unwrap();
        let (store, etcd) = start_etcd(&site, folder.path());
        let options = ApiServer {
            address: site.address(),
            port: free_port(),
            store: &store,
            authority: &authority,
            tokens: &tokens,
        };
        let program = programs.join("kube-apiserver");
        let api_server = site.start(
            "kube-apiserver",
            &program,
            &options.arguments(),
            folder.path(),
        );
        let mut plane = Self {
            controllers: None,
            api_server: api_server.unwrap(),
            etcd,
            port: options.port,
            site,
            programs,
            authority,
            folder,
        };
        let (inside, outside) = (plane.server(), plane.site.reach(plane.server()));
        plane.write_kubeconfig("admin", Some(ADMINISTRATORS), outside);
        plane.write_kubeconfig(CONTROLLERS, None, inside);
        plane.await_ready().await;
        plane.controllers = Some(plane.start_controllers(&tokens));
        plane
    }

    /// Installs the custom resource definitions.
    pub fn define_resources(&self) {
        let folder = tools::repository().join("crds");
        let folder = folder.to_str().unwrap();
        self.kubectl(&["apply", "--server-side", "--filename", folder]);
        self.kubectl(&["wait", "crd", "--all", "--for=condition=Established"]);
    }

    /// Where its programs run.
    pub(crate) fn site(&self) -> &Site {
        &self.site
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Who signs certificates.
    pub(crate) fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The address of the API server at its site.
    pub(crate) fn server(&self) -> SocketAddr {
        (self.site.address(), self.port).into()
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
    /// When it fails or warns.
    #[track_caller]
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, "")
    }

    /// Does the same with an input.
    ///
    /// # Panics
    /// When it fails or warns.
    #[track_caller]
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        let ran = self.try_kubectl(arguments, input);
        let out = String::from_utf8_lossy(&ran.stdout).into_owned();
        let said = String::from_utf8_lossy(&ran.stderr);
        let is_fine = ran.status.success() && !said.contains("Warning:");
        assert!(is_fine, "kubectl {arguments:?}: {out}{said}");
        out
    }

    /// Does the same, whether it succeeds or not.
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
        let file = user.replace(':', "-");
        self.folder.path().join(format!("{file}.kubeconfig"))
    }

    /// Writes the kubeconfig of a user and returns the file.
    pub(crate) fn write_kubeconfig(
        &self,
        user: &str,
        group: Option<&str>,
        server: SocketAddr,
    ) -> PathBuf {
        let identity = self.authority.client(user, group).unwrap();
        let text = kubeconfig(&format!("https://{server}"), &self.authority, &identity);
        let file = self.kubeconfig_of(user);
        fs::write(&file, text).unwrap();
        file
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
    pub(crate) fn check(&self) -> Result<(), String> {
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

    fn start_controllers(&self, tokens: &Files) -> Process {
        let kubeconfig = self.kubeconfig_of(CONTROLLERS);
        let arguments = [
            format!("--kubeconfig={}", kubeconfig.display()),
            format!("--root-ca-file={}", self.authority.file()),
            format!("--service-account-private-key-file={}", tokens.key),
            "--use-service-account-credentials=true".to_owned(),
            "--leader-elect=false".to_owned(),
            "--secure-port=0".to_owned(),
        ];
        let name = "kube-controller-manager";
        let (program, folder) = (self.program(name), self.folder.path());
        let started = self.site.start(name, &program, &arguments, folder);
        started.unwrap()
    }
}

/// Starts etcd; returns its address, too.
fn start_etcd(site: &Site, folder: &Path) -> (String, Process) {
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
    let process = site
        .start("etcd", &tools::etcd(), &arguments, folder)
        .unwrap();
    (clients, process)
}

/// The options of the API server.
struct ApiServer<'a> {
    address: Ipv4Addr,
    port: u16,
    store: &'a str,
    authority: &'a Authority,
    tokens: &'a Files,
}

impl ApiServer<'_> {
    fn arguments(&self) -> Vec<String> {
        let address = self.address.to_string();
        let names = ["127.0.0.1", &address, SERVICE, "kubernetes.default.svc"];
        let own = self.authority.server("api-server", &names).unwrap();
        // It asks kubelets for logs and runs commands in pods as an administrator.
        let client = self.authority.client("api-server", Some(ADMINISTRATORS));
        let client = self.authority.keep("api-server-client", &client.unwrap());
        vec![
            format!("--bind-address={address}"),
            format!("--advertise-address={address}"),
            format!("--secure-port={}", self.port),
            format!("--etcd-servers={}", self.store),
            format!("--tls-cert-file={}", own.public),
            format!("--tls-private-key-file={}", own.key),
            format!("--client-ca-file={}", self.authority.file()),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.tokens.public),
            format!("--service-account-signing-key-file={}", self.tokens.key),
            format!("--service-cluster-ip-range={SERVICES}"),
            format!("--kubelet-client-certificate={}", client.public),
            format!("--kubelet-client-key={}", client.key),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--allow-privileged=true".to_owned(),
        ]
    }
}
