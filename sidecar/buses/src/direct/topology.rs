//! Where the owner of a domain is.

use angzarr_coordinator::feed::InProcess;
use angzarr_coordinator::model::Domain;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;

/// Tells who owns a domain's log.
///
/// # Guarantees
/// - The answer is that of now; a subscription ends when it is another one, and asks again.
pub trait Owners: Send + Sync {
    /// The owner, or none when no route leads to the domain.
    fn owner(&self, domain: &Domain) -> Option<Owner>;
}

/// The sidecar that opens the store of a domain.
#[derive(Clone)]
pub enum Owner {
    /// This process; its log is read directly.
    Here(InProcess),
    /// Another sidecar, reached over this connection.
    There {
        /// The connection.
        channel: Channel,
        /// Cancelled when the owner is elsewhere: what was opened over the connection ends, since nobody says whether it is still fed.
        moved: CancellationToken,
    },
}
