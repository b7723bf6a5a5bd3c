//! Validates a resource as an API server would, without one.
//!
//! [`validate_structure`] looks at shape, [`validate_cel`] at the rules between fields; call the
//! second only if the first found no mistake, since rules assume a valid shape.

mod cel;
mod structure;

pub use angzarr_config::Mistake;
pub use cel::validate_cel;
pub(crate) use structure::matches;
pub use structure::validate_structure;
