//! Calls as bytes, for what no client would send.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use milvus_rbac::rpc::DESCRIPTORS;
use prost::Message;
use prost_types::{DescriptorProto, FileDescriptorSet};
use tonic::body::Body;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tower::ServiceExt;

use crate::support::Server;

pub(crate) const SERVICE: &str = "/milvus.proto.milvus.MilvusService/";

/// A connection on which each call can have headers and a body of its own.
#[derive(Clone)]
pub(crate) struct Raw {
    channel: Channel,
    headers: HeaderMap,
}

/// What came back, HTTP being fine.
#[derive(Debug)]
pub(crate) struct RawAnswer {
    pub(crate) code: Code,
    pub(crate) text: String,
    pub(crate) body: Bytes,
    pub(crate) headers: HeaderMap,
    /// None where the status came in the headers.
    pub(crate) trailers: Option<HeaderMap>,
}

impl Raw {
    pub(crate) async fn anonymous(server: &Server) -> Self {
        let channel = server.endpoint().connect().await.unwrap();
        Self { channel, headers: HeaderMap::new() }
    }

    pub(crate) async fn root(server: &Server) -> Self {
        Self::user(server, "root", "Milvus").await
    }

    pub(crate) async fn user(server: &Server, name: &str, password: &str) -> Self {
        let login = STANDARD.encode(format!("{name}:{password}"));
        Self::anonymous(server).await.with("authorization", login.as_bytes())
    }

    pub(crate) fn with(&self, key: &'static str, value: &[u8]) -> Self {
        let mut raw = self.clone();
        raw.headers.insert(HeaderName::from_static(key), HeaderValue::from_bytes(value).unwrap());
        raw
    }

    /// With one more value of a header.
    pub(crate) fn and(&self, key: &'static str, value: &[u8]) -> Self {
        let mut raw = self.clone();
        raw.headers.append(HeaderName::from_static(key), HeaderValue::from_bytes(value).unwrap());
        raw
    }

    pub(crate) async fn unary(&self, path: &str, body: Bytes) -> RawAnswer {
        self.call(path, Body::new(Full::new(body))).await
    }

    pub(crate) async fn call(&self, path: &str, body: Body) -> RawAnswer {
        let (parts, body) = self.open(path, body).await.into_parts();
        let collected = body.collect().await.unwrap();
        let trailers = collected.trailers().cloned();
        let status = Status::from_header_map(&parts.headers)
            .or_else(|| Status::from_header_map(trailers.as_ref()?))
            .unwrap_or_else(|| panic!("{path}: an answer without a gRPC status"));
        RawAnswer {
            code: status.code(),
            text: status.message().to_owned(),
            body: collected.to_bytes(),
            headers: parts.headers,
            trailers,
        }
    }

    /// The answer as soon as it begins.
    pub(crate) async fn open(&self, path: &str, body: Body) -> Response<Body> {
        let mut request = Request::post(path).body(body).unwrap();
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static("application/grpc"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.extend(self.headers.clone());
        let response = self.channel.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response
    }
}

/// A message in its frame.
pub(crate) fn frame(message: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(message.len() + 5);
    frame.put_u8(0);
    frame.put_u32(message.len().try_into().unwrap());
    frame.put_slice(message);
    frame.freeze()
}

impl RawAnswer {
    /// The one message of the answer.
    pub(crate) fn message<M: Message + Default>(&self) -> M {
        M::decode(self.body.get(5..).unwrap()).unwrap()
    }
}

/// A call of `MilvusService`, as the descriptors tell.
pub(crate) struct Method {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) input: String,
    pub(crate) output: String,
}

fn descriptors() -> FileDescriptorSet {
    FileDescriptorSet::decode(DESCRIPTORS).unwrap()
}

pub(crate) fn methods() -> Vec<Method> {
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
pub(crate) fn messages() -> HashMap<String, DescriptorProto> {
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
