//! Serves the order aggregate of the shop on `127.0.0.1:$PORT`.

mod logic;

use shop_contract::{AggregateService, Settings, serve, start_logs};

use crate::logic::Order;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    start_logs();
    serve(Settings::from_env()?, AggregateService::<Order>::server()).await?;
    Ok(())
}
