//! Where a peer or the logic is reached.

use std::fmt;
use std::net::Ipv6Addr;

use serde::{Deserialize, Serialize};
use url::Url;

/// The address of a gRPC server: `http://host:port`, or `host:port` as people write it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(String);

/// A text that is not an address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an address; write host:port, such as localhost:50051")]
pub struct NotAnAddress(String);

impl Endpoint {
    /// The address as a URL with scheme, host and port.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Endpoint {
    type Error = NotAnAddress;

    fn try_from(text: String) -> Result<Self, NotAnAddress> {
        let wrong = || NotAnAddress(without_credentials(&text));
        let full = if text.contains("://") {
            text.clone()
        } else {
            format!("http://{text}")
        };
        let full = with_brackets(full);
        let url = Url::parse(&full).map_err(|_| wrong())?;
        let is_address = url.host_str().is_some_and(|host| !host.is_empty())
            && url.port().is_some_and(|port| port != 0)
            && matches!(url.scheme(), "http" | "https")
            && url.username().is_empty()
            && url.path() == "/"
            && url.query().is_none();
        if !is_address {
            return Err(wrong());
        }
        Ok(Self(full.trim_end_matches('/').to_owned()))
    }
}

/// The part of an invalid address that a message may show: no credentials.
fn without_credentials(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, host)) => format!("...@{host}"),
        None => text.to_owned(),
    }
}

/// A pod learns its address without the brackets that an IPv6 address has in a URL.
fn with_brackets(full: String) -> String {
    let parts = full
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once(':')?)));
    match parts {
        Some((scheme, (host, port))) if host.parse::<Ipv6Addr>().is_ok() => {
            format!("{scheme}://[{host}]:{port}")
        }
        _ => full,
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_get_a_scheme_and_need_a_port() {
        let read = |text: &str| Endpoint::try_from(text.to_owned());
        assert_eq!(
            read("localhost:50051").unwrap().as_str(),
            "http://localhost:50051"
        );
        assert_eq!(read("http://[::1]:9/").unwrap().as_str(), "http://[::1]:9");
        assert_eq!(
            read("http://fd00::7:9000").unwrap().as_str(),
            "http://[fd00::7]:9000"
        );
        for wrong in [
            "",
            "localhost",
            ":50051",
            "localhost:0",
            "http://fd00::7",
            "ftp://a:1",
            "http://u:p@a:1",
            "http://a:1/path",
            "a:99999",
        ] {
            assert!(read(wrong).is_err(), "{wrong} was accepted");
        }
        let told = read("http://user:secret@a:1").unwrap_err().to_string();
        assert!(!told.contains("secret") && told.contains("@a:1"), "{told}");
    }
}
