//! What is asked of a sidecar over its loopback admin port.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(5);
/// The most that is read of an answer.
const MOST: u64 = 4 << 20;

/// Whether the sidecar is ready.
pub async fn is_ready(port: u16) -> bool {
    ask("GET", "/readyz", port).await.is_ok()
}

/// Whether the sidecar is ready and takes no commands of clients yet, as after a restart.
pub async fn is_closed_and_ready(port: u16) -> bool {
    let Ok(status) = ask("GET", "/statusz", port).await else {
        return false;
    };
    let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
    status
        .pointer("/lifecycle/open")
        .and_then(serde_json::Value::as_bool)
        == Some(false)
        && is_ready(port).await
}

/// Lets commands of clients in.
///
/// # Errors
/// The sidecar did not answer, or refused.
pub async fn open(port: u16) -> Result<()> {
    ask("POST", "/open", port).await.map(drop)
}

/// Asks with HTTP/1.0, where the end of the connection is the end of the answer.
async fn ask(method: &str, path: &str, port: u16) -> Result<String> {
    let asked = timeout(WITHIN, async {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let request =
            format!("{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.take(MOST).read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    });
    let answer = asked
        .await
        .context("wait for the sidecar")?
        .context("ask the sidecar")?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    if head.split_whitespace().nth(1) != Some("200") {
        bail!("{}: {body}", head.lines().next().unwrap_or("no answer"));
    }
    Ok(body.to_owned())
}
