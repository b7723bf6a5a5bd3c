//! Talks to the admin port of a running sidecar.

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use url::Url;

use crate::admin::shape::Problem;

/// An answer that was not given. The message is a sentence for the user.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody answers there.
    #[error(
        "no sidecar answers at {address} ({reason}); is it running, and is --admin or ANGZARR_ADMIN its admin port?"
    )]
    Unreachable {
        /// Where it was looked for.
        address: Url,
        /// What went wrong.
        reason: String,
    },
    /// The sidecar refuses, in its own words.
    #[error("{}", .0.error)]
    Refused(Problem),
    /// What answers is not a sidecar of this version.
    #[error(
        "{address} answered something else than a sidecar of this version would: {status} {body}"
    )]
    Foreign {
        /// Who answered.
        address: Url,
        /// The HTTP status.
        status: StatusCode,
        /// The begin of the answer.
        body: String,
    },
    /// The output could not be written.
    #[error("write the answer")]
    Output(#[from] std::fmt::Error),
}

/// A client of the admin port.
#[derive(Debug, Clone)]
pub struct Client {
    address: Url,
    http: HttpClient<HttpConnector, Empty<Bytes>>,
}

impl Client {
    /// Makes a client; it connects when it is used.
    pub fn new(address: &Url) -> Self {
        Self {
            address: address.clone(),
            http: HttpClient::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// Asks for something.
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

    /// Changes something.
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
        let answer = if status.is_success() {
            serde_json::from_slice(&body).ok()
        } else if let Ok(problem) = serde_json::from_slice(&body) {
            return Err(Error::Refused(problem));
        } else {
            None
        };
        answer.ok_or_else(|| Error::Foreign {
            address: self.address.clone(),
            status,
            body: String::from_utf8_lossy(&body).chars().take(200).collect(),
        })
    }

    /// Sends a request and reads the whole answer, whatever it is.
    ///
    /// # Errors
    /// [`Error::Unreachable`].
    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<(StatusCode, Bytes), Error> {
        let unreachable = |reason: String| Error::Unreachable {
            address: self.address.clone(),
            reason,
        };
        let mut request = Request::new(Empty::new());
        *request.method_mut() = method;
        *request.uri_mut() = self.uri(path, query);
        let answered = self.http.request(request).await;
        let answer = answered.map_err(|error| unreachable(innermost(&error)))?;
        let status = answer.status();
        let body = answer.into_body().collect().await;
        let body = body.map_err(|error| unreachable(innermost(&error)))?;
        Ok((status, body.to_bytes()))
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
}

/// The cause that a person can do something about.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
