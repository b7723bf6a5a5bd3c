//! What lies between an operator and the API server: it counts calls, and fails those that a test picks.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::pending;
use futures::{StreamExt, TryStreamExt};
use http::{Method, Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, BodyStream, StreamBody};
use kube::Client;
use kube::client::Body;
use serde_json::json;
use tower::BoxError;

/// How long a short watch lasts.
const SHORT: Duration = Duration::from_millis(150);

type Answer = UnsyncBoxBody<Bytes, BoxError>;

/// A call of the API server.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: String,
}

impl Call {
    /// Whether it changes anything.
    pub(crate) fn is_write(&self) -> bool {
        self.method != Method::GET && !self.query.contains("dryRun=")
    }

    pub(crate) fn is_watch(&self) -> bool {
        self.query.contains("watch=true")
    }
}

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The API server answers with this code, and has done nothing.
    Code(u16),
    /// The connection is cut before the call arrives.
    Cut,
    /// The work is done, and its answer is lost.
    Lost,
    /// No answer comes, ever; the work is not done.
    Silent,
    /// A watch begins and shows nothing, ever.
    Deaf,
    /// A watch ends soon after it began.
    Short,
}

type Rule = Box<dyn FnMut(&Call) -> Option<Fault> + Send>;

/// The wire of one operator.
pub(crate) struct Wire {
    client: Client,
    calls: Mutex<Vec<Call>>,
    rule: Mutex<Rule>,
}

impl Wire {
    pub(crate) fn new(client: Client) -> Arc<Self> {
        Arc::new(Self {
            client,
            calls: Mutex::default(),
            rule: Mutex::new(Box::new(|_| None)),
        })
    }

    /// Fails what a rule picks from now on.
    pub(crate) fn fail(&self, rule: impl FnMut(&Call) -> Option<Fault> + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }

    /// Fails nothing from now on.
    pub(crate) fn mend(&self) {
        self.fail(|_| None);
    }

    /// All calls so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The calls so far that change something.
    pub(crate) fn writes(&self) -> Vec<Call> {
        let calls = self.calls().into_iter();
        calls.filter(Call::is_write).collect()
    }

    /// A client over this wire.
    pub(crate) fn client(self: &Arc<Self>) -> Client {
        let wire = Arc::clone(self);
        let service = tower::service_fn(move |request| {
            let wire = Arc::clone(&wire);
            async move { wire.call(request).await }
        });
        Client::new(service, "default")
    }

    async fn call(&self, request: Request<Body>) -> Result<Response<Answer>, BoxError> {
        let call = Call {
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            query: request.uri().query().unwrap_or_default().to_owned(),
        };
        let fault = (self.rule.lock().unwrap())(&call);
        self.calls.lock().unwrap().push(call);
        match fault {
            None | Some(Fault::Deaf | Fault::Short) => {
                Ok(answered(fault, self.client.send(request).await?))
            }
            Some(Fault::Code(code)) => Ok(answered(None, refusal(code))),
            Some(Fault::Cut) => Err("the connection is cut".into()),
            Some(Fault::Lost) => {
                let answer = self.client.send(request).await?;
                answer.into_body().collect().await?;
                Err("the connection is cut after the work".into())
            }
            Some(Fault::Silent) => std::future::pending().await,
        }
    }
}

fn refusal(code: u16) -> Response<Body> {
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "reason": "Injected",
        "message": "injected by the test",
        "code": code,
    });
    let mut answer = Response::builder().status(code);
    if code == 429 {
        answer = answer.header("Retry-After", "1");
    }
    answer
        .body(Body::from(status.to_string().into_bytes()))
        .unwrap()
}

/// The answer whole, without its events, or with those of a moment.
fn answered(fault: Option<Fault>, answer: Response<Body>) -> Response<Answer> {
    answer.map(|body| {
        let frames = TryStreamExt::map_err(BodyStream::new(body), BoxError::from);
        match fault {
            Some(Fault::Deaf) => StreamBody::new(frames.take(0).chain(pending())).boxed_unsync(),
            Some(Fault::Short) => {
                let end = tokio::time::sleep(SHORT);
                StreamBody::new(frames.take_until(end)).boxed_unsync()
            }
            _ => StreamBody::new(frames).boxed_unsync(),
        }
    })
}
