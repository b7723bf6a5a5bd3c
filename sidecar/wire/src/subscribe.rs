//! Subscriptions: where they begin and which log they read.

use std::sync::Arc;

use angzarr_coordinator::model::{
    AppendId, ConsumerId, ConsumerKind, Cursor, Domain, Incarnation, Position, StoreId,
    StoreIdentity,
};
use angzarr_coordinator::port::bus::{From, Subscribe};
use angzarr_proto::internal::v1 as internal;
use internal::subscribe_start::From as WireFrom;

use crate::error::Error;

/// Writes the opening of a subscription.
pub fn encode_start(subscribe: &Subscribe) -> internal::SubscribeStart {
    let from = match subscribe.from {
        From::Beginning => WireFrom::Beginning(()),
        From::Now => WireFrom::Now(()),
        From::Cursor(cursor) => WireFrom::Resume(internal::ResumePoint {
            position: cursor.position.0,
            append_id: encode_append_id(cursor.append_id),
            incarnation: cursor.identity.incarnation.as_bytes().to_vec().into(),
            store_id: cursor.identity.store_id.as_bytes().to_vec().into(),
        }),
    };
    internal::SubscribeStart {
        domain: subscribe.domain.to_string(),
        from: Some(from),
        consumer: subscribe.consumer.to_string(),
        credit: subscribe.credit,
    }
}

/// Reads the opening of a subscription.
///
/// # Errors
/// [`Error::Invalid`] names the field.
pub fn decode_start(start: internal::SubscribeStart) -> Result<Subscribe, Error> {
    let domain = Domain::parse(&start.domain).map_err(|broken| {
        Error::invalid(
            "start.domain",
            format!("{}, got {:?}", broken.rule, start.domain),
        )
    })?;
    let from = match start.from {
        Some(WireFrom::Beginning(())) => From::Beginning,
        Some(WireFrom::Now(())) => From::Now,
        Some(WireFrom::Resume(point)) => From::Cursor(decode_resume(&point)?),
        None => {
            return Err(Error::invalid(
                "start.from",
                "is missing; give resume, beginning or now",
            ));
        }
    };
    Ok(Subscribe {
        consumer: decode_consumer(&start.consumer)?,
        domain,
        from,
        credit: start.credit,
    })
}

fn decode_resume(point: &internal::ResumePoint) -> Result<Cursor, Error> {
    let identity = decode_identity("start.resume", &point.store_id, &point.incarnation)?;
    // A position and an append that no history has together are passed on: anyone who has the log says so, since a repeat would not help.
    let append_id = match &point.append_id[..] {
        [] => None,
        bytes => Some(
            AppendId::from_bytes(bytes)
                .map_err(|broken| Error::invalid("start.resume.append_id", broken.rule))?,
        ),
    };
    Ok(Cursor {
        position: Position(point.position),
        append_id,
        identity,
    })
}

/// Writes what a subscription reads: from `start` on, of a log that ends at `head`.
pub fn encode_opened(start: Position, head: &Cursor) -> internal::SubscribeOpened {
    internal::SubscribeOpened {
        store_id: head.identity.store_id.as_bytes().to_vec().into(),
        incarnation: head.identity.incarnation.as_bytes().to_vec().into(),
        head: head.position.0,
        start: start.0,
        head_append_id: encode_append_id(head.append_id),
    }
}

/// Reads where a subscription that was asked for `from` begins.
///
/// # Errors
/// [`Error::Invalid`] when the owner opened another one than was asked for.
pub fn decode_opened(opened: &internal::SubscribeOpened, from: From) -> Result<Cursor, Error> {
    let identity = decode_identity("opened", &opened.store_id, &opened.incarnation)?;
    let head = decode_cursor("opened", opened.head, &opened.head_append_id, identity)?;
    let start = match from {
        From::Beginning => Cursor {
            position: Position::ORIGIN,
            append_id: None,
            identity,
        },
        From::Now => head,
        From::Cursor(cursor) => cursor,
    };
    if start.position.0 != opened.start || start.identity != identity {
        return Err(Error::invalid("opened.start", "is not what was asked for"));
    }
    Ok(start)
}

