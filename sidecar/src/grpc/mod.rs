//! The gRPC services of a sidecar. Wire types stop here: inside, only the model moves.

mod call;
mod closing;
mod commands;
mod coordinator;
mod gateway;
mod leaving;
mod memory;
mod projector;
mod query;
mod saga;
pub mod status;

use std::time::Duration;

use angzarr_proto::FILE_DESCRIPTOR_SET;
use angzarr_proto::v1::business_coordinator_server::BusinessCoordinatorServer;
use angzarr_proto::v1::command_gateway_server::CommandGatewayServer;
use angzarr_proto::v1::event_query_server::EventQueryServer;
use angzarr_proto::v1::projector_coordinator_server::ProjectorCoordinatorServer;
use angzarr_proto::v1::saga_coordinator_server::SagaCoordinatorServer;
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tower_layer::{Identity, Stack};

use crate::trailers::CutStatuses;
use crate::transport::{STANDARD_BYTES, configured};
use closing::EndStreams;
pub use commands::Commands;
pub use coordinator::Coordinator;
pub use gateway::Gateway;
pub use memory::Memory;
pub use projector::ProjectorService;
pub use query::QueryService;
pub use saga::{OwnSaga, SagaService};

/// How long a connection may live; clients then open a new one, so that new replicas get their share.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// The most bytes of a query.
const QUERY_BYTES: usize = 256 << 10;
/// How often an idle connection is checked.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// The names of the services whose health is reported, beside that of the whole.
pub const SERVICES: [&str; 5] = [
    "angzarr.v1.BusinessCoordinator",
    "angzarr.v1.CommandGateway",
    "angzarr.v1.EventQuery",
    "angzarr.v1.ProjectorCoordinator",
    "angzarr.v1.SagaCoordinator",
];

/// What every gRPC server can have, and a sidecar has.
const STANDARD_SERVICES: [&str; 2] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
];

/// Services behind the layer that every response passes.
pub type Served = Router<Stack<Memory, Stack<EndStreams, Stack<CutStatuses, Identity>>>>;

/// The services of the contract.
pub struct Services {
    /// Commands to the own domains.
    pub coordinator: Coordinator,
    /// Commands to any domain.
    pub gateway: Gateway,
    /// Reads.
    pub query: QueryService,
    /// Events for the own projectors.
    pub projector: ProjectorService,
    /// Events for the own sagas.
    pub saga: SagaService,
}

/// Makes a router with all services and their descriptions; streams that would not end do when `closing` is cancelled.
///
/// # Errors
/// When the contract's own descriptors cannot be read.
pub fn build_router(
    services: Services,
    memory: Memory,
    closing: CancellationToken,
) -> Result<Served, tonic_reflection::server::Error> {
    let reflection = || {
        let described = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET);
        // The contract also describes what logic serves; named is only what this sidecar does.
        let served = SERVICES.into_iter().chain(STANDARD_SERVICES);
        served.fold(described, |builder, name| builder.with_service_name(name))
    };
    let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
    let (v1, v1alpha) = (configured!(v1), configured!(v1alpha));
    let coordinator = configured!(BusinessCoordinatorServer::new(services.coordinator));
    let gateway = configured!(CommandGatewayServer::new(services.gateway));
    let query =
        configured!(EventQueryServer::new(services.query)).max_decoding_message_size(QUERY_BYTES);
    let projector = configured!(ProjectorCoordinatorServer::new(services.projector));
    let saga = configured!(SagaCoordinatorServer::new(services.saga));
    Ok(Server::builder()
        .layer(CutStatuses)
        .layer(EndStreams(closing))
        .layer(memory)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .max_connection_age(MAX_CONNECTION_AGE)
        .add_service(coordinator)
        .add_service(gateway)
        .add_service(query)
        .add_service(projector)
        .add_service(saga)
        .add_service(v1.max_decoding_message_size(STANDARD_BYTES))
        .add_service(v1alpha.max_decoding_message_size(STANDARD_BYTES)))
}
