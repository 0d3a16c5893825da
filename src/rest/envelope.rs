//! Answers: `{"code":0,"data":…}`, keys in alphabetical order, and the refusals with their HTTP
//! statuses.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tonic::Code;

use crate::rpc::proto::common;
use crate::run_command;

/// Why a request is not answered with data.
#[derive(Debug)]
pub(super) struct Refusal {
    http: StatusCode,
    code: i32,
    message: String,
}

const UNAVAILABLE: i32 = 2;
const UNAUTHENTICATED: i32 = 1800;
const LIMITED: i32 = 1807;
const TIMEOUT: i32 = 10001;
const UNCLASSIFIED: i32 = 65535;

impl Refusal {
    /// An error of Milvus: HTTP 200 all the same.
    pub(super) fn failed(code: i32, message: String) -> Self {
        Self { http: StatusCode::OK, code, message }
    }

    /// What it tells.
    pub(super) fn into_message(self) -> String {
        self.message
    }

    /// No such route.
    pub(super) fn not_found() -> Self {
        let message = "404 page not found".to_owned();
        Self { http: StatusCode::NOT_FOUND, code: 404, message }
    }

    /// Only a Milvus answers this, and these flags, which would name one, are missing.
    pub(super) fn not_served(missing: &str) -> Self {
        let message = format!("this route is answered by a Milvus: give {missing}");
        Self { http: StatusCode::NOT_IMPLEMENTED, code: 501, message }
    }

    /// The same in MongoDB's form.
    pub(super) fn as_of_command(&self) -> Response {
        let body = run_command::refusal(self.code, &self.message);
        (self.http, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
    }

    /// The body is larger than any that is read.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("the request is larger than {limit} bytes");
        Self { http: StatusCode::PAYLOAD_TOO_LARGE, code: 413, message }
    }

    /// The time that the client gave is over.
    pub(super) fn timeout() -> Self {
        let message = "request timeout".to_owned();
        Self { http: StatusCode::REQUEST_TIMEOUT, code: TIMEOUT, message }
    }
}

/// What gRPC would have told by its own status.
impl From<tonic::Status> for Refusal {
    fn from(status: tonic::Status) -> Self {
        let told = || format!("rpc error: code = {:?} desc = {}", status.code(), status.message());
        match status.code() {
            Code::Unauthenticated => Self {
                http: StatusCode::UNAUTHORIZED,
                code: UNAUTHENTICATED,
                message: "user hasn't authenticated".to_owned(),
            },
            Code::PermissionDenied => {
                Self { http: StatusCode::FORBIDDEN, code: UNCLASSIFIED, message: told() }
            }
            Code::ResourceExhausted => Self {
                http: StatusCode::TOO_MANY_REQUESTS,
                code: LIMITED,
                message: format!("request is rejected by limiter, error: {}", status.message()),
            },
            Code::DeadlineExceeded => Self::timeout(),
            Code::Unavailable => Self {
                http: StatusCode::SERVICE_UNAVAILABLE,
                code: UNAVAILABLE,
                message: status.message().to_owned(),
            },
            _ => Self { http: StatusCode::BAD_REQUEST, code: UNCLASSIFIED, message: told() },
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({"code": self.code, "message": self.message});
        (self.http, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
    }
}

pub(super) const JSON: &str = "application/json; charset=utf-8";

/// What a route answers.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) data: Value,
    /// Beside the data, where a user or a role is described.
    pub(super) description: Option<String>,
}

impl Answer {
    /// Data alone.
    pub(super) fn data(data: Value) -> Self {
        Self { data, description: None }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut body = json!({"code": 0, "data": self.data});
        if let (Some(description), Some(body)) = (self.description, body.as_object_mut()) {
            body.insert("description".to_owned(), description.into());
        }
        (StatusCode::OK, [(CONTENT_TYPE, JSON)], body.to_string()).into_response()
    }
}

/// Passes a success on; a failure is told in the envelope.
pub(super) fn check(status: Option<common::Status>) -> Result<(), Refusal> {
    let status = status.unwrap_or_default();
    if status.code == 0 && status.error_code == 0 {
        return Ok(());
    }
    // Some upstreams know the older error codes alone, and 0 is success.
    let code = if status.code == 0 { UNCLASSIFIED } else { status.code };
    Err(Refusal::failed(code, status.reason))
}
