//! What was acknowledged is in force: for the very next call, and for calls that began before and
//! took their time.

use std::time::Duration;

use milvus_rbac::rpc::proto::common;
use milvus_rbac::rpc::proto::service::*;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::rpc::calls::Call as _;
use crate::rpc::requests::{grant_v2, revoke_v2};
use crate::support::{Client, Server, encoded, revision};

/// A server with a user `u1` who holds the role `r1`.
async fn prepared() -> (Server, Client) {
    let server = Server::start(&["--max-roles", "0"]);
    let mut root = server.root().await;
    let (username, password) = ("u1".to_owned(), encoded("password"));
    let request = CreateCredentialRequest { username, password, ..Default::default() };
    assert_eq!(root.create_credential(request).await.unwrap().into_inner().code, 0);
    assert_eq!(create_role(&mut root, "r1").await, Ok(0));
    let request = OperateUserRoleRequest {
        username: "u1".to_owned(),
        role_name: "r1".to_owned(),
        ..Default::default()
    };
    assert_eq!(root.operate_user_role(request).await.unwrap().into_inner().code, 0);
    (server, root)
}

fn role(name: &str) -> CreateRoleRequest {
    let entity = Some(RoleEntity { name: name.to_owned(), ..Default::default() });
    CreateRoleRequest { entity, base: None }
}

async fn create_role(client: &mut Client, name: &str) -> Result<i32, Code> {
    client.create_role(role(name)).await.map(|s| s.into_inner().code).map_err(|e| e.code())
}

async fn operate(root: &mut Client, operation: OperatePrivilegeType) {
    let privilege = Some(PrivilegeEntity { name: "CreateOwnership".to_owned() });
    let request = OperatePrivilegeV2Request {
        role: Some(RoleEntity { name: "r1".to_owned(), ..Default::default() }),
        grantor: Some(GrantorEntity { user: None, privilege }),
        r#type: operation.into(),
        db_name: "*".to_owned(),
        collection_name: "*".to_owned(),
        ..Default::default()
    };
    assert_eq!(root.operate_privilege_v2(request).await.unwrap().into_inner().code, 0);
}

#[tokio::test]
async fn the_next_call_is_decided_on_the_change() {
    let (server, mut root) = prepared().await;
    let mut user = server.client("u1", "password").await;
    for i in 0..200 {
        operate(&mut root, OperatePrivilegeType::Grant).await;
        assert_eq!(create_role(&mut user, &format!("x{i}")).await, Ok(0));
        operate(&mut root, OperatePrivilegeType::Revoke).await;
        assert_eq!(create_role(&mut user, &format!("y{i}")).await, Err(Code::PermissionDenied));
    }
}

/// What is allowed is not answered here, but only after it was allowed: so both tell it by refusing.
#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_tells_the_revision_that_it_was_decided_on() {
    let (server, root) = prepared().await;
    let on = ("default", "c");
    let before = revision(&revoke_v2("r1", "Query", on).send(&root).await.unwrap());
    let changing = tokio::spawn(async move {
        for _ in 0..300 {
            let granted = grant_v2("r1", "Query", on).send(&root).await.unwrap();
            let revoked = revoke_v2("r1", "Query", on).send(&root).await.unwrap();
            assert_eq!(revision(&granted) + 1, revision(&revoked));
        }
    });
    let user = server.client("u1", "password").await;
    let ask = async || {
        while !changing.is_finished() {
            let request = QueryRequest { collection_name: "c".to_owned(), ..Default::default() };
            let refused = user.clone().query(request).await.unwrap_err();
            let at = refused.metadata().get("milvus-rbac-revision").unwrap();
            let at: u64 = at.to_str().unwrap().parse().unwrap();
            let granted = (at - before) % 2 == 1;
            let expected = if granted { Code::Unimplemented } else { Code::PermissionDenied };
            assert_eq!(refused.code(), expected, "at revision {at}");
        }
    };
    tokio::join!(ask(), ask(), ask(), ask());
    changing.await.unwrap();
}

/// A call whose message has not been sent yet.
struct Begun {
    message: mpsc::Sender<CreateRoleRequest>,
    answer: JoinHandle<Result<common::Status, tonic::Status>>,
}

/// Begins to create a role as `u1`, and lets the server see that.
async fn begin(server: &Server) -> Begun {
    let channel = server.endpoint().connect().await.unwrap();
    let (message, messages) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(messages));
    let token = encoded("u1:password").parse().unwrap();
    request.metadata_mut().insert("authorization", token);
    let answer = tokio::spawn(async move {
        let mut client = Grpc::new(channel);
        client.ready().await.unwrap();
        let path = PathAndQuery::from_static("/milvus.proto.milvus.MilvusService/CreateRole");
        let codec = ProstCodec::<CreateRoleRequest, common::Status>::default();
        client.client_streaming(request, path, codec).await.map(tonic::Response::into_inner)
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    Begun { message, answer }
}

impl Begun {
    /// Sends the message and returns what becomes of the call.
    async fn end(self, name: &str) -> Result<i32, Code> {
        self.message.send(role(name)).await.unwrap();
        drop(self.message);
        self.answer.await.unwrap().map(|status| status.code).map_err(|e| e.code())
    }
}

#[tokio::test]
async fn a_call_that_began_before_a_revoke_is_refused_after_it() {
    let (server, mut root) = prepared().await;
    operate(&mut root, OperatePrivilegeType::Grant).await;
    let (kept, revoked) = (begin(&server).await, begin(&server).await);
    assert_eq!(kept.end("kept").await, Ok(0));
    operate(&mut root, OperatePrivilegeType::Revoke).await;
    assert_eq!(revoked.end("revoked").await, Err(Code::PermissionDenied));
}

#[tokio::test]
async fn a_call_that_began_before_its_password_changed_is_refused_after_it() {
    let (server, mut root) = prepared().await;
    operate(&mut root, OperatePrivilegeType::Grant).await;
    let begun = begin(&server).await;
    let request = UpdateCredentialRequest {
        username: "u1".to_owned(),
        old_password: encoded("password"),
        new_password: encoded("another one"),
        ..Default::default()
    };
    assert_eq!(root.update_credential(request).await.unwrap().into_inner().code, 0);
    assert_eq!(begun.end("late").await, Err(Code::Unauthenticated));
}
