//! Nothing that a program started outlives it, or outlives `angzarr local`.

use std::fs;
use std::path::PathBuf;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use shop_system::wait;

use crate::desk::{Desk, Local, aggregate};

/// A wrapper that starts its server as a child, as `npm start` and `go run` do.
const CHILD: &str = "#!/bin/sh
echo $$ > wrapper.pid
shop-customer &
echo $! > server.pid
wait
sleep 1000
";

/// The same with a server that leaves the group and the session of its wrapper.
const SESSION: &str = "#!/bin/sh
echo $$ > wrapper.pid
setsid sh -c 'echo $$ > server.pid; exec shop-customer' &
wait
sleep 1000
";

struct Wrapped {
    desk: Desk,
    local: Local,
}

impl Wrapped {
    async fn start(wrapper: &str) -> Self {
        let desk = Desk::new(&[aggregate("customer", "customer")]);
        desk.write_program("wrapper", wrapper);
        desk.write("local.yaml", "images: {customer:1: {command: [./wrapper]}}");
        let local = desk.start();
        local.until_ready().await;
        Self { desk, local }
    }

    fn pid_file(&self, name: &str) -> PathBuf {
        self.desk.path(&format!("{name}.pid"))
    }

    fn pid(&self, name: &str) -> Pid {
        let text = fs::read_to_string(self.pid_file(name)).unwrap();
        Pid::from_raw(text.trim().parse().unwrap()).unwrap()
    }

    /// Every process that the component consists of.
    async fn pids(&self) -> Vec<Pid> {
        let sidecar = self.local.status("customer").await.unwrap().process;
        let sidecar = Pid::from_raw(sidecar.cast_signed()).unwrap();
        vec![sidecar, self.pid("wrapper"), self.pid("server")]
    }
}

async fn until_gone(pids: &[Pid]) {
    for pid in pids {
        wait(async || test_kill_process(*pid).is_err())
            .await
            .unwrap_or_else(|error| panic!("{error}: {pid:?} is left"));
    }
}

fn parent_of(pid: Pid) -> Pid {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let parent = fields.split_whitespace().nth(1).unwrap();
    Pid::from_raw(parent.parse().unwrap()).unwrap()
}

#[tokio::test]
async fn a_killed_local_leaves_no_process_behind() {
    for wrapper in [CHILD, SESSION] {
        let mut wrapped = Wrapped::start(wrapper).await;
        let pids = wrapped.pids().await;
        wrapped.local.signal(Signal::KILL);
        wrapped.local.ended().await;
        until_gone(&pids).await;
    }
}

#[tokio::test]
async fn each_signal_of_a_stop_drains_and_leaves_no_process_behind() {
    for (signal, wrapper) in [
        (Signal::HUP, CHILD),
        (Signal::TERM, SESSION),
        (Signal::INT, CHILD),
    ] {
        let mut wrapped = Wrapped::start(wrapper).await;
        let pids = wrapped.pids().await;
        wrapped.local.signal(signal);
        let ended = wrapped.local.ended().await;
        let said = wrapped.local.said();
        assert!(ended.success(), "{ended}\n{said}");
        assert!(said.contains("sidecars finish what is under way"), "{said}");
        assert!(!said.contains("killed"), "{said}");
        until_gone(&pids).await;
    }
}

#[tokio::test]
async fn a_hangup_is_ignored_where_nohup_asks_for_that() {
    let desk = Desk::new(&[aggregate("customer", "customer")]);
    let nohup = "trap '' HUP; exec angzarr local -f sys";
    let local = desk.start_by(&["sh", "-c", nohup], "log");
    local.until_ready().await;
    local.signal(Signal::HUP);
    local.create_customer("customer", "customer", 1).await;
    assert!(!local.said().contains("stops:"), "{}", local.said());
    local.stop().await;
}

#[tokio::test]
async fn a_wrapper_that_dies_takes_its_server_along_before_it_starts_again() {
    for wrapper in [CHILD, SESSION] {
        let wrapped = Wrapped::start(wrapper).await;
        let (died, server) = (wrapped.pid("wrapper"), wrapped.pid("server"));
        kill_process(died, Signal::KILL).unwrap();
        wrapped.local.until_said("ended by signal 9").await;
        until_gone(&[server]).await;
        wait(async || wrapped.pid("wrapper") != died).await.unwrap();
        wrapped
            .local
            .create_customer("customer", "customer", 1)
            .await;
        assert!(
            !wrapped
                .local
                .said()
                .contains("another program has its port")
        );
        wrapped.local.stop().await;
    }
}

#[tokio::test]
async fn a_killed_guard_takes_its_program_along() {
    let wrapped = Wrapped::start(CHILD).await;
    let (died, server) = (wrapped.pid("wrapper"), wrapped.pid("server"));
    kill_process(parent_of(died), Signal::KILL).unwrap();
    until_gone(&[died, server]).await;
    wait(async || wrapped.pid("wrapper") != died).await.unwrap();
    wrapped
        .local
        .create_customer("customer", "customer", 1)
        .await;
    wrapped.local.stop().await;
}

#[tokio::test]
async fn a_second_signal_ends_at_once() {
    let deaf = "#!/bin/sh\necho $$ > wrapper.pid\ntrap '' TERM\nshop-customer &\necho $! > server.pid\nwhile :; do sleep 1; done\n";
    let mut wrapped = Wrapped::start(deaf).await;
    let pids = wrapped.pids().await;
    wrapped.local.signal(Signal::TERM);
    wrapped.local.until_said("sidecars finish").await;
    wrapped.local.signal(Signal::TERM);
    assert_eq!(wrapped.local.ended().await.code(), Some(1));
    until_gone(&pids).await;
}
