//! What the API server refuses, in words an administrator can act on.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

/// No request here is large; an API server that needs longer is as good as away.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a request to the API server did not do what it should. The text has nothing that changes from
/// one attempt to the next, so that repetitions can be told from news.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The object does not exist.
    #[error("{object} does not exist")]
    Absent {
        /// Kind and name.
        object: String,
    },
    /// RBAC, or an admission plugin, forbids it.
    #[error("not allowed to {verb} {object}: {message}")]
    Forbidden {
        /// The verb RBAC knows, such as `get`.
        verb: &'static str,
        /// Kind and name.
        object: String,
        /// The API server's words.
        message: String,
    },
    /// Someone else changed the object in between: read it again.
    #[error("{object} was changed by someone else at the same time")]
    Conflict {
        /// Kind and name.
        object: String,
    },
    /// The API server refused the request for another reason.
    #[error("the API server refused to {verb} {object}: {message}")]
    Refused {
        /// The verb RBAC knows, such as `get`.
        verb: &'static str,
        /// Kind and name.
        object: String,
        /// The API server's words.
        message: String,
    },
    /// There was no answer.
    #[error("the API server can't be reached: {0}")]
    Away(String),
    /// A certificate could not be made.
    #[error(transparent)]
    Certificate(#[from] crate::pki::CertificateError),
}

/// Runs one request with a deadline, and names what is wrong with `verb` and `object` when it fails.
pub(super) async fn request<T>(
    verb: &'static str,
    object: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, Problem> {
    match tokio::time::timeout(REQUEST_TIMEOUT, request).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(refusal(verb, object, status.code, &status.message)),
        Ok(Err(error)) => Err(Problem::Away(chain(&error))),
        Err(_) => Err(Problem::Away(format!("no answer within {REQUEST_TIMEOUT:?}"))),
    }
}

fn refusal(verb: &'static str, object: &str, code: u16, message: &str) -> Problem {
    let (object, message) = (object.to_owned(), message.to_owned());
    match code {
        404 => Problem::Absent { object },
        401 | 403 => Problem::Forbidden { verb, object, message },
        409 => Problem::Conflict { object },
        // Overloaded or shutting down: as good as away.
        429 | 500.. => Problem::Away(message),
        _ => Problem::Refused { verb, object, message },
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        // Wrappers often repeat what they wrap.
        if !text.ends_with(&cause) {
            text.push_str(": ");
            text.push_str(&cause);
        }
        source = error.source();
    }
    text
}
