//! Measures the operator beside a bare client that applies the same objects to the same API server.
//!
//! The operator is a process of its own. What it asks is counted by the API server, as the difference of its metrics.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a failed step of the bench panics with its reason"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use angzarr_cluster::{ControlPlane, repository};
use clap::Parser;
use futures::{StreamExt, stream};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::sleep;

/// Components of a namespace.
const TOGETHER: usize = 10;
/// Calls beside each other, of the operator and of the bare client.
const CONCURRENCY: usize = 16;
/// How often each resource is looked at.
const RESYNC: Duration = Duration::from_secs(20);
/// Changes of one resource that are timed.
const CHANGES: usize = 15;

/// Measures the operator.
#[derive(Debug, Parser)]
#[command(name = "operator-bench")]
struct Asked {
    /// How many components there are, ten in each namespace.
    #[arg(long, default_value_t = 1000)]
    components: usize,
    /// The program of the operator; by default `angzarr` next to this program.
    #[arg(long, value_name = "FILE")]
    operator: Option<PathBuf>,
    /// Fails when a bar is missed: twice the time of the bare client, 150 MB, no write once steady, 1.5 times for one change among all.
    #[arg(long)]
    strict: bool,
}

/// A process that ends with this one's interest in it.
struct Operator(Child);

impl Drop for Operator {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Bench {
    plane: ControlPlane,
    client: Client,
    program: PathBuf,
    folder: tempfile::TempDir,
}

/// What the API server was asked by whoever applies.
#[derive(Debug, Clone, Copy)]
struct Asks {
    applies: u64,
    tries: u64,
    deletions: u64,
    reads: u64,
}

#[tokio::main]
async fn main() {
    let asked = Asked::parse();
    let plane = ControlPlane::start().await;
    let definitions = repository().join("crds");
    plane.kubectl(&["apply", "--server-side", "--filename", text(&definitions)]);
    plane.kubectl(&["wait", "crd", "--all", "--for=condition=Established"]);
    let client = plane.client().await;
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench {
        plane,
        client,
        program: asked.operator.clone().unwrap_or_else(beside),
        folder,
    };
    let figures = bench.measure(&asked).await;
    figures.print(&asked);
    if asked.strict {
        figures.check();
    }
}

/// What was measured.
#[derive(Debug)]
struct Figures {
    bare: (Duration, Asks),
    operator: (Duration, Asks),
    objects: usize,
    /// In megabytes.
    memory: f64,
    steady_writes: u64,
    /// The time of one change among ten components, and among all.
    change: [Duration; 2],
}

impl Bench {
    async fn measure(&self, asked: &Asked) -> Figures {
        let namespaces = asked.components.div_ceil(TOGETHER);
        self.declare(&["few".to_owned()]).await;
        let operator = self.operate();
        self.converged(TOGETHER).await;
        self.calm().await;
        let among_ten = self.time_of_a_change().await;
        drop(operator);
        let bare: Vec<_> = (0..namespaces).map(|it| format!("bare-{it}")).collect();
        let objects = self.render(&bare);
        self.make_namespaces(&bare).await;
        let bare = self.timed(self.apply(&objects)).await;
        self.calm().await;
        let own: Vec<_> = (0..namespaces).map(|it| format!("own-{it}")).collect();
        self.declare(&own).await;
        self.calm().await;
        let operator = self.operate();
        let converged = self.converged((namespaces + 1) * TOGETHER);
        let timed = self.timed(converged).await;
        self.calm().await;
        let before = self.asks().await;
        sleep(RESYNC + RESYNC / 4).await;
        let steady = self.asks().await.since(before);
        Figures {
            bare,
            operator: timed,
            objects: objects.len(),
            change: [among_ten, self.time_of_a_change().await],
            memory: peak(&operator.0),
            steady_writes: steady.applies + steady.deletions,
        }
    }

    async fn timed(&self, work: impl Future<Output = ()>) -> (Duration, Asks) {
        let before = self.asks().await;
        let begun = Instant::now();
        work.await;
        (begun.elapsed(), self.asks().await.since(before))
    }

    fn operate(&self) -> Operator {
        let log = fs::File::create(self.folder.path().join("operator.log")).unwrap();
        let mut command = Command::new("setpriv");
        command
            .arg("--pdeathsig=KILL")
            .arg(&self.program)
            .arg("operator")
            // Else it waits for the lease of the one before, which was killed.
            .arg("--leader-election=false")
            .arg(format!("--resync={}s", RESYNC.as_secs()))
            .arg(format!("--concurrency={CONCURRENCY}"))
            .env("KUBECONFIG", self.plane.kubeconfig())
            .stdin(Stdio::null())
            .stderr(log);
        Operator(command.spawn().unwrap())
    }

    async fn make_namespaces(&self, names: &[String]) {
        let made = stream::iter(names).map(|name| self.plane.ensure_namespace(name));
        made.buffer_unordered(CONCURRENCY).collect::<Vec<_>>().await;
    }