/// Reads the ids of a history.
///
/// # Errors
/// [`Error::Invalid`] names the field within `field`.
pub fn decode_identity(
    field: &str,
    store_id: &[u8],
    incarnation: &[u8],
) -> Result<StoreIdentity, Error> {
    let store_id = StoreId::from_bytes(store_id)
        .map_err(|broken| Error::invalid(format!("{field}.store_id"), broken.rule))?;
    let incarnation = Incarnation::from_bytes(incarnation)
        .map_err(|broken| Error::invalid(format!("{field}.incarnation"), broken.rule))?;
    Ok(StoreIdentity {
        store_id,
        incarnation,
    })
}

fn decode_cursor(
    field: &str,
    position: u64,
    append_id: &[u8],
    identity: StoreIdentity,
) -> Result<Cursor, Error> {
    let append_id = if position == 0 && append_id.is_empty() {
        None
    } else {
        let id = AppendId::from_bytes(append_id)
            .map_err(|broken| Error::invalid(format!("{field}.append_id"), broken.rule))?;
        Some(id)
    };
    if position == 0 && append_id.is_some() {
        return Err(Error::invalid(
            format!("{field}.append_id"),
            "must be empty at position 0",
        ));
    }
    Ok(Cursor {
        position: Position(position),
        append_id,
        identity,
    })
}

fn encode_append_id(id: Option<AppendId>) -> bytes::Bytes {
    id.map(|id| id.as_bytes().to_vec().into())
        .unwrap_or_default()
}

fn decode_consumer(text: &str) -> Result<ConsumerId, Error> {
    let broken = || {
        Error::invalid(
            "start.consumer",
            format!("must be namespace/kind/name, got {text:?}"),
        )
    };
    let mut parts = text.splitn(3, '/');
    let (Some(namespace), Some(kind), Some(name)) = (parts.next(), parts.next(), parts.next())
    else {
        return Err(broken());
    };
    let kind = [
        ConsumerKind::Projector,
        ConsumerKind::Saga,
        ConsumerKind::ProcessManager,
    ]
    .into_iter()
    .find(|known| known.as_str() == kind)
    .ok_or_else(broken)?;
    Ok(ConsumerId {
        namespace: Arc::from(namespace),
        kind,
        name: Arc::from(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> StoreIdentity {
        StoreIdentity {
            store_id: StoreId::random(),
            incarnation: Incarnation::random(),
        }
    }

    fn cursor(position: u64) -> Cursor {
        Cursor {
            position: Position(position),
            append_id: (position > 0).then(AppendId::random),
            identity: identity(),
        }
    }

    fn subscribe(from: From) -> Subscribe {
        Subscribe {
            consumer: ConsumerId {
                namespace: "shop".into(),
                kind: ConsumerKind::Saga,
                name: "tidy".into(),
            },
            domain: Domain::parse("till").unwrap(),
            from,
            credit: 7,
        }
    }

    #[test]
    fn a_start_comes_back_as_it_was() {
        for from in [
            From::Beginning,
            From::Now,
            From::Cursor(cursor(0)),
            From::Cursor(cursor(9)),
        ] {
            let asked = subscribe(from);
            assert_eq!(decode_start(encode_start(&asked)), Ok(asked));
        }
    }

    #[test]
    fn a_subscription_from_now_begins_at_the_head() {
        let head = cursor(5);
        let opened = encode_opened(head.position, &head);
        assert_eq!(decode_opened(&opened, From::Now), Ok(head));
    }

    #[test]
    fn another_start_than_the_asked_one_is_refused() {
        let opened = encode_opened(Position(3), &cursor(5));
        assert!(decode_opened(&opened, From::Beginning).is_err());
        assert!(decode_opened(&opened, From::Now).is_err());
        assert!(decode_opened(&opened, From::Cursor(cursor(3))).is_err());
    }

    #[test]
    fn a_resume_point_without_its_append_is_left_to_the_owner_to_refuse() {
        let mut start = encode_start(&subscribe(From::Cursor(cursor(9))));
        if let Some(WireFrom::Resume(point)) = &mut start.from {
            point.append_id = Vec::new().into();
        }
        let From::Cursor(read) = decode_start(start).unwrap().from else {
            unreachable!("a resume point is a cursor");
        };
        assert_eq!((read.position, read.append_id), (Position(9), None));
    }

    #[test]
    fn a_consumer_is_named_by_namespace_kind_and_name() {
        for text in ["", "shop/saga", "shop/cart/tidy"] {
            assert!(decode_consumer(text).is_err(), "{text}");
        }
    }
}
