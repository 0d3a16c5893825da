//! Calls as bytes, for what no client would send.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request};
use http_body_util::{BodyExt, Full};
use milvus_rbac::rpc::DESCRIPTORS;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt;

use crate::support::Server;

pub(super) const SERVICE: &str = "/milvus.proto.milvus.MilvusService/";

/// A connection on which each call can have headers and a body of its own.
pub(super) struct Raw {
    channel: Channel,
    headers: HeaderMap,
}

/// What came back, HTTP being fine.
#[derive(Debug)]
pub(super) struct RawAnswer {
    pub(super) code: Code,
    pub(super) text: String,
    pub(super) body: Bytes,
}

impl Raw {
    pub(super) async fn anonymous(server: &Server) -> Self {
        let channel = server.endpoint().connect().await.unwrap();
        Self { channel, headers: HeaderMap::new() }
    }

    pub(super) async fn root(server: &Server) -> Self {
        let login = STANDARD.encode("root:Milvus");
        Self::anonymous(server).await.with("authorization", login.as_bytes())
    }

    pub(super) fn with(&self, key: &'static str, value: &[u8]) -> Self {
        let (channel, mut headers) = (self.channel.clone(), self.headers.clone());
        headers.insert(HeaderName::from_static(key), HeaderValue::from_bytes(value).unwrap());
        Self { channel, headers }
    }

    pub(super) async fn unary(&self, path: &str, body: Bytes) -> RawAnswer {
        self.call(path, Body::new(Full::new(body))).await
    }

    pub(super) async fn call(&self, path: &str, body: Body) -> RawAnswer {
        let mut request = Request::post(path).body(body).unwrap();
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.extend(self.headers.clone());
        let response = self.channel.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let status = Status::from_header_map(&parts.headers)
            .or_else(|| Status::from_header_map(collected.trailers()?))
            .unwrap_or_else(|| panic!("{path}: an answer without a gRPC status"));
        let text = status.message().to_owned();
        RawAnswer { code: status.code(), text, body: collected.to_bytes() }
    }
}

/// A message in its frame.
pub(super) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(message);
    frame.freeze()
}

impl RawAnswer {
    /// The one message of the answer.
    pub(super) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.body.get(5..).unwrap()).unwrap()
    }
}

/// A call of `MilvusService`, as the descriptors tell.
pub(super) struct Method {
    pub(super) name: String,
    pub(super) path: String,
    pub(super) input: String,
    pub(super) output: String,
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTORS).unwrap()
}

pub(super) fn methods() -> Vec<Method> {
    let files = descriptors().file;
    let services = files.into_iter().flat_map(|file| file.service);
    let service = services.into_iter().find(|s| s.name() == "MilvusService").unwrap();
    let method = |m: prost_types::MethodDescriptorProto| Method {
        path: format!("{SERVICE}{}", m.name()),
        input: m.input_type().to_owned(),
        output: m.output_type().to_owned(),
        name: m.name.unwrap(),
    };
    service.method.into_iter().map(method).collect()
}

/// All declared messages by full name, with a dot in front.
pub(super) fn messages() -> HashMap<String, DescriptorProto> {
    fn add(all: &mut HashMap<String, DescriptorProto>, scope: &str, message: DescriptorProto) {
        let name = format!("{scope}.{}", message.name());
        for nested in message.nested_type.clone() {
            add(all, &name, nested);
        }
        all.insert(name, message);
    }
    let mut all = HashMap::new();
    for file in descriptors().file {
        let scope = format!(".{}", file.package());
        for message in file.message_type {
            add(&mut all, &scope, message);
        }
    }
    all
}
