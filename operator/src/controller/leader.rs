//! Which of the operators beside each other writes: the holder of a Lease.
//!
//! # Design
//! The crates for this compare the lease's times with the own wall clock, so a skew between two machines lets both lead. Here no clock of another machine
//! counts: a lease has lapsed when it did not change for its whole duration by the monotonic clock of the process that looks at it. The holder believes in
//! its lease for two thirds of the duration from before it asked, which leaves a third for a write that is under way.

use std::time::Duration;

use clap::{ArgAction, Args};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error as ClientError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout_at};

/// How long an operator without a lease may write.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// How the operator that writes is chosen.
#[derive(Debug, Clone, Args)]
pub struct Election {
    /// Writes only while this process holds the lease of its instance. Without it there must be no second operator.
    #[arg(long, value_name = "BOOLEAN", env = "ANGZARR_LEADER_ELECTION", default_value_t = true, action = ArgAction::Set)]
    pub leader_election: bool,
    /// The namespace of the lease; that of the pod without it.
    #[arg(long, value_name = "NAMESPACE", env = "ANGZARR_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// How long a lease that is not renewed keeps others from writing; whole seconds.
    #[arg(long, value_name = "DURATION", env = "ANGZARR_LEASE_DURATION", default_value = "15s", value_parser = humantime::parse_duration)]
    pub lease_duration: Duration,
    /// How often the lease is renewed or asked for; less than a third of its duration.
    #[arg(long, value_name = "DURATION", env = "ANGZARR_LEASE_RETRY", default_value = "2s", value_parser = humantime::parse_duration)]
    pub lease_retry: Duration,
}

/// Why an election cannot begin, or a leader stops.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// The duration is no number of seconds that a lease can have.
    #[error(
        "--lease-duration must be whole seconds, from 1s to 1h, and is {}",
        humantime::format_duration(*.0)
    )]
    Duration(Duration),
    /// The holder could not renew in time.
    #[error(
        "--lease-retry must be more than zero and less than a third of --lease-duration, and is {}",
        humantime::format_duration(*.0)
    )]
    Retry(Duration),
    /// Another process holds the lease.
    #[error("{0} took the lease away, so this process stops")]
    Taken(String),
    /// The lease could not be renewed in time.
    #[error("the lease could not be renewed in time, so this process stops")]
    Lapsed,
}

/// Whether this process may write. Its clones share it.
#[derive(Debug, Clone)]
pub(super) struct Leadership(watch::Sender<Option<Instant>>);

impl Leadership {
    /// It may always write.
    pub(super) fn unopposed() -> Self {
        Self(watch::Sender::new(Some(Instant::now() + FOR_EVER)))
    }

