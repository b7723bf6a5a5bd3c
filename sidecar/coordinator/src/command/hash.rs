//! The hash that tells a repeated command from another one under the same id.

use sha2::{Digest, Sha256};

use crate::model::{Payload, PayloadHash};

/// Hashes type names and bytes, each with its length, so that no two lists of payloads run into each other.
pub fn payload_hash<'a>(payloads: impl IntoIterator<Item = &'a Payload>) -> PayloadHash {
    let mut hash = Sha256::new();
    for payload in payloads {
        for part in [payload.type_name().as_bytes(), &payload.value] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
    }
    PayloadHash(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(type_url: &str, value: &'static [u8]) -> Payload {
        Payload {
            type_url: type_url.into(),
            value: value.into(),
        }
    }

    #[test]
    fn the_hash_counts_the_full_name_and_not_the_prefix() {
        let one = payload_hash(&[payload("type.googleapis.com/a.B", b"x")]);
        assert_eq!(one, payload_hash(&[payload("other/a.B", b"x")]));
        assert_ne!(one, payload_hash(&[payload("other/a.C", b"x")]));
        assert_ne!(one, payload_hash(&[payload("other/a.B", b"y")]));
    }

    #[test]
    fn payloads_do_not_run_into_each_other() {
        let split = payload_hash(&[payload("a.B", b"x"), payload("a.B", b"y")]);
        assert_ne!(split, payload_hash(&[payload("a.B", b"xa.By")]));
        assert_ne!(
            split,
            payload_hash(&[payload("a.B", b"y"), payload("a.B", b"x")])
        );
    }
}