    /// Declares an EventStore and components in each namespace.
    async fn declare(&self, namespaces: &[String]) {
        self.make_namespaces(namespaces).await;
        let resources: Vec<_> = namespaces.iter().flat_map(|it| resources(it)).collect();
        self.apply(&resources).await;
    }

    /// Applies objects as simply as can be.
    async fn apply(&self, objects: &[Value]) {
        let applied = stream::iter(objects).map(|object| async move {
            let api = self.api(object);
            let name = object["metadata"]["name"].as_str().unwrap();
            let how = PatchParams::apply("bare");
            api.patch(name, &how, &Patch::Apply(object)).await.unwrap();
        });
        applied
            .buffer_unordered(CONCURRENCY)
            .collect::<Vec<_>>()
            .await;
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let word = |field: &Value| field.as_str().unwrap().to_owned();
        let version = word(&object["apiVersion"]);
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let kind = word(&object["kind"]);
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let namespace = word(&object["metadata"]["namespace"]);
        Api::namespaced_with(self.client.clone(), &namespace, &kind)
    }

    /// The objects that the resources of namespaces lead to.
    fn render(&self, namespaces: &[String]) -> Vec<Value> {
        let file = self.folder.path().join("resources.yaml");
        let resources = namespaces.iter().flat_map(|it| resources(it));
        let documents: Vec<_> = resources.map(|it| it.to_string()).collect();
        fs::write(&file, documents.join("\n---\n")).unwrap();
        let mut command = Command::new(&self.program);
        command.args(["render", "--folder", text(&file)]);
        let ran = command.output().unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
        let printed = String::from_utf8(ran.stdout).unwrap();
        let documents = printed.split("\n---\n");
        let documents = documents.map(|it| serde_saphyr::from_str::<Value>(it).unwrap());
        documents.filter(Value::is_object).collect()
    }

    /// Waits until a number of components are reconciled.
    async fn converged(&self, number: usize) {
        loop {
            let mut done = 0;
            for kind in ["Aggregate", "Projector", "Saga"] {
                let kind =
                    ApiResource::from_gvk(&GroupVersionKind::gvk("angzarr.io", "v1alpha1", kind));
                let all: Api<DynamicObject> = Api::all_with(self.client.clone(), &kind);
                let found = all.list(&Default::default()).await.unwrap();
                done += found.iter().filter(|it| is_reconciled(it)).count();
            }
            if done >= number {
                return;
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Waits until nobody applies anything, and the controllers have made what follows.
    async fn calm(&self) {
        let mut before = (self.asks().await.applies, self.all_requests().await);
        loop {
            sleep(Duration::from_secs(5)).await;
            let now = (self.asks().await.applies, self.all_requests().await);
            // Leases, watches and health checks go on.
            if now.0 == before.0 && now.1 - before.1 < 250 {
                return;
            }
            before = now;
        }
    }

    /// The middle of the times from a change of one resource to its report.
    async fn time_of_a_change(&self) -> Duration {
        let resource = resources("few").remove(1);
        let api = self.api(&resource);
        let name = resource["metadata"]["name"].as_str().unwrap();
        let mut times = Vec::new();
        for change in 0..CHANGES {
            let patch = json!({ "spec": { "rollout": { "minReadySeconds": change + 1 } } });
            let begun = Instant::now();
            let how = PatchParams::default();
            api.patch(name, &how, &Patch::Merge(&patch)).await.unwrap();
            while !is_reconciled(&api.get(name).await.unwrap()) {
                sleep(Duration::from_millis(2)).await;
            }
            times.push(begun.elapsed());
            sleep(Duration::from_millis(300)).await;
        }
        times.sort();
        times[CHANGES / 2]
    }

    async fn metrics(&self) -> String {
        let request = http::Request::get("/metrics").body(Vec::new()).unwrap();
        self.client.request_text(request).await.unwrap()
    }

    async fn all_requests(&self) -> u64 {
        let metrics = self.metrics().await;
        counts(&metrics).map(|(_, count)| count).sum()
    }

    async fn asks(&self) -> Asks {
        let metrics = self.metrics().await;
        let sum = |wanted: &dyn Fn(&str) -> bool| {
            let counts = counts(&metrics).filter(|(labels, _)| wanted(labels));
            counts.map(|(_, count)| count).sum()
        };
        let is_try = |labels: &str| labels.contains("dry_run=\"All\"");
        let is = |labels: &str, verb: &str| labels.contains(&format!("verb=\"{verb}\""));
        Asks {
            applies: sum(&|it| is(it, "APPLY") && !is_try(it)),
            tries: sum(&|it| is(it, "APPLY") && is_try(it)),
            deletions: sum(&|it| is(it, "DELETE") && it.contains("resource=\"configmaps\"")),
            reads: sum(&|it| is(it, "GET") && is_child(it)),
        }
    }
}

impl Figures {
    /// How many times the bare client's time the operator takes.
    fn times(&self) -> f64 {
        self.operator.0.as_secs_f64() / self.bare.0.as_secs_f64()
    }

    /// How many times longer a change takes among all.
    fn growth(&self) -> f64 {
        self.change[1].as_secs_f64() / self.change[0].as_secs_f64()
    }

    fn print(&self, asked: &Asked) {
        let (components, objects) = (asked.components, self.objects);
        let [bare, operator] = [&self.bare, &self.operator].map(|it| it.0.as_secs_f64());
        let [few, all] = self.change.map(|it| it.as_secs_f64() * 1000.0);
        println!("operator: {components} components, {CONCURRENCY} calls beside each other");
        println!(
            "  bare client  {bare:8.1} s   {objects} objects; {}",
            self.bare.1
        );
        let times = self.times();
        println!(
            "  operator     {operator:8.1} s   {times:.2} times; {}",
            self.operator.1
        );
        println!("  peak memory  {:8.1} MB", self.memory);
        println!("  one resync   {:8} writes", self.steady_writes);
        let growth = self.growth();
        println!(
            "  one change   {few:8.1} ms  among {TOGETHER}; {all:.1} ms among all, {growth:.2} times"
        );
    }

    fn check(&self) {
        assert!(self.times() <= 2.0, "slower than twice the bare client");
        assert!(self.memory <= 150.0, "more than 150 MB");
        assert_eq!(self.steady_writes, 0, "writes once steady");
        assert!(self.growth() <= 1.5, "a change takes longer among all");
    }
}

impl Asks {
    fn since(self, before: Self) -> Self {
        Self {
            applies: self.applies - before.applies,
            tries: self.tries - before.tries,
            deletions: self.deletions - before.deletions,
            reads: self.reads - before.reads,
        }
    }
}

impl std::fmt::Display for Asks {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            applies,
            tries,
            deletions,
            reads,
        } = self;
        write!(
            to,
            "{applies} applies, {tries} tries, {reads} reads, {deletions} deletions"
        )
    }
}

/// The counters of requests, by their labels.
fn counts(metrics: &str) -> impl Iterator<Item = (&str, u64)> {
    let lines = metrics.lines();
    let lines = lines.filter_map(|line| line.strip_prefix("apiserver_request_total{"));
    lines.filter_map(|line| {
        let (labels, count) = line.rsplit_once("} ")?;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it counts"
        )]
        Some((labels, count.parse::<f64>().ok()? as u64))
    })
}

