//! The content of books: messages to and from `Any`, and books of commands.

use angzarr_proto::v1::{CommandBook, CommandPage, Cover, Uuid as RootId};
use prost::Name;
use prost_types::Any;
use uuid::Uuid;

use crate::Refusal;

const INVENTORY: Uuid = Uuid::from_u128(0xe82b4b96_45e1_59a3_8d38_c17101ca5b71);

/// The full name of the message in an `Any`: what follows the last slash of its type URL.
pub fn type_name(any: &Any) -> &str {
    any.type_url
        .rsplit_once('/')
        .map_or(any.type_url.as_str(), |(_, name)| name)
}

/// Decodes an `Any` if it has this type of message; returns `None` for another type.
///
/// # Errors
///
/// Refuses bytes that are not a valid message of the type.
pub fn decode<M: Name + Default>(any: &Any) -> Result<Option<M>, Refusal> {
    if type_name(any) != M::full_name() {
        return Ok(None);
    }
    let message = M::decode(any.value.as_slice())
        .map_err(|error| Refusal::invalid(format!("{} cannot be read: {error}", M::full_name())))?;
    Ok(Some(message))
}

/// Packs a message into an `Any`.
pub fn encode<M: Name>(message: &M) -> Any {
    Any {
        type_url: M::type_url(),
        value: message.encode_to_vec(),
    }
}

/// One command to one root; the coordinator fills in the rest.
pub fn command_to<M: Name>(domain: &str, root: &[u8], command: &M) -> CommandBook {
    CommandBook {
        cover: Some(Cover {
            domain: domain.to_owned(),
            root: Some(RootId {
                value: root.to_vec().into(),
            }),
            ..Cover::default()
        }),
        pages: vec![CommandPage {
            command: Some(encode(command)),
            ..CommandPage::default()
        }],
        ..CommandBook::default()
    }
}

/// The root of a product's inventory.
pub fn inventory_root(product_id: &str) -> [u8; 16] {
    Uuid::new_v5(&INVENTORY, product_id.as_bytes()).into_bytes()
}

/// The key of a cart's reservations: its root as text.
///
/// # Errors
///
/// Refuses bytes that are not a root.
pub fn reservation_key(cart_root: &[u8]) -> Result<String, Refusal> {
    let root = Uuid::from_slice(cart_root)
        .map_err(|_| Refusal::invalid("the root of the cart does not have 16 bytes"))?;
    Ok(root.to_string())
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::customer::v1::{CreateCustomer, CustomerCreated};

    #[test]
    fn the_type_is_what_follows_the_last_slash() {
        let command = CreateCustomer {
            name: "Ada".to_owned(),
            email: "ada@example.org".to_owned(),
        };
        for prefix in ["type.googleapis.com/", "/", "example.org/types/", ""] {
            let any = Any {
                type_url: format!("{prefix}shop.customer.v1.CreateCustomer"),
                value: command.encode_to_vec(),
            };
            assert_eq!(decode(&any), Ok(Some(command.clone())), "{prefix:?}");
            assert_eq!(decode::<CustomerCreated>(&any), Ok(None));
        }
    }

    #[test]
    fn a_longer_name_with_the_same_end_is_another_type() {
        let any = Any {
            type_url: "/other.shop.customer.v1.CreateCustomer".to_owned(),
            value: Vec::new(),
        };
        assert_eq!(decode::<CreateCustomer>(&any), Ok(None));
    }

    #[test]
    fn broken_bytes_are_refused() {
        let any = Any {
            type_url: "/shop.customer.v1.CreateCustomer".to_owned(),
            value: vec![0xff],
        };
        assert!(decode::<CreateCustomer>(&any).is_err());
    }
}
