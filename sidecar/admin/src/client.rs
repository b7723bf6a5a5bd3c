//! Sends requests to the admin port of a running sidecar.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use tokio::time::timeout;
use url::Url;

use crate::shape::{Problem, Readiness};

/// The most bytes of a response that are read: a page of a thousand parked roots, each with a long error, fits.
const MAX_RESPONSE_BYTES: usize = 16 << 20;
/// How much of a response that is not understood is shown, in characters.
const SHOWN: usize = 200;

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing speaks HTTP there.
    #[error("no sidecar replies at {address}")]
    Unreachable {
        /// Where the request was sent.
        address: String,
        /// The cause.
        source: hyper_util::client::legacy::Error,
    },
    /// The response broke off.
    #[error("the response of {address} broke off")]
    BrokenOff {
        /// Where the request was sent.
        address: String,
        /// The cause.
        source: hyper::Error,
    },
    /// The response was not complete in time; whether the request was carried out is unknown.
    #[error("no response from {address} within {within:?}")]
    Late {
        /// Where the request was sent.
        address: String,
        /// The timeout of the client.
        within: Duration,
    },
    /// The sidecar refuses, in its own words.
    #[error("{}", .0.error)]
    Refused(Problem),
    /// The response is not one of a sidecar of this version.
    #[error("the response of {address} is not one of a sidecar of this version: {status} {body}")]
    Foreign {
        /// Where the request was sent.
        address: String,
        /// The HTTP status.
        status: StatusCode,
        /// The beginning of the response.
        body: String,
    },
}

/// A client of one sidecar's admin port. It connects when it is used.
#[derive(Debug, Clone)]
pub struct Client {
    address: Url,
    within: Duration,
    most_bytes: usize,
    http: HttpClient<HttpConnector, Empty<Bytes>>,
}

impl Client {
    /// Makes a client of the port at an address, a URL with a host. Each request may take as long as `within`, up to the last byte of its response.
    pub fn new(address: Url, within: Duration) -> Self {
        Self {
            address,
            within,
            most_bytes: MAX_RESPONSE_BYTES,
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Reads at most so many bytes of each response, for somebody who asks many sidecars beside each other.
    #[must_use]
    pub fn reading_at_most(mut self, bytes: usize) -> Self {
        self.most_bytes = bytes;
        self
    }

    /// Whether the sidecar is ready, and why it is not.
    ///
    /// # Errors
    /// All but [`Error::Refused`].
    pub async fn readiness(&self) -> Result<Readiness, Error> {
        let (status, body) = self.send(Method::GET, "/readyz", &[]).await?;
        match status {
            // A sidecar that is not ready gives its reasons in the same shape.
            StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => self.decode(status, &body),
            _ => Err(self.foreign(status, &body)),
        }
    }

    /// Reads something of the sidecar.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        self.call(Method::GET, path, query).await
    }

    /// Changes something in the sidecar, which accepts that from loopback only.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        self.call(Method::POST, path, query).await
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<T, Error> {
        let (status, body) = self.send(method, path, query).await?;
        if status.is_success() {
            return self.decode(status, &body);
        }
        let problem = serde_json::from_slice(&body);
        Err(problem.map_or_else(|_| self.foreign(status, &body), Error::Refused))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(StatusCode, Vec<u8>), Error> {
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path, query);
        let response = async {
            let response = self.http.request(request).await;
            let response = response.map_err(|source| Error::Unreachable {
                address: self.address.to_string(),
                source,
            })?;
            let status = response.status();
            let body = read(response.into_body(), self.most_bytes).await;
            let body = body.map_err(|source| Error::BrokenOff {
                address: self.address.to_string(),
                source,
            })?;
            Ok((status, body))
        };
        let late = |_| Error::Late {
            address: self.address.to_string(),
            within: self.within,
        };
        timeout(self.within, response).await.map_err(late)?
    }

    fn uri(&self, path: &str, query: &[(&str, &str)]) -> Uri {
        let mut url = self.address.clone();
        url.set_path(path);
        url.set_query(None);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Uri::try_from(url.as_str()).expect("a URL with a host is a URI")
    }

    fn decode<T: DeserializeOwned>(&self, status: StatusCode, body: &[u8]) -> Result<T, Error> {
        serde_json::from_slice(body).map_err(|_| self.foreign(status, body))
    }

    fn foreign(&self, status: StatusCode, body: &[u8]) -> Error {
        Error::Foreign {
            address: self.address.to_string(),
            status,
            body: String::from_utf8_lossy(body).chars().take(SHOWN).collect(),
        }
    }
}

/// Reads a body up to a bound; what is left of a longer one no longer fits its shape and is reported as foreign.
async fn read(mut body: Incoming, most_bytes: usize) -> Result<Vec<u8>, hyper::Error> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let data = frame?.into_data().unwrap_or_default();
        let room = most_bytes - read.len();
        read.extend_from_slice(&data[..data.len().min(room)]);
        if data.len() > room {
            break;
        }
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const WITHIN: Duration = Duration::from_secs(30);

    /// A client of a server that sends `response` to the first request and then repeats `rest` for as long as somebody reads it.
    async fn client_of(response: &str, rest: &'static [u8], within: Duration) -> Client {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let response = response.to_owned();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream.write_all(response.as_bytes()).await.unwrap();
            while !rest.is_empty() && stream.write_all(rest).await.is_ok() {}
            // The connection stays open until the client leaves.
            while stream.read(&mut request).await.is_ok_and(|read| read > 0) {}
        });
        Client::new(address.parse().unwrap(), within)
    }

    fn response(status: &str, body: &str) -> String {
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}")
    }

    #[tokio::test]
    async fn a_sidecar_that_is_not_ready_gives_its_reasons() {
        let body = r#"{"ready":false,"reasons":["no route"]}"#;
        let response = response("503 Service Unavailable", body);
        let client = client_of(&response, b"", WITHIN).await;
        let expected = Readiness {
            ready: false,
            reasons: vec!["no route".to_owned()],
        };
        assert_eq!(client.readiness().await.unwrap(), expected);
    }

    #[tokio::test]
    async fn a_refusal_is_in_the_words_of_the_sidecar() {
        let body = r#"{"code":"NOT_FOUND","error":"no such heron"}"#;
        let client = client_of(&response("404 Not Found", body), b"", WITHIN).await;
        let refused = client.get::<Readiness>("/parked", &[]).await.unwrap_err();
        assert_eq!(refused.to_string(), "no such heron");
    }

    #[tokio::test]
    async fn a_response_without_end_is_read_up_to_the_bound() {
        let client = client_of("HTTP/1.1 200 OK\r\n\r\n", &[b'1'; 1 << 16], WITHIN).await;
        let foreign = client.get::<Readiness>("/statusz", &[]).await.unwrap_err();
        assert!(matches!(foreign, Error::Foreign { .. }), "{foreign:?}");
    }

    #[tokio::test]
    async fn a_response_that_does_not_come_is_late() {
        let client = client_of("HTTP/1.1 200 OK\r\n\r\n{", b"", Duration::from_millis(50)).await;
        let late = client.get::<Readiness>("/statusz", &[]).await.unwrap_err();
        assert!(matches!(late, Error::Late { .. }), "{late:?}");
    }

    #[tokio::test]
    async fn an_address_where_nothing_listens_is_unreachable_with_its_cause() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let client = Client::new(address.parse().unwrap(), WITHIN);
        let unreachable = client.readiness().await.unwrap_err();
        assert!(matches!(unreachable, Error::Unreachable { .. }));
        assert!(unreachable.source().is_some());
    }
}
