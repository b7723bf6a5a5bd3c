//! The parameters of a request's query.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::str::FromStr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use url::form_urlencoded;

use super::refusal::Refusal;

/// The parameters by their names; of a repeated one the last counts.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default()))
    }
}

impl Parameters {
    fn parse(query: &str) -> Self {
        Self(
            form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
        )
    }

    /// A parameter that may be left out.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A parameter that is needed.
    pub(super) fn required(&self, name: &str, meaning: &str) -> Result<&str, Refusal> {
        let missing = || Refusal::malformed(format!("{name}= is missing; give {meaning}"));
        self.optional(name).ok_or_else(missing)
    }

    /// A whole number that may be left out.
    pub(super) fn number<T: FromStr>(&self, name: &str) -> Result<Option<T>, Refusal> {
        let read = |text: &str| {
            text.parse().map_err(|_| {
                Refusal::malformed(format!("{name}= must be a whole number, not {text:?}"))
            })
        };
        self.optional(name).map(read).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_and_what_is_wrong_is_named() {
        let parameters = Parameters::parse("root=fen%2F1&limit=many&sequence=7");
        assert_eq!(parameters.required("root", "a root"), Ok("fen/1"));
        assert_eq!(parameters.number("sequence"), Ok(Some(7_u32)));
        assert_eq!(parameters.number::<u32>("after"), Ok(None));
        assert_eq!(
            parameters.required("id", "the id of refused work"),
            Err(Refusal::malformed(
                "id= is missing; give the id of refused work"
            ))
        );
        assert_eq!(
            parameters.number::<u32>("limit"),
            Err(Refusal::malformed(
                "limit= must be a whole number, not \"many\""
            ))
        );
    }
}
