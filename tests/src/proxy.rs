//! A TCP proxy that fails like networks do.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How the proxy handles bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They pass.
    Passes,
    /// They pass after a delay.
    Delays(Duration),
    /// Connections are cut, and new ones are cut at once.
    Cuts,
    /// Requests arrive; the connection is cut at the reply.
    CutsAnswers,
    /// Connections stay open, but nothing arrives.
    Swallows,
}

/// A proxy, until it is dropped.
pub struct Proxy {
    /// The port that it listens on.
    pub port: u16,
    mode: watch::Sender<Mode>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts a proxy to a port of this machine.
    pub async fn start(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mode = watch::Sender::new(Mode::Passes);
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, to, mode.subscribe()));
        Self {
            port,
            mode,
            _tasks: tasks,
        }
    }

    /// Changes the handling of bytes, also on open connections.
    pub fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn serve(listener: TcpListener, to: u16, mode: watch::Receiver<Mode>) {
    let mut connections = JoinSet::new();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        connections.spawn(connect(client, to, mode.clone()));
    }
}

async fn connect(client: TcpStream, to: u16, mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Cuts {
        return;
    }
    // A server that is not there ends the connection.
    let Ok(server) = TcpStream::connect(("127.0.0.1", to)).await else {
        return;
    };
    let client = client.into_split();
    let server = server.into_split();
    let mut watched = mode.clone();
    tokio::select! {
        () = pass(client.0, server.1, mode.clone(), false) => {}
        () = pass(server.0, client.1, mode, true) => {}
        _ = watched.wait_for(|mode| *mode == Mode::Cuts) => {}
    }
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    is_answer: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read) = from.read(&mut buffer).await {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Passes => {}
            Mode::Delays(by) => sleep(by).await,
            Mode::CutsAnswers if !is_answer => {}
            Mode::Cuts | Mode::CutsAnswers => return,
            // Swallowed bytes never arrive: the connection is dead without notice.
            Mode::Swallows => std::future::pending().await,
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
