//! The only place where an error becomes an answer: Milvus' `Status` inside a response, or a gRPC
//! status instead of one.

use std::fmt::Display;

use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Response};

use super::proto::common::{ErrorCode, Status};
use crate::model::error::{Error, ErrorKind};
use crate::storage::Revision;
use crate::telemetry::{self, Shed};

/// The response metadata that tells the revision, and the request metadata that asks for one.
pub const REVISION: &str = "milvus-rbac-revision";
/// See [`REVISION`]. It is a number alone: whoever keeps one over a change of the store gets what that
/// number means in the new one. Where that has fewer revisions the call waits in vain and fails; where it has
/// more, it goes on though what the caller has in mind is not there.
pub const MIN_REVISION: &str = "milvus-rbac-min-revision";
/// The request metadata by which a follower names the store on which it decided: in another one, the change is
/// not made.
pub const STORE: &str = "milvus-rbac-store";

/// The code of a request for a state that is no longer there: Milvus' own, of what is not what it was
/// when it is asked for again.
pub const OUTDATED: i32 = 2200;

/// Success: all fields at their default.
pub fn ok() -> Option<Status> {
    Some(Status::default())
}

/// The `Status` of a refused request. `legacy` replaces the error code of older clients where the
/// call has one of its own.
///
/// # Errors
/// The server takes no more work: that is told by gRPC's own status, on which clients slow down.
pub fn refused(error: &Error, legacy: Option<ErrorCode>) -> Result<Status, tonic::Status> {
    let (code, generic, retriable, input_error) = match error.kind() {
        ErrorKind::InvalidParameter => (1100, ErrorCode::IllegalArgument, false, true),
        ErrorKind::QuotaExceeded => (9, ErrorCode::ForceDeny, false, false),
        ErrorKind::DatabaseNotFound => (800, ErrorCode::UnexpectedError, false, false),
        ErrorKind::DatabaseLimit => (801, ErrorCode::UnexpectedError, false, false),
        ErrorKind::InvalidDatabaseName => (802, ErrorCode::UnexpectedError, false, true),
        ErrorKind::InvalidPrivilegeGroupName => (1402, ErrorCode::UnexpectedError, false, true),
        ErrorKind::NotAuthenticated => (1400, ErrorCode::UnexpectedError, false, true),
        ErrorKind::NotPermitted => (1401, ErrorCode::UnexpectedError, false, true),
        ErrorKind::Unclassified => (65535, ErrorCode::UnexpectedError, false, false),
        ErrorKind::NotSupported => (10, ErrorCode::UnexpectedError, false, false),
        ErrorKind::Unavailable => (2, ErrorCode::UnexpectedError, true, false),
        // The same request never fits again: whoever sends it looks anew first.
        ErrorKind::Outdated => (OUTDATED, ErrorCode::UnexpectedError, false, false),
        // Trying again does not help, and asking for less does.
        ErrorKind::TooLarge => (2, ErrorCode::UnexpectedError, false, false),
        ErrorKind::Overloaded => return Err(exhausted(error.text())),
    };
    // A wrong old password is refused in the same way wherever it is found out.
    let legacy = legacy.filter(|_| error.kind() != ErrorKind::NotAuthenticated);
    let mut status = Status {
        error_code: legacy.unwrap_or(generic).into(),
        reason: error.text().to_owned(),
        code,
        retriable,
        detail: error.text().to_owned(),
        ..Status::default()
    };
    if input_error {
        mark_input_error(&mut status);
    }
    Ok(status)
}

/// Says that the caller's input is at fault.
pub fn mark_input_error(status: &mut Status) {
    status.extra_info.insert("is_input_error".to_owned(), "true".to_owned());
}

/// A response that tells the revision at which it holds.
pub fn at<T>(revision: Revision, message: T) -> Response<T> {
    let mut response = Response::new(message);
    response.metadata_mut().insert(REVISION, AsciiMetadataValue::from(revision));
    response
}

/// A refusal that tells the revision on which it was decided.
pub fn refused_at(revision: Revision, mut refusal: tonic::Status) -> tonic::Status {
    refusal.metadata_mut().insert(REVISION, AsciiMetadataValue::from(revision));
    refusal
}

/// The refusal of one step among several.
pub fn in_step(step: &str, refusal: &tonic::Status) -> tonic::Status {
    let text = format!("{step}: {}", refusal.message());
    tonic::Status::with_metadata(refusal.code(), text, refusal.metadata().clone())
}

/// No, wrong or unusable credentials.
pub fn unauthenticated(text: &'static str) -> tonic::Status {
    tonic::Status::unauthenticated(text)
}

/// The caller lacks a privilege.
pub fn denied(text: String) -> tonic::Status {
    tonic::Status::permission_denied(text)
}

/// Too much at once, of that.
pub fn overloaded(what: Shed, text: &str) -> tonic::Status {
    telemetry::shed(what, 1);
    exhausted(text)
}

/// The same, of what is counted already.
pub fn exhausted(text: &str) -> tonic::Status {
    tonic::Status::resource_exhausted(text)
}

/// The message or its metadata cannot be read.
pub fn malformed(why: &dyn Display) -> tonic::Status {
    tonic::Status::invalid_argument(format!("the request cannot be read: {why}"))
}

/// What is asked is not answered as it is; the text names the field.
pub fn invalid(text: String) -> tonic::Status {
    tonic::Status::invalid_argument(text)
}

/// The message is larger than any that is read.
pub fn too_large(limit: usize) -> tonic::Status {
    tonic::Status::resource_exhausted(format!("the request is larger than {limit} bytes"))
}

/// Something did not happen in time.
pub fn too_late(text: String) -> tonic::Status {
    tonic::Status::deadline_exceeded(text)
}

/// What is behind the gate cannot be reached; clients try again.
pub fn unavailable(text: String) -> tonic::Status {
    tonic::Status::unavailable(text)
}

/// No such service, in the words of gRPC's health.
pub fn not_found(text: String) -> tonic::Status {
    tonic::Status::not_found(text)
}

/// No such method, or none that is served here.
pub fn unimplemented(text: String) -> tonic::Status {
    tonic::Status::new(Code::Unimplemented, text)
}

/// A call that went round the gate. Never seen unless the server is put together wrongly.
pub fn unguarded() -> tonic::Status {
    tonic::Status::permission_denied("the call did not pass the gate")
}
