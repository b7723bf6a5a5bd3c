//! Named places at which a test may end the process, as a crash would.

/// Marks a place; without the `testkit` feature it is nothing.
///
/// With it, `ANGZARR_FAIL_POINT=<name>:<n>` ends the process with SIGKILL at the n-th passage of that place, counted from 1.
#[cfg(feature = "testkit")]
pub fn hit(name: &str) {
    armed::hit(name);
}

/// Marks a place; this build has no fail points.
#[cfg(not(feature = "testkit"))]
#[inline(always)]
pub fn hit(_name: &str) {}

#[cfg(feature = "testkit")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    struct Armed {
        name: String,
        countdown: AtomicU64,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    fn parse(text: &str) -> Option<Armed> {
        let (name, count) = text.split_once(':').unwrap_or((text, "1"));
        let countdown = AtomicU64::new(count.parse().ok().filter(|count| *count > 0)?);
        Some(Armed {
            name: name.to_owned(),
            countdown,
        })
    }

    pub(super) fn hit(name: &str) {
        let armed = ARMED.get_or_init(|| parse(&std::env::var("ANGZARR_FAIL_POINT").ok()?));
        let Some(armed) = armed else { return };
        if armed.name == name && armed.countdown.fetch_sub(1, Ordering::SeqCst) == 1 {
            // A kill that fails leaves the process running, which the waiting test reports.
            let _ = rustix::process::kill_process(
                rustix::process::getpid(),
                rustix::process::Signal::KILL,
            );
        }
    }
}
