//! Serves the customer aggregate of the shop on `127.0.0.1:$PORT`.

mod logic;

use shop_contract::{AggregateService, Settings, serve, start_logs};

use crate::logic::Customer;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    start_logs();
    serve(
        Settings::from_env()?,
        AggregateService::<Customer>::server(),
    )
    .await?;
    Ok(())
}
