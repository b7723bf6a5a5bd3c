//! Judges a resource as an API server would, without one.
//!
//! [`validate_structure`] looks at shape, [`validate_cel`] at the rules between fields; ask the
//! second only if the first found nothing, since rules assume a sound shape.

mod cel;
mod structure;

pub use angzarr_config::Mistake;
pub use cel::validate_cel;
pub use structure::validate_structure;
