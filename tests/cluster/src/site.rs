//! Where the programs of a cluster run: on loopback, or in namespaces of their own.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::wait::until;

/// The address of the node in its network.
const NODE: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
/// Prepares the namespaces.
const SETUP: &str = include_str!("node/setup.sh");

/// Where programs run.
pub(crate) enum Site {
    /// Among the other processes of the machine, on free ports of loopback.
    Loopback,
    /// With a network, mounts and process ids of their own, all of which end with one process.
    Namespaces(Process),
}

impl Site {
    /// Creates namespaces; needs root.
    pub(crate) async fn namespaces(folder: &Path) -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "the node of the tests needs root, for its namespaces, mounts and pods"
        );
        let ready = folder.join("namespaces");
        let cgroup = folder.file_name().unwrap();
        let mut command = Command::new("unshare");
        command
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child"])
            .args(["--mount-proc", "sh", "-c", SETUP, "setup.sh"])
            .arg(NODE.to_string())
            .args([cgroup, ready.as_os_str()]);
        let process = Process::start("namespaces", &command, folder).unwrap();
        until("the namespaces of a node", async || {
            process.check().unwrap();
            match ready.exists() {
                true => Ok(()),
                false => Err(process.tail()),
            }
        })
        .await;
        Self::Namespaces(process)
    }

    /// The address at which servers listen.
    pub(crate) fn address(&self) -> Ipv4Addr {
        match self {
            Self::Loopback => Ipv4Addr::LOCALHOST,
            Self::Namespaces(_) => NODE,
        }
    }

    /// A command that runs a program here.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let Self::Namespaces(process) = self else {
            return Command::new(program);
        };
        let of = |kind: &str| format!("--{kind}=/proc/{}/ns/{kind}", process.id());
        let mut command = Command::new("nsenter");
        command
            .args([of("mount").replace("ns/mount", "ns/mnt"), of("net")])
            .arg(of("pid") + "_for_children")
            .arg("--")
            .arg(program);
        command
    }

    /// Starts a program here; its log is a file in the folder.
    pub(crate) fn start(
        &self,
        name: &str,
        program: &Path,
        arguments: &[String],
        folder: &Path,
    ) -> io::Result<Process> {
        let mut command = self.command(program);
        command.args(arguments);
        Process::start(name, &command, folder)
    }

    /// The address at which programs of the site reach an address of this machine.
    pub(crate) fn expose(&self, address: SocketAddr) -> SocketAddr {
        match self {
            Self::Loopback => address,
            Self::Namespaces(process) => forward_back(process.id(), address).unwrap(),
        }
    }

    /// The address at which this process reaches an address of the site.
    pub(crate) fn reach(&self, address: SocketAddr) -> SocketAddr {
        match self {
            Self::Loopback => address,
            Self::Namespaces(process) => forward(process.id(), address).unwrap(),
        }
    }
}

/// Passes connections on from a free port of loopback into the network of a process, as long as this process lives.
fn forward(process: u32, to: SocketAddr) -> io::Result<SocketAddr> {
    let network = network(process)?;
    // A socket stays in the network in which it was created.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let from = listener.local_addr()?;
    std::thread::spawn(move || {
        enter(&network);
        pass_all_on(listener, to);
    });
    Ok(from)
}

/// Passes connections on from a free port of the node in the network of a process, as long as this process lives.
fn forward_back(process: u32, to: SocketAddr) -> io::Result<SocketAddr> {
    let network = network(process)?;
    let listening = std::thread::spawn(move || {
        enter(&network);
        TcpListener::bind((NODE, 0))
    });
    let listener = listening.join().expect("the thread does not panic")?;
    let from = listener.local_addr()?;
    std::thread::spawn(move || pass_all_on(listener, to));
    Ok(from)
}

fn network(process: u32) -> io::Result<File> {
    File::open(format!("/proc/{process}/ns/net"))
}

/// Moves this thread, and what it starts, into a network.
fn enter(network: &File) {
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

fn pass_all_on(listener: TcpListener, to: SocketAddr) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    listener.set_nonblocking(true).unwrap();
    runtime.block_on(pass_on(listener, to));
}

async fn pass_on(listener: TcpListener, to: SocketAddr) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let Ok((mut near, _)) = listener.accept().await else {
            continue;
        };
        tokio::spawn(async move {
            // Whoever connected sees the end of a connection that cannot be made or that breaks.
            if let Ok(mut far) = TcpStream::connect(to).await {
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            }
        });
    }
}
