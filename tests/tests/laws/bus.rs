//! The laws of the bus port, one trial for each law and adapter.

use std::sync::{Arc, RwLock};
use std::time::Duration;

use angzarr_buses::direct::DirectBus;
use angzarr_buses::direct::server::DeliveryService;
use angzarr_buses::direct::topology::{Owner, Owners};
use angzarr_coordinator::feed::InProcess;
use angzarr_coordinator::model::Domain;
use angzarr_coordinator::port::bus::Bus;
use angzarr_coordinator::port::store::Store;
use angzarr_coordinator::testkit::bus::{Adapter, LAWS, Law, Link, domain};
use angzarr_stores::sqlite::SqliteStore;
use async_trait::async_trait;
use libtest_mimic::Trial;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Channel, Endpoint, Server};

const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// The current channel to the owner.
struct Place {
    channel: RwLock<(Channel, CancellationToken)>,
}

impl Owners for Place {
    fn owner(&self, _: &Domain) -> Option<Owner> {
        Some(Owner::There {
            channel: self.channel.read().unwrap().0.clone(),
            moved: CancellationToken::new(),
        })
    }
}

/// The direct bus over connections on loopback.
struct Direct;

struct DirectLink {
    source: InProcess,
    place: Arc<Place>,
    bus: DirectBus,
}

async fn serve(source: InProcess) -> (Channel, CancellationToken) {
    let closing = CancellationToken::new();
    let service = DeliveryService::new([domain()], source, closing.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Server::builder().add_service(service.into_server());
    let stop = closing.clone().cancelled_owned();
    tokio::spawn(router.serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop));
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    (endpoint.connect_lazy(), closing)
}

#[async_trait]
impl Adapter for Direct {
    async fn connect(&self, source: InProcess) -> Box<dyn Link> {
        let place = Arc::new(Place {
            channel: RwLock::new(serve(source.clone()).await),
        });
        let bus = DirectBus::new(place.clone(), ANSWER_WITHIN);
        Box::new(DirectLink { source, place, bus })
    }
}

#[async_trait]
impl Link for DirectLink {
    fn bus(&self) -> &dyn Bus {
        &self.bus
    }

    async fn cut(&self) {
        let fresh = serve(self.source.clone()).await;
        let (_, closing) = std::mem::replace(&mut *self.place.channel.write().unwrap(), fresh);
        closing.cancel();
    }
}

impl Drop for DirectLink {
    fn drop(&mut self) {
        self.place.channel.read().unwrap().1.cancel();
    }
}

fn check(law: &Law) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(&folder.path().join("log.db")).unwrap();
    runtime.block_on(law.check(Arc::new(Direct), Store::of(store)));
}

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    LAWS.iter().map(|law| {
        Trial::test(format!("bus::direct::{}", law.name), move || {
            check(law);
            Ok(())
        })
    })
}
