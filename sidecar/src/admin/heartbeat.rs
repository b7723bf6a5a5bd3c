//! Whether tasks of this process get their turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

const BEAT: Duration = Duration::from_secs(1);
/// Without a beat for so long, the process should be restarted.
const STALE: Duration = Duration::from_secs(10);

/// Beats as long as tasks get their turn.
#[derive(Clone)]
pub(super) struct Heartbeat {
    began: Instant,
    /// Milliseconds between the begin and the last beat.
    last: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Starts to beat; the owner aborts the task.
    pub(super) fn start() -> (Self, JoinHandle<()>) {
        let heart = Self {
            began: Instant::now(),
            last: Arc::default(),
        };
        let beating = heart.clone();
        let task = tokio::spawn(async move {
            let mut beats = interval(BEAT);
            beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                beats.tick().await;
                beating.beat();
            }
        });
        (heart, task)
    }

    fn beat(&self) {
        let since = self.began.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }

    /// How long ago the last beat was, if that is too long.
    pub(super) fn stale(&self) -> Option<Duration> {
        let last = Duration::from_millis(self.last.load(Ordering::Relaxed));
        let silence = self.began.elapsed().saturating_sub(last);
        (silence > STALE).then_some(silence)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_heart_that_stops_is_noticed() {
        let (heart, task) = Heartbeat::start();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(heart.stale(), None);
        task.abort();
        let _ = task.await;
        sleep(Duration::from_secs(12)).await;
        assert!(heart.stale().is_some());
    }
}
