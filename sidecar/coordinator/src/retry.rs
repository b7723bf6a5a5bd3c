//! How long to wait before the next attempt, and when to give up: the one policy of every loop that tries again.

use std::time::Duration;

use tokio::time::Instant;

/// Delays that double from the first to the longest, each with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The delay after the first failure.
    pub first: Duration,
    /// The delay at which doubling ends.
    pub longest: Duration,
    /// Which part of a delay is random.
    pub jitter: Jitter,
}

/// Which part of a delay is random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jitter {
    /// The second half: an attempt that waits for something outside never comes at once.
    Half,
    /// All of it: attempts that race each other spread as far as possible.
    Full,
}

impl Policy {
    /// The same delay after every failure, half of it random.
    pub const fn every(delay: Duration) -> Self {
        Self {
            first: delay,
            longest: delay,
            jitter: Jitter::Half,
        }
    }

    /// The delay after so many failures in a row; `random` is from 0 to 1.
    fn delay(&self, failures: u32, random: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(match self.jitter {
            Jitter::Half => 0.5 + random / 2.0,
            Jitter::Full => random,
        })
    }
}

/// Counts failures in a row, without an end, and says how long to wait.
#[derive(Debug)]
pub struct Backoff {
    policy: Policy,
    failures: u32,
}

impl Backoff {
    /// Starts without failures.
    pub fn new(policy: Policy) -> Self {
        Self {
            policy,
            failures: 0,
        }
    }

    /// Counts a failure and returns the delay before the next attempt.
    pub fn next_delay(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.policy.delay(self.failures, rand::random())
    }

    /// Forgets the failures.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// When to give up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// After so many attempts.
    Attempts(u32),
    /// At the first failure later than this after the start.
    Within(Duration),
}

/// Counts failures up to a bound.
#[derive(Debug)]
pub struct Retries {
    backoff: Backoff,
    bound: Bound,
    started: Instant,
}

impl Retries {
    /// Starts now.
    pub fn new(policy: Policy, bound: Bound) -> Self {
        Self {
            backoff: Backoff::new(policy),
            bound,
            started: Instant::now(),
        }
    }

    /// Counts a failure and returns the delay before the next attempt, or `None` when there is to be none.
    pub fn next_delay(&mut self) -> Option<Duration> {
        let delay = self.backoff.next_delay();
        let is_over = match self.bound {
            Bound::Attempts(most) => self.backoff.failures >= most,
            Bound::Within(most) => self.started.elapsed() > most,
        };
        (!is_over).then_some(delay)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(jitter: Jitter) -> Policy {
        Policy {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(30),
            jitter,
        }
    }

    proptest! {
        #[test]
        fn delays_grow_up_to_the_longest_and_keep_half_of_it(failures in 1_u32..100, random in 0.0_f64..=1.0) {
            let policy = policy(Jitter::Half);
            let delay = policy.delay(failures, random);
            prop_assert!(delay >= policy.first / 2);
            prop_assert!(delay <= policy.longest);
            prop_assert!(policy.delay(failures + 1, random) >= delay);
        }

        #[test]
        fn full_jitter_spreads_over_the_whole_delay(failures in 1_u32..100) {
            let policy = policy(Jitter::Full);
            prop_assert_eq!(policy.delay(failures, 0.0), Duration::ZERO);
            prop_assert!(policy.delay(failures, 1.0) >= policy.first);
            prop_assert!(policy.delay(failures, 1.0) <= policy.longest);
        }
    }

    #[test]
    fn attempts_are_bounded() {
        let mut retries = Retries::new(policy(Jitter::Half), Bound::Attempts(3));
        let more = [(); 3].map(|()| retries.next_delay().is_some());
        assert_eq!(more, [true, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_of_attempts_is_bounded() {
        let within = Duration::from_secs(1);
        let mut retries = Retries::new(policy(Jitter::Half), Bound::Within(within));
        tokio::time::advance(within).await;
        assert!(retries.next_delay().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(retries.next_delay(), None);
    }
}
