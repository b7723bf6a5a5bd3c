//! The probes as a separate process, for tests that kill it. They listen on `PORT`; the synchronous ledger exits on an event of root `PROBE_DIES_OF`.

use angzarr_tests::client::root;
use angzarr_tests::probe::serve_alone;

#[tokio::main]
async fn main() {
    let number = |name| {
        std::env::var(name)
            .ok()
            .and_then(|value| value.parse::<u16>().ok())
    };
    let port = number("PORT").unwrap_or(0);
    let deadly = number("PROBE_DIES_OF").and_then(|number| u8::try_from(number).ok());
    serve_alone(port, deadly.map(root)).await;
}
