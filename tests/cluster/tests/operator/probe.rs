//! What the operator makes of what sidecars say. No node runs: pods get addresses of loopback, where a real sidecar listens, or a server that says what a
//! test wants.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Stdio;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use angzarr_admin::shape::{
    ComponentStatus, ConsumerStatus, Life, Readiness, SourceStatus, Statusz, StoreStatus,
};
use angzarr_cluster::{built, until};
use angzarr_operator::controller::{Reason, Type};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

use super::lake::{Lake, STORE, aggregate, component};
use super::reasons::SERVER;
use super::record::Record;

/// The port of administration of every sidecar.
const ADMIN: u16 = 9090;

/// An address of loopback that no other test has, also of another process.
fn address() -> Ipv4Addr {
    static LAST: AtomicU8 = AtomicU8::new(1);
    let process = std::process::id();
    let byte = |number: u32| u8::try_from(1 + number % 250).unwrap();
    let last = LAST.fetch_add(1, Ordering::Relaxed);
    Ipv4Addr::new(127, byte(process / 250), byte(process), last)
}

/// Gives the one pod of a component an address, and says that it is ready.
async fn place(lake: &Lake, component: &str, ip: Ipv4Addr) {
    let pods: Api<Pod> = Api::namespaced(lake.client.clone(), &lake.namespace);
    let of = ListParams::default().labels(&format!("angzarr.io/component={component}"));
    let name = until("a pod", async || {
        let found = pods.list(&of).await.unwrap().items.into_iter().next();
        found
            .map(|pod| pod.name_any())
            .ok_or("there is none".to_owned())
    })
    .await;
    let status = json!({ "status": {
        "phase": "Running",
        "podIP": ip.to_string(),
        "podIPs": [{ "ip": ip.to_string() }],
        "conditions": [{ "type": "Ready", "status": "True" }],
    }});
    let how = PatchParams::default();
    pods.patch_status(&name, &how, &Patch::Merge(&status))
        .await
        .unwrap();
}

/// A real sidecar of `nest` with the documents that the operator applied.
struct Sidecar {
    folder: tempfile::TempDir,
    logic_port: u16,
    _process: Child,
}

