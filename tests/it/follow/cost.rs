//! What followers cost their centre.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::watch_changes_request::Request as Asked;
use milvus_rbac::rpc::proto::access::watch_changes_response::Answer;
use milvus_rbac::rpc::proto::access::{Start, WatchChangesRequest, WatchChangesResponse};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming};

use super::*;
use crate::support::resident;

/// A stream that was told everything, and its other half.
async fn follow(
    center: &Server,
) -> (mpsc::Sender<WatchChangesRequest>, Streaming<WatchChangesResponse>) {
    let mut client = AccessServiceClient::new(center.endpoint().connect().await.unwrap());
    let (requests, queue) = mpsc::channel(2);
    for asked in [Asked::Start(Start::default()), Asked::Ping(0)] {
        requests.try_send(WatchChangesRequest { request: Some(asked) }).unwrap();
    }
    let mut request = Request::new(ReceiverStream::new(queue));
    let login = STANDARD.encode("root:Milvus").parse().unwrap();
    request.metadata_mut().insert("authorization", login);
    let mut answers = client.watch_changes(request).await.unwrap().into_inner();
    while !matches!(answers.message().await.unwrap().unwrap().answer, Some(Answer::Pong(_))) {}
    (requests, answers)
}

/// What they are told is large, and is not kept for each of them.
#[tokio::test]
async fn a_follower_takes_little_of_its_centres_memory() {
    const GRANTS: usize = 20_000;
    const FOLLOWERS: u64 = 200;
    let center = Server::start(&FLAGS);
    let mut root = center.root().await;
    let grants = (0..GRANTS).map(|number| {
        let mut entity = entity("big", ("Collection", "c"), "Search", "default");
        entity.object_name = format!("collection_{number}");
        entity
    });
    let meta =
        RbacMeta { roles: vec![role("big")], grants: grants.collect(), ..Default::default() };
    let restored = root.restore_rbac(restore(meta)).await.unwrap().into_inner();
    assert_eq!(restored.code, 0, "{}", restored.reason);
    // What the first one needs is there for all.
    let mut streams = vec![follow(&center).await];
    let before = resident(center.pid());
    for _ in 0..FOLLOWERS {
        streams.push(follow(&center).await);
    }
    let each = resident(center.pid()).saturating_sub(before) / FOLLOWERS;
    println!("{} KiB for each", each >> 10);
    assert!(each < 128 << 10, "{each} bytes for each");
}
