//! Where a call comes from, as far as it can be known: for the audit trail.

use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use tonic::Status;

use super::Identity;
use super::identity::Proof;
use crate::model::origin::Origin;
use crate::rpc::status;
use crate::telemetry::{REQUEST_IDS, cleaned};

/// What a follower says of the caller of a change that it has its centre make. Whoever calls can say
/// so; what is known is the address of the connection, which stands before it.
const FORWARDED_FOR: &str = "milvus-rbac-forwarded-for";

/// Where a call comes from.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    peer: Option<SocketAddr>,
    forwarded_for: Option<HeaderValue>,
    request_id: Option<HeaderValue>,
}

impl Identity {
    /// The same caller, who called with this request.
    #[must_use]
    pub fn with(self, request: &Parts) -> Self {
        let header = |name: &str| request.headers.get(name).cloned();
        let source = Source {
            peer: request.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(at)| *at),
            forwarded_for: header(FORWARDED_FOR),
            request_id: REQUEST_IDS.iter().find_map(|name| header(name)),
        };
        Self { source, ..self }
    }

    /// Where what this caller changes comes from.
    pub fn origin(&self) -> Origin {
        let Source { peer, forwarded_for, request_id } = &self.source;
        let mut from = peer.map(|peer| peer.to_string()).unwrap_or_default();
        if matches!(self.proof, Proof::Certificate) {
            from.push_str(" by certificate");
        }
        if let Some(claimed) = forwarded_for {
            from = format!("{from}, for {}", cleaned(claimed));
        }
        let request_id = request_id.as_ref().map(cleaned).unwrap_or_default();
        let user = match &self.proof {
            Proof::Password(_) | Proof::Certificate => self.user.clone(),
            // With authorization off nobody knows who it was; no user can have such a name.
            Proof::None => format!("(unverified) {}", self.user),
        };
        Origin { user, peer: from, request_id, comment: String::new() }
    }
}

/// Tells the centre where a change comes from, as far as it is known here.
pub(super) fn forward(headers: &mut HeaderMap, origin: &Origin) -> Result<(), Status> {
    let from = HeaderValue::from_str(&origin.peer).map_err(|e| status::malformed(&e))?;
    headers.insert(FORWARDED_FOR, from);
    if !origin.request_id.is_empty() {
        let id = HeaderValue::from_str(&origin.request_id).map_err(|e| status::malformed(&e))?;
        headers.insert(REQUEST_IDS[0], id);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of what a client sends no more characters are kept.
    const LONGEST: usize = 128;

    #[test]
    fn what_a_client_says_is_bounded_and_cleaned() {
        let request = |headers: &[(&'static str, &[u8])]| {
            let (mut parts, ()) = http::Request::new(()).into_parts();
            let at: SocketAddr = "127.0.0.1:7".parse().unwrap();
            parts.extensions.insert(ConnectInfo(at));
            for (name, value) in headers {
                parts.headers.insert(*name, HeaderValue::from_bytes(value).unwrap());
            }
            Identity::nobody().with(&parts).origin()
        };
        let origin = request(&[]);
        assert_eq!((&*origin.peer, &*origin.request_id), ("127.0.0.1:7", ""));
        let origin = request(&[("client-request-id", b"one\ttwo\xff three")]);
        assert_eq!(origin.request_id, "onetwo three");
        let long = [b'x'; 4000];
        let origin = request(&[("x-request-id", &long), (FORWARDED_FOR, &long)]);
        assert_eq!(origin.request_id.len(), LONGEST);
        assert_eq!(origin.peer, format!("127.0.0.1:7, for {}", "x".repeat(LONGEST)));
        // As it goes on from one instance to the next.
        let mut headers = HeaderMap::new();
        forward(&mut headers, &origin).unwrap();
        assert_eq!(headers.get(FORWARDED_FOR).unwrap(), &*origin.peer);
        assert_eq!(headers.get("x-request-id").unwrap(), &*origin.request_id);
    }
}
