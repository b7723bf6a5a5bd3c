//! Judges a resource as an API server would, without one.
//!
//! [`validate_cel`] looks at the rules between fields.

mod cel;

use std::fmt;

pub use cel::validate_cel;

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
