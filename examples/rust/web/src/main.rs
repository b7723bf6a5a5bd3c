//! Serves the projector `web` on `127.0.0.1:$PORT` and the order page on `$PAGE_ADDRESS`; the rows are stored in the file `$WEB_DATABASE`.

mod orders;
mod page;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use angzarr_proto::v1::projector_server::{Projector, ProjectorServer};
use angzarr_proto::v1::{EventBook, Projection};
use anyhow::Context;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Html;
use axum::routing::get;
use shop_contract::{Settings, encode, serve, start_logs};
use tonic::{Request, Response, Status};

use crate::orders::{Error, Orders};

type Shared = Arc<Mutex<Orders>>;

/// Stores orders.
struct Web(Shared);

impl Web {
    fn take(&self, book: EventBook) -> Result<Projection, Status> {
        let cover = book
            .cover
            .ok_or_else(|| Status::invalid_argument("cover is missing"))?;
        let root = cover
            .root
            .clone()
            .ok_or_else(|| Status::invalid_argument("cover.root is missing"))?;
        // An unfinished transaction is rolled back, so that a panic elsewhere leaves no partial row.
        let mut orders = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (view, next) = orders
            .take(&root.value, &book.pages)
            .map_err(|error| refuse(&error))?;
        Ok(Projection {
            cover: Some(cover),
            projector: "web".to_owned(),
            sequence: next.saturating_sub(1),
            projection: view.as_ref().map(encode),
        })
    }
}

fn refuse(error: &Error) -> Status {
    match error {
        Error::Gap { expected, came } => {
            Status::failed_precondition(format!("got sequence {came}, expected {expected}"))
        }
        Error::Database(error) => Status::internal(format!("store the order: {error}")),
        Error::Unreadable(what) => Status::invalid_argument(what.clone()),
    }
}

#[tonic::async_trait]
impl Projector for Web {
    async fn handle(&self, request: Request<EventBook>) -> Result<Response<()>, Status> {
        self.take(request.into_inner())?;
        Ok(Response::new(()))
    }

    async fn handle_sync(
        &self,
        request: Request<EventBook>,
    ) -> Result<Response<Projection>, Status> {
        self.take(request.into_inner()).map(Response::new)
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    start_logs();
    let variable = |name: &str| std::env::var(name).with_context(|| format!("set {name}"));
    let file = PathBuf::from(variable("WEB_DATABASE")?);
    let orders = Orders::open(&file).with_context(|| format!("open {}", file.display()))?;
    let orders: Shared = Arc::new(Mutex::new(orders));
    let address = variable("PAGE_ADDRESS")?;
    let listener = tokio::net::TcpListener::bind(&address)
        .await
        .with_context(|| format!("listen on {address}"))?;
    let shown = Arc::clone(&orders);
    let pages = Router::new().route("/", get(move || async move { show(&shown) }));
    tokio::select! {
        served = axum::serve(listener, pages).into_future() => served.context("serve the page"),
        served = serve(Settings::from_env()?, ProjectorServer::new(Web(orders))) => served.context("serve the projector"),
    }
}

fn show(orders: &Mutex<Orders>) -> Result<Html<String>, StatusCode> {
    let listed = orders.lock().unwrap_or_else(PoisonError::into_inner).list();
    match listed {
        Ok(orders) => Ok(Html(page::render(&orders))),
        Err(error) => {
            eprintln!("read the orders: {error:?}");
            Err(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}
