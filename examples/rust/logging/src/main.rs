//! Serves the projector `logging` on `127.0.0.1:$PORT`: one readable line for each event of the shop.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use angzarr_proto::v1::event_page::Sequence;
use angzarr_proto::v1::projector_server::{Projector, ProjectorServer};
use angzarr_proto::v1::{EventBook, Projection};
use shop_contract::{Settings, serve, start_logs, type_name};
use tonic::{Request, Response, Status};
use uuid::Uuid;

/// Prints events; events printed since the start are not printed again.
#[derive(Default)]
struct Log {
    next: Mutex<HashMap<(String, Uuid), u32>>,
}

impl Log {
    /// The lines for the new events of a book.
    fn note(&self, book: &EventBook) -> Result<Vec<String>, Status> {
        let cover = book
            .cover
            .as_ref()
            .ok_or_else(|| Status::invalid_argument("cover is missing"))?;
        let root = cover
            .root
            .as_ref()
            .and_then(|root| Uuid::from_slice(&root.value).ok());
        let root =
            root.ok_or_else(|| Status::invalid_argument("cover.root does not have 16 bytes"))?;
        // Numbers are replaced as a whole, so that a panic elsewhere leaves them consistent.
        let mut known = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let next = known.entry((cover.domain.clone(), root)).or_default();
        let mut lines = Vec::new();
        for page in &book.pages {
            let (Some(Sequence::Num(sequence)), Some(event)) = (page.sequence, &page.event) else {
                continue;
            };
            if sequence >= *next {
                lines.push(format!(
                    "{} {root} #{sequence} {}",
                    cover.domain,
                    type_name(event)
                ));
                *next = sequence + 1;
            }
        }
        Ok(lines)
    }
}

#[tonic::async_trait]
impl Projector for Log {
    async fn handle(&self, request: Request<EventBook>) -> Result<Response<()>, Status> {
        for line in self.note(request.get_ref())? {
            println!("{line}");
        }
        Ok(Response::new(()))
    }

    async fn handle_sync(&self, _: Request<EventBook>) -> Result<Response<Projection>, Status> {
        Err(Status::unimplemented(
            "this projector returns no projection; set its mode to Async",
        ))
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    start_logs();
    serve(Settings::from_env()?, ProjectorServer::new(Log::default())).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use angzarr_proto::v1::{Cover, EventPage, Uuid as RootId};

    use super::*;

    #[test]
    fn what_was_printed_is_not_printed_again() {
        let page = |sequence| EventPage {
            sequence: Some(Sequence::Num(sequence)),
            event: Some(shop_contract::encode(
                &shop_contract::order::v1::OrderCancelled::default(),
            )),
            ..EventPage::default()
        };
        let book = |pages| EventBook {
            cover: Some(Cover {
                domain: "order".to_owned(),
                root: Some(RootId {
                    value: vec![1; 16].into(),
                }),
                ..Cover::default()
            }),
            pages,
            ..EventBook::default()
        };
        let log = Log::default();
        let first = log.note(&book(vec![page(0), page(1)])).unwrap_or_default();
        assert_eq!(
            first[1],
            "order 01010101-0101-0101-0101-010101010101 #1 shop.order.v1.OrderCancelled"
        );
        let second = log.note(&book(vec![page(1), page(2)])).unwrap_or_default();
        assert_eq!(second.len(), 1);
    }
}
