//! What a sidecar tells of itself: logs and metrics.
//!
//! Both are set up once, before anything else starts: instruments are made when they are first used, from the meter that is global then.

mod aggregates;
mod consumers;
mod logs;
mod measures;
mod metrics;
mod process;

pub use aggregates::observe_aggregates;
pub use consumers::observe_consumers;
pub use logs::start_logs;
pub use measures::Measures;
pub use metrics::start_metrics;
pub use process::{observe_logic, observe_memory, observe_store};
