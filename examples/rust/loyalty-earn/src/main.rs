//! Serves the saga `loyalty-earn` on `127.0.0.1:$PORT`.

mod logic;

use shop_contract::{SagaService, Settings, serve, start_logs};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    start_logs();
    serve(Settings::from_env()?, SagaService::server(logic::react)).await?;
    Ok(())
}
