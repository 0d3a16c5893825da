//! A server without what only newer ones have: what stands before a real one and does not know some
//! calls.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use milvus_rbac::rpc::proto::service::*;
use tokio::sync::Mutex;
use tonic::transport::{Channel, Endpoint};
use tower::ServiceExt as _;

use crate::support::Server;

/// What a Milvus of today does not have.
pub(super) const MILVUS: &[&str] = &["milvus_rbac.v1.AccessService"];
/// What Milvus 2.3 does not have either.
pub(super) const MILVUS_2_3: &[&str] = &[
    "milvus_rbac.v1.AccessService",
    "BackupRBAC",
    "RestoreRBAC",
    "PrivilegeGroup",
    "OperatePrivilegeV2",
    "AlterRole",
];

/// Returns the address of one at which somebody creates a role just before the first transaction.
pub(super) async fn meddled_with(server: &Server) -> String {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let root = Arc::new(Mutex::new(Some(server.root().await)));
    let answer = tower::service_fn(move |request: Request| {
        let (channel, root) = (channel.clone(), root.clone());
        async move {
            if request.uri().path().ends_with("/Transact")
                && let Some(mut root) = root.lock().await.take()
            {
                let entity = Some(RoleEntity { name: "meddler".into(), ..Default::default() });
                let create = CreateRoleRequest { entity, ..Default::default() };
                assert_eq!(root.create_role(create).await.unwrap().into_inner().code, 0);
            }
            let request = request.map(tonic::body::Body::new);
            Ok::<_, Infallible>(channel.oneshot(request).await.unwrap())
        }
    });
    serve(Router::new().fallback_service(answer)).await
}

async fn serve(app: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address.to_string()
}

/// Returns the address of one that knows no call whose path holds one of these words, and tells no
/// revision.
pub(super) async fn without(words: &'static [&'static str], server: &Server) -> String {
    let endpoint = Endpoint::from_shared(format!("http://{}", server.address)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let answer = tower::service_fn(move |request: Request| {
        let channel = channel.clone();
        async move { Ok::<_, Infallible>(answer(words, channel, request).await) }
    });
    serve(Router::new().fallback_service(answer)).await
}

async fn answer(
    words: &[&str],
    channel: Channel,
    request: Request,
) -> axum::http::Response<tonic::body::Body> {
    let path = request.uri().path().to_owned();
    if words.iter().any(|word| path.contains(word)) {
        return tonic::Status::unimplemented("unknown method").into_http();
    }
    let mut answer = channel.oneshot(request.map(tonic::body::Body::new)).await.unwrap();
    answer.headers_mut().remove("milvus-rbac-revision");
    answer
}
