//! How long to wait before the next attempt.

use std::time::Duration;

/// Delays that double from the first to the longest, each with jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The delay after the first failure.
    pub first: Duration,
    /// The longest delay.
    pub longest: Duration,
}

impl Policy {
    /// The delay after so many failures in a row; `jitter` from 0 to 1 chooses between half of it and all of it.
    pub fn delay(&self, failures: u32, jitter: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// The longest delay where one attempt is cheap and its success ends an outage.
const OUTAGE: Duration = Duration::from_secs(2);

/// Counts failures in a row and says how long to wait.
#[derive(Debug)]
pub(super) struct Backoff {
    policy: Policy,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(policy: Policy) -> Self {
        Self {
            policy,
            failures: 0,
        }
    }

    /// A backoff for reaching something outside, where waiting long only prolongs the outage.
    pub(super) fn for_outage(policy: Policy) -> Self {
        Self::new(Policy {
            longest: policy.longest.min(OUTAGE),
            ..policy
        })
    }

    /// Counts a failure and answers the delay before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        self.policy.delay(self.failures, rand::random())
    }

    /// Forgets the failures.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn delays_grow_up_to_the_longest_and_keep_half_of_it(failures in 1u32..100, jitter in 0.0f64..=1.0) {
            let policy = Policy {
                first: Duration::from_millis(100),
                longest: Duration::from_secs(30),
            };
            let delay = policy.delay(failures, jitter);
            prop_assert!(delay >= policy.first / 2);
            prop_assert!(delay <= policy.longest);
            prop_assert!(policy.delay(failures + 1, jitter) >= delay);
        }
    }
}
