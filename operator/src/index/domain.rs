//! Who declares what of a domain, and who has it.

use std::collections::BTreeSet;
use std::time::SystemTime;

use crate::model::Key;
use crate::resource::Resource;

/// Who declares what of a domain.
#[derive(Debug, Clone, Default)]
pub(super) struct Domain {
    /// The first one owns it.
    pub(super) claims: BTreeSet<Claim>,
    /// Who reads its events.
    pub(super) readers: BTreeSet<Key>,
    /// Those of the readers that callers wait for.
    pub(super) synchronous: BTreeSet<Key>,
    /// Who commands it.
    pub(super) senders: BTreeSet<Key>,
}

impl Domain {
    pub(super) fn owner(&self) -> Option<&Key> {
        Some(&self.claims.first()?.key)
    }

    /// Everybody whom a change of the owner concerns.
    pub(super) fn concerned(&self) -> impl Iterator<Item = &Key> {
        let claims = self.claims.iter().map(|claim| &claim.key);
        claims.chain(&self.readers).chain(&self.senders)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.concerned().next().is_none()
    }
}

/// The older one is first, then the one whose name is: a newcomer cannot take a domain or a workload away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    created: Option<SystemTime>,
    pub(super) key: Key,
}

impl Claim {
    pub(super) fn of(resource: &Resource) -> Self {
        Self {
            created: resource.created(),
            key: resource.key(),
        }
    }
}