fn is_child(labels: &str) -> bool {
    let kinds = [
        "deployments",
        "services",
        "configmaps",
        "persistentvolumeclaims",
    ];
    kinds
        .iter()
        .any(|kind| labels.contains(&format!("resource=\"{kind}\"")))
}

fn is_reconciled(object: &DynamicObject) -> bool {
    let observed = object.data["status"]["observedGeneration"].as_i64();
    observed.is_some() && observed == object.metadata.generation
}

/// The resources of a namespace.
fn resources(namespace: &str) -> Vec<Value> {
    let resource = |kind: &str, name: &str, spec: Value| {
        json!({
            "apiVersion": "angzarr.io/v1alpha1",
            "kind": kind,
            "metadata": { "name": name, "namespace": namespace },
            "spec": spec,
        })
    };
    let store = json!({ "storage": { "type": "sqlite" }, "bus": { "type": "direct" } });
    let mut all = vec![resource("EventStore", "heron", store)];
    for number in 0..TOGETHER {
        let name = format!("part-{number}");
        let mut spec = json!({
            "eventStoreRef": { "name": "heron" },
            "template": { "spec": {
                "securityContext": {
                    "runAsNonRoot": true,
                    "runAsUser": 65532,
                    "seccompProfile": { "type": "RuntimeDefault" },
                },
                "containers": [{
                    "name": "logic",
                    "image": "logic:1",
                    "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } },
                }],
            }},
        });
        let reads = json!([{ "domain": "part-0" }]);
        let kind = match number {
            number if number % 3 == 1 => {
                spec["sources"] = reads;
                "Projector"
            }
            number if number % 3 == 2 => {
                spec["sources"] = reads.clone();
                spec["targets"] = reads;
                "Saga"
            }
            _ => {
                spec["domain"] = name.clone().into();
                "Aggregate"
            }
        };
        all.push(resource(kind, &name, spec));
    }
    all
}

/// The most memory that a process had, in megabytes.
fn peak(process: &Child) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|it| it.split_whitespace().next()).unwrap();
    kilobytes.parse::<f64>().unwrap() / 1024.0
}

/// The operator that cargo has built next to this program.
fn beside() -> PathBuf {
    std::env::current_exe().unwrap().with_file_name("angzarr")
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