impl Sidecar {
    fn start(lake: &Lake, ip: Ipv4Addr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let logic_port = angzarr_servers::free_port();
        let maps = lake.kubectl(&["get", "configmaps", "--output", "json"]);
        let maps: Value = serde_json::from_str(&maps).unwrap();
        let mut data = maps["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| &it["data"]);
        let boot = data.find_map(|it| it["boot.json"].as_str()).unwrap();
        let mut boot: Value = serde_json::from_str(boot).unwrap();
        boot["ports"]["bind"] = ip.to_string().into();
        boot["storage"]["path"] = folder.path().join("store.db").to_str().unwrap().into();
        boot["components"][0]["logic"] = format!("http://127.0.0.1:{logic_port}").into();
        fs::write(folder.path().join("boot.json"), boot.to_string()).unwrap();
        fs::create_dir(folder.path().join("routing")).unwrap();
        copy_documents(lake, folder.path());
        let mut command = Command::new(built("angzarr-sidecar"));
        command
            .env("ANGZARR_CONFIG", folder.path().join("boot.json"))
            .env("ANGZARR_ROUTING", folder.path().join("routing"))
            .env("ANGZARR_LOG", "error")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        Self {
            logic_port,
            _process: command.spawn().unwrap(),
            folder,
        }
    }

    /// Brings it the documents that are applied, as a node does.
    fn refresh(&self, lake: &Lake) {
        copy_documents(lake, self.folder.path());
    }

    fn start_logic(&self) -> Child {
        let mut command = Command::new(built("logic-under-test"));
        command.env("PORT", self.logic_port.to_string());
        command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap()
    }
}

fn copy_documents(lake: &Lake, folder: &std::path::Path) {
    let documents = [
        ("nest-agg-routing", "routing.json"),
        ("heron-evs-directory", "directory.json"),
    ];
    for (map, key) in documents {
        let text = lake.get(&format!("configmap/{map}"))["data"][key].clone();
        let fresh = folder.join(key);
        fs::write(&fresh, text.as_str().unwrap()).unwrap();
        fs::rename(fresh, folder.join("routing").join(key)).unwrap();
    }
}

/// A real sidecar, whose logic and routing change.
pub(super) async fn real(lake: &Lake, record: &Record) {
    lake.apply(&(STORE.to_owned() + &aggregate("nest")));
    record
        .reason("agg/nest", Type::Reconciling, Reason::RollingOut)
        .await;
    record
        .reason("evs/heron", Type::Ready, Reason::Serving)
        .await;
    let ip = address();
    let sidecar = Sidecar::start(lake, ip);
    place(lake, "nest", ip).await;
    record
        .reason("agg/nest", Type::LogicReachable, Reason::LogicUnreachable)
        .await;
    let logic = sidecar.start_logic();
    record
        .reason("agg/nest", Type::LogicReachable, Reason::LogicAnswers)
        .await;
    let synced = record
        .reason("agg/nest", Type::RoutingSynced, Reason::Acknowledged)
        .await;
    assert_eq!(synced["message"], "acknowledged 1/1");
    record
        .reason("evs/heron", Type::StorageReachable, Reason::StorageAnswers)
        .await;
    let status = &record.object("agg/nest").unwrap().data["status"];
    assert_eq!(status["storeId"].as_str().unwrap().len(), 36, "{status}");
    // The node is late with a changed document.
    lake.apply(&component(
        "Aggregate",
        "nest",
        "  domain: nest\n  sync: {timeout: 7s}",
    ));
    let pending = record
        .reason("agg/nest", Type::RoutingSynced, Reason::Pending)
        .await;
    assert_eq!(pending["message"], "acknowledged 0/1");
    sidecar.refresh(lake);
    let synced = record
        .reason("agg/nest", Type::RoutingSynced, Reason::Acknowledged)
        .await;
    assert_eq!(synced["observedGeneration"], 2);
    drop(logic);
    record
        .reason("agg/nest", Type::LogicReachable, Reason::LogicUnreachable)
        .await;
}

/// What a server says in place of a sidecar.
enum Voice {
    Says(Box<Statusz>),
    Nonsense,
    Hangs,
}

/// A server in place of a sidecar.
struct Server {
    ip: Ipv4Addr,
    voice: Mutex<Voice>,
    asked: AtomicUsize,
}

impl Server {
    async fn start(voice: Voice) -> Arc<Self> {
        let server = Arc::new(Self {
            ip: address(),
            voice: Mutex::new(voice),
            asked: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind((server.ip, ADMIN)).await.unwrap();
        let own = Arc::clone(&server);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let own = Arc::clone(&own);
                tokio::spawn(async move { own.reply(stream).await });
            }
        });
        server
    }