    fn none() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Until when it may write, if it may now.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.borrow().filter(|until| Instant::now() < *until)
    }

    /// Whether it may write now.
    pub(super) fn may_write(&self) -> bool {
        self.until().is_some()
    }

    /// Ends once it leads.
    pub(super) async fn elected(&self) {
        // It ends early only if there is no sender, and this is one.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

/// A process that holds the lease, or wants to.
pub(super) struct Candidate {
    leases: Api<Lease>,
    name: String,
    identity: String,
    duration: Duration,
    retry: Duration,
    leadership: Leadership,
    /// The lease of another process, and since when it looks as it does.
    seen: Option<(LeaseSpec, Instant)>,
}

/// What came of asking for the lease.
enum Asked {
    Holds,
    HeldBy(String),
}

impl Candidate {
    /// Stands for the election of an instance.
    ///
    /// # Errors
    /// The times do not fit each other.
    pub(super) fn new(election: &Election, instance: &str, client: Client) -> Result<Self, Error> {
        let Election {
            lease_namespace,
            lease_duration: duration,
            lease_retry: retry,
            leader_election: _,
        } = election;
        if duration.subsec_nanos() != 0 || !(1..=3600).contains(&duration.as_secs()) {
            return Err(Error::Duration(*duration));
        }
        if retry.is_zero() || *retry * 3 >= *duration {
            return Err(Error::Retry(*retry));
        }
        let namespace = lease_namespace.as_deref();
        let namespace = namespace.unwrap_or_else(|| client.default_namespace());
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        Ok(Self {
            leases: Api::namespaced(client.clone(), namespace),
            name: format!("{instance}-operator"),
            identity: format!("{host}-{:016x}", rand::random::<u64>()),
            duration: *duration,
            retry: *retry,
            leadership: Leadership::none(),
            seen: None,
        })
    }

    /// What the process may do.
    pub(super) fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Asks for the lease and renews it, until it is lost.
    ///
    /// # Errors
    /// Always, at the end: the lease was held and is lost.
    pub(super) async fn run(&mut self) -> Result<(), Error> {
        loop {
            let began = Instant::now();
            let held_until = *self.leadership.0.borrow();
            let deadline = held_until.unwrap_or(began + self.duration);
            match timeout_at(deadline, self.ask(held_until.is_some())).await {
                Ok(Ok(Asked::Holds)) => self.hold(began),
                Ok(Ok(Asked::HeldBy(other))) if held_until.is_some() => {
                    self.leadership.0.send_replace(None);
                    return Err(Error::Taken(other));
                }
                Ok(Ok(Asked::HeldBy(_))) => {}
                Ok(Err(error)) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the lease cannot be asked for"
                    );
                }
                Err(_) => tracing::warn!("the API server does not answer about the lease"),
            }
            if self.leadership.0.borrow().is_some() && !self.leadership.may_write() {
                return Err(Error::Lapsed);
            }
            sleep(self.retry).await;
        }
    }

    fn hold(&self, began: Instant) {
        let until = began + self.duration * 2 / 3;
        if self.leadership.0.send_replace(Some(until)).is_none() {
            tracing::info!(lease = self.name, identity = self.identity, "leads");
        }
    }

    async fn ask(&mut self, leads: bool) -> Result<Asked, ClientError> {
        let Some(lease) = self.leases.get_opt(&self.name).await? else {
            return self.create().await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let is_ours = holder == self.identity;
        if !is_ours && (leads || !holder.is_empty() && !self.has_lapsed(&spec)) {
            return Ok(Asked::HeldBy(holder));
        }
        let now = MicroTime(Timestamp::now());
        let transitions = spec.lease_transitions.unwrap_or_default();
        let renewed = LeaseSpec {
            acquire_time: if is_ours {
                spec.acquire_time
            } else {
                Some(now.clone())
            },
            lease_transitions: Some(transitions.saturating_add((!is_ours).into())),
            ..self.claim(now)
        };
        // The resource version of what was read: whoever was faster wins.
        self.replace(lease, renewed).await?;
        Ok(Asked::Holds)
    }

    async fn create(&self) -> Result<Asked, ClientError> {
        let now = MicroTime(Timestamp::now());
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                acquire_time: Some(now.clone()),
                lease_transitions: Some(0),
                ..self.claim(now)
            }),
        };
        self.leases.create(&PostParams::default(), &lease).await?;
        Ok(Asked::Holds)
    }

    fn claim(&self, now: MicroTime) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(self.duration.as_secs()).ok(),
            renew_time: Some(now),
            ..LeaseSpec::default()
        }
    }

    async fn replace(&self, lease: Lease, spec: LeaseSpec) -> Result<(), ClientError> {
        let lease = Lease {
            spec: Some(spec),
            ..lease
        };
        let how = PostParams::default();
        self.leases.replace(&self.name, &how, &lease).await?;
        Ok(())
    }

    /// Whether the lease of another process did not change for its duration, as far as this one has seen.
    fn has_lapsed(&mut self, lease: &LeaseSpec) -> bool {
        let now = Instant::now();
        let declared = lease
            .lease_duration_seconds
            .and_then(|it| it.try_into().ok());
        let duration = declared.map_or(self.duration, Duration::from_secs);
        match &self.seen {
            Some((seen, since)) if seen == lease => now.duration_since(*since) > duration,
            _ => {
                self.seen = Some((lease.clone(), now));
                false
            }
        }
    }

    /// Gives the lease up, if this process holds it, so that the next one need not wait.
    pub(super) async fn release(&self) {
        let released = async {
            let Some(lease) = self.leases.get_opt(&self.name).await? else {
                return Ok(());
            };
            let spec = lease.spec.clone().unwrap_or_default();
            if spec.holder_identity.as_ref() != Some(&self.identity) {
                return Ok(());
            }
            let free = LeaseSpec {
                holder_identity: None,
                ..spec
            };
            self.replace(lease, free).await
        };
        let deadline = Instant::now() + self.retry;
        match timeout_at(deadline, released).await {
            Ok(Ok(())) => {}
            // It lapses by itself.
            Ok(Err(_)) | Err(_) => tracing::warn!("the lease could not be given up"),
        }
    }
}
