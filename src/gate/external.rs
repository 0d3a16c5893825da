//! Another front door to the same decision: Envoy asks here whether a call may go on to a Milvus of
//! its own, and sends the call's headers and body along.

use std::collections::HashMap;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};
use tonic::{Code, Request, Response, Status};

use super::guard::{header_database, is_protobuf};
use super::{Gate, Login, Purpose, asked, connection_database, frame, methods, unknown};
use crate::rpc::proto::envoy::service::auth::v3::attribute_context::HttpRequest;
use crate::rpc::proto::envoy::service::auth::v3::authorization_server::Authorization;
use crate::rpc::proto::envoy::service::auth::v3::check_response::HttpResponse;
use crate::rpc::proto::envoy::service::auth::v3::{
    self as envoy, CheckRequest, CheckResponse, DeniedHttpResponse, HttpStatus, OkHttpResponse,
};
use crate::rpc::status;

/// The one method of the service.
pub(super) const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
/// What Envoy adds where it sends a part of the body alone.
const PARTIAL: &str = "x-envoy-auth-partial-body";

/// Decides for Envoy.
#[derive(Debug)]
pub struct External(Arc<Gate>);

impl External {
    /// Decides as `gate` does.
    pub fn new(gate: Arc<Gate>) -> Self {
        Self(gate)
    }

    async fn decide(&self, request: CheckRequest) -> Result<(), Status> {
        let http = request.attributes.and_then(|a| a.request).and_then(|r| r.http);
        let HttpRequest { headers, path, raw_body } =
            http.ok_or_else(|| status::malformed(&"there is no HTTP request in it"))?;
        let headers = as_headers(headers)?;
        if !is_protobuf(&headers) {
            return Err(status::denied("only gRPC calls are decided".to_owned()));
        }
        let method = methods::find(&path).ok_or_else(|| unknown(&path))?;
        // INVARIANT: Envoy's own certificate says nothing of whose call this is. Defended by
        // `tests/it/tls/users.rs`.
        let identity = self.0.identify(&headers, Login::from_grpc(&headers), None).await?;
        if headers.get(PARTIAL).is_some_and(|partial| partial != "false") {
            return Err(status::denied(
                "the body is not whole: raise max_request_bytes".to_owned(),
            ));
        }
        let message = if method.row.streaming { &[] } else { frame::message(&raw_body)? };
        let database = connection_database(header_database(&headers)?)?;
        asked::check_names(method, database, message)?;
        let decided = self.0.decided(method, &identity, Purpose::Call, database, message);
        decided.await.map(|_| ())
    }
}

#[tonic::async_trait]
impl Authorization for External {
    async fn check(
        &self,
        request: Request<CheckRequest>,
    ) -> Result<Response<CheckResponse>, Status> {
        let (code, message, http_response) = match self.decide(request.into_inner()).await {
            Ok(()) => {
                let headers_to_remove = vec!["sourceid".to_owned()];
                (
                    Code::Ok,
                    String::new(),
                    HttpResponse::OkResponse(OkHttpResponse { headers_to_remove }),
                )
            }
            Err(refusal) => {
                let body = refusal.message().to_owned();
                let status = Some(HttpStatus { code: http_status(refusal.code()) });
                let denied = DeniedHttpResponse { status, body: body.clone() };
                (refusal.code(), body, HttpResponse::DeniedResponse(denied))
            }
        };
        let status = Some(envoy::Status { code: code as i32, message });
        Ok(Response::new(CheckResponse { status, http_response: Some(http_response) }))
    }
}

fn as_headers(headers: HashMap<String, String>) -> Result<HeaderMap, Status> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        // HTTP/2's own, `:path` and the like.
        if name.starts_with(':') {
            continue;
        }
        let name = HeaderName::try_from(name).map_err(|e| status::malformed(&e))?;
        let mut value = HeaderValue::try_from(value).map_err(|e| status::malformed(&e))?;
        value.set_sensitive(name == AUTHORIZATION);
        map.insert(name, value);
    }
    Ok(map)
}

/// Envoy makes gRPC's code of it again.
fn http_status(code: Code) -> i32 {
    match code {
        Code::Unauthenticated => 401,
        Code::InvalidArgument => 400,
        Code::ResourceExhausted => 429,
        Code::DeadlineExceeded => 504,
        Code::Unavailable => 503,
        _ => 403,
    }
}
