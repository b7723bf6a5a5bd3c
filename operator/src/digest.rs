//! Hashes as text, by which contents are named and told apart.

use sha2::{Digest, Sha256};

/// The first digits of the SHA-256 of a text, hexadecimal; at most 64.
pub(crate) fn digits(text: &str, count: usize) -> String {
    let hash = Sha256::digest(text);
    let all: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    all[..count].to_owned()
}
