//! Fields that many messages have.

use angzarr_coordinator::model::{
    CorrelationId, Domain, Edition, Payload, Root, StreamId, Timestamp,
};
use angzarr_proto::v1;

use crate::Error;
use crate::error::quote;

/// Reads the stream that a cover names.
///
/// # Errors
/// [`Error::Invalid`] when cover, domain or root are missing or malformed; [`Error::Unsupported`] for an edition other than the main timeline.
pub fn decode_stream(cover: Option<&v1::Cover>) -> Result<StreamId, Error> {
    decode_stream_at("cover", cover)
}

pub(crate) fn decode_stream_at(field: &str, cover: Option<&v1::Cover>) -> Result<StreamId, Error> {
    let stream = decode_any_stream(field, cover)?;
    require_main(field, &stream.edition)?;
    Ok(stream)
}

/// Reads the stream that a cover of a peer names, of any edition: a log holds them all.
///
/// # Errors
/// [`Error::Invalid`] names what is missing or malformed within `field`.
pub fn decode_any_stream(field: &str, cover: Option<&v1::Cover>) -> Result<StreamId, Error> {
    let cover = cover.ok_or_else(|| Error::invalid(field, "is missing; name domain and root"))?;
    let domain = Domain::parse(&cover.domain).map_err(|broken| {
        Error::invalid(
            format!("{field}.domain"),
            format!("{}, got {}", broken.rule, quote(&cover.domain)),
        )
    })?;
    let root = decode_root(field, cover)?
        .ok_or_else(|| Error::invalid(format!("{field}.root"), "is missing; give 16 bytes"))?;
    Ok(StreamId {
        domain,
        edition: decode_edition(field, cover)?,
        root,
    })
}

/// Checks those fields of a query's cover that may be absent: root, edition and correlation id.
///
/// # Errors
/// [`Error::Invalid`] names a malformed field; [`Error::Unsupported`] an edition other than the main timeline.
pub fn check_cover(cover: &v1::Cover) -> Result<(), Error> {
    decode_root("cover", cover)?;
    require_main("cover", &decode_edition("cover", cover)?)?;
    decode_correlation(&cover.correlation_id)?;
    Ok(())
}

fn decode_root(field: &str, cover: &v1::Cover) -> Result<Option<Root>, Error> {
    let root = cover.root.as_ref().map(|root| {
        Root::from_bytes(&root.value).map_err(|broken| {
            Error::invalid(
                format!("{field}.root"),
                format!("{}, got {}", broken.rule, root.value.len()),
            )
        })
    });
    root.transpose()
}

fn decode_edition(field: &str, cover: &v1::Cover) -> Result<Edition, Error> {
    Edition::parse(cover.edition.as_deref())
        .map_err(|broken| Error::invalid(format!("{field}.edition"), broken.rule))
}

/// Refuses editions other than the main timeline, which come later.
fn require_main(field: &str, edition: &Edition) -> Result<(), Error> {
    match edition {
        Edition::Main => Ok(()),
        Edition::Branch(name) => Err(Error::unsupported(
            format!("{field}.edition"),
            format!("is {name:?}; this version serves the main timeline only, leave it unset"),
        )),
    }
}

/// Reads a correlation id; absent where the text is empty.
///
/// # Errors
/// [`Error::Invalid`] when it breaks the rule of correlation ids.
pub fn decode_correlation(text: &str) -> Result<Option<CorrelationId>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = CorrelationId::parse(text)
        .map_err(|broken| Error::invalid("cover.correlation_id", broken.rule))?;
    Ok(Some(parsed))
}

/// Writes a cover.
pub fn encode_cover(stream: &StreamId, correlation: Option<&CorrelationId>) -> v1::Cover {
    let edition = match &stream.edition {
        Edition::Main => None,
        Edition::Branch(name) => Some(name.to_string()),
    };
    v1::Cover {
        root: Some(v1::Uuid {
            value: stream.root.as_bytes().to_vec().into(),
        }),
        domain: stream.domain.to_string(),
        correlation_id: correlation.map(ToString::to_string).unwrap_or_default(),
        edition,
    }
}

/// Reads a typed message of the user's schema.
pub fn decode_payload(any: prost_types::Any) -> Payload {
    Payload {
        type_url: any.type_url,
        value: any.value.into(),
    }
}

/// Writes a typed message of the user's schema.
pub fn encode_payload(payload: &Payload) -> prost_types::Any {
    prost_types::Any {
        type_url: payload.type_url.clone(),
        value: payload.value.to_vec(),
    }
}

/// Reads a moment.
pub fn decode_timestamp(at: prost_types::Timestamp) -> Timestamp {
    Timestamp {
        seconds: at.seconds,
        nanos: at.nanos,
    }
}

/// Writes a moment.
pub fn encode_timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.seconds,
        nanos: at.nanos,
    }
}