    async fn reply(&self, mut stream: TcpStream) {
        let mut request = [0; 1024];
        if !stream.read(&mut request).await.is_ok_and(|read| read > 0) {
            return;
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let body = match &*self.voice.lock().unwrap() {
            Voice::Says(status) => Some(serde_json::to_string(status).unwrap()),
            Voice::Nonsense => Some("heron".to_owned()),
            Voice::Hangs => None,
        };
        if let Some(body) = body {
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            // The operator may have gone.
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
        while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
    }

    fn now_says(&self, voice: Voice) {
        *self.voice.lock().unwrap() = voice;
    }

    /// Waits until it was asked so often again.
    async fn is_asked(&self, times: usize) {
        let before = self.asked.load(Ordering::Relaxed);
        until("a sidecar is asked", async || {
            let asked = self.asked.load(Ordering::Relaxed) - before;
            if asked >= times {
                Ok(())
            } else {
                Err(format!("{asked} times"))
            }
        })
        .await;
    }
}

/// A consumer that is so many events behind.
fn behind(lag: u64, storage: &str) -> Voice {
    Voice::Says(Box::new(Statusz {
        version: "0.1.0".to_owned(),
        process: 7,
        namespace: "lake".to_owned(),
        store: StoreStatus {
            id: Some("0f8fad5b-d9cb-469f-a165-70867728950e".to_owned()),
            incarnation: None,
            durability: None,
            state: storage.to_owned(),
            reason: (storage == "unreachable").then(|| "connection refused".to_owned()),
        },
        lifecycle: Life {
            phase: "serving".to_owned(),
            open: true,
        },
        readiness: Readiness {
            ready: true,
            reasons: Vec::new(),
        },
        routing: None,
        components: vec![ComponentStatus {
            kind: "projector".to_owned(),
            name: "watch".to_owned(),
            logic: "reachable".to_owned(),
            reason: None,
        }],
        consumers: vec![ConsumerStatus {
            kind: "projector".to_owned(),
            name: "watch".to_owned(),
            holder: "here".to_owned(),
            epoch: Some(1),
            address: None,
            ready: true,
            sources: vec![SourceStatus {
                domain: "nest".to_owned(),
                start: Some(0),
                cursor: Some(1),
                head: Some(1 + lag),
                lag,
                state: "live".to_owned(),
                reason: None,
            }],
            parked: 0,
            outgoing: 0,
            outgoing_waits: None,
        }],
        targets: Vec::new(),
    }))
}

/// Lags, a storage that is away, silence and nonsense; and a status that is not written while the same is said.
pub(super) async fn told(lake: &Lake, record: &Record) {
    let watch = component("Projector", "watch", "  sources: [{domain: nest}]");
    lake.apply(&(SERVER.to_owned() + &aggregate("nest") + &watch));
    let silent = Server::start(Voice::Hangs).await;
    place(lake, "nest", silent.ip).await;
    let consumer = Server::start(behind(5, "reachable")).await;
    place(lake, "watch", consumer.ip).await;
    shows(record, "<10", Reason::CaughtUp).await;
    record
        .condition("agg/nest", Type::RoutingSynced, |it| {
            let message = it["message"].as_str().unwrap();
            message.starts_with("acknowledged 0/1; pod nest-agg-") && message.ends_with("within 3s")
        })
        .await;
    record
        .reason("evs/heron", Type::StorageReachable, Reason::StorageAnswers)
        .await;
    let store = &record.object("evs/heron").unwrap().data["status"];
    assert_eq!(store["storeId"], "0f8fad5b-d9cb-469f-a165-70867728950e");
    // Other conditions may still follow.
    let caught_up = async || {
        record
            .condition("prj/watch", Type::CaughtUp, |_| true)
            .await
    };
    let before = caught_up().await;
    consumer.now_says(behind(8, "reachable"));
    consumer.is_asked(4).await;
    assert_eq!(caught_up().await, before);
    has_another_store(record, &consumer).await;
    goes_away(record, &consumer).await;
}

/// A consumer whose store is another one than before, or that was led to another one and has not opened it.
async fn has_another_store(record: &Record, consumer: &Server) {
    let Voice::Says(status) = behind(5, "reachable") else {
        panic!("a consumer speaks");
    };
    let mut open = status.clone();
    open.store.id = Some("7c9e6679-7425-40de-944b-e07fc1f90ae7".to_owned());
    let mut refused = status;
    refused.store = StoreStatus {
        id: None,
        incarnation: None,
        durability: None,
        state: "other".to_owned(),
        reason: Some("there is no store of ours".to_owned()),
    };
    for (status, said) in [(open, "7c9e6679"), (refused, "there is no store of ours")] {
        consumer.now_says(Voice::Says(status));
        for (object, advice) in [("prj/watch", ""), ("evs/heron", "angzarr.io/store-id=ID")] {
            record
                .condition(object, Type::Stalled, |it| {
                    let message = it["message"].as_str().unwrap();
                    it["reason"] == Reason::StoreIdentityChanged.as_str()
                        && message.contains(said)
                        && message.contains(advice)
                })
                .await;
        }
        consumer.now_says(behind(5, "reachable"));
        record.lacks("evs/heron", Type::Stalled).await;
    }
}

async fn goes_away(record: &Record, consumer: &Server) {
    consumer.now_says(behind(5_000, "unreachable"));
    shows(record, "<10000", Reason::Lagging).await;
    let away = record
        .reason(
            "evs/heron",
            Type::StorageReachable,
            Reason::StorageUnreachable,
        )
        .await;
    assert!(
        away["message"]
            .as_str()
            .unwrap()
            .ends_with("connection refused"),
        "{away}"
    );
    consumer.now_says(Voice::Nonsense);
    for (object, kind) in [
        ("prj/watch", Type::CaughtUp),
        ("prj/watch", Type::LogicReachable),
        ("evs/heron", Type::StorageReachable),
    ] {
        record.reason(object, kind, Reason::Unverifiable).await;
    }
}

async fn shows(record: &Record, lag: &str, reason: Reason) {
    let told = record.reason("prj/watch", Type::CaughtUp, reason).await;
    assert_eq!(told["message"], format!("{lag} events behind"));
    let shown = record.object("prj/watch").unwrap();
    assert_eq!(shown.data["status"]["lag"], lag);
}
