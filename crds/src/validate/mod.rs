//! Judges a resource as an API server would, without one.
//!
//! [`validate_structure`] looks at shape, [`validate_cel`] at the rules between fields; ask the
//! second only if the first found nothing, since rules assume a sound shape.

mod cel;
mod nearest;
mod structure;

use std::fmt;

pub use cel::validate_cel;
pub use structure::validate_structure;

/// One mistake in a resource.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Where it is, like `spec.sources[2].domain`; empty for the whole resource.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.path.as_str() {
            "" => f.write_str(&self.message),
            path => write!(f, "{path}: {}", self.message),
        }
    }
}
