//! Envoy's external authorization: the same decision through another door.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Request as Attributes,
};
use milvus_rbac::rpc::proto::envoy::service::auth::v3::authorization_client::AuthorizationClient;
use milvus_rbac::rpc::proto::envoy::service::auth::v3::check_response::HttpResponse;
use milvus_rbac::rpc::proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
};
use milvus_rbac::rpc::proto::service::*;
use prost::Message;
use tonic::Code;

use crate::support::{Client, Server, encoded};

const SEARCH: &str = "/milvus.proto.milvus.MilvusService/Search";
const DUMP: &str = "/milvus.proto.milvus.MilvusService/DumpMessages";

/// A server on which `u1` may search `c1` of `db1`.
async fn prepared(flags: &[&str]) -> Server {
    let server = Server::start(flags);
    let mut root = server.root().await;
    let (username, password) = ("u1".to_owned(), encoded("password"));
    let user = CreateCredentialRequest { username, password, ..Default::default() };
    assert_eq!(root.create_credential(user).await.unwrap().into_inner().code, 0);
    let entity = Some(RoleEntity { name: "r1".to_owned(), ..Default::default() });
    let role = CreateRoleRequest { entity: entity.clone(), base: None };
    assert_eq!(root.create_role(role).await.unwrap().into_inner().code, 0);
    let bind = OperateUserRoleRequest {
        username: "u1".to_owned(),
        role_name: "r1".to_owned(),
        ..Default::default()
    };
    assert_eq!(root.operate_user_role(bind).await.unwrap().into_inner().code, 0);
    operate(&mut root, OperatePrivilegeType::Grant).await;
    server
}

async fn operate(root: &mut Client, operation: OperatePrivilegeType) {
    let privilege = Some(PrivilegeEntity { name: "Search".to_owned() });
    let request = OperatePrivilegeV2Request {
        role: Some(RoleEntity { name: "r1".to_owned(), ..Default::default() }),
        grantor: Some(GrantorEntity { user: None, privilege }),
        r#type: operation.into(),
        db_name: "db1".to_owned(),
        collection_name: "c1".to_owned(),
        ..Default::default()
    };
    assert_eq!(root.operate_privilege_v2(request).await.unwrap().into_inner().code, 0);
}

fn search(database: &str, collection: &str) -> Vec<u8> {
    let request = SearchRequest {
        db_name: database.to_owned(),
        collection_name: collection.to_owned(),
        ..Default::default()
    };
    let message = request.encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, &message].concat()
}

/// A question of Envoy, with the headers that it sends along.
fn question(path: &str, login: &str, body: Vec<u8>, more: &[(&str, &str)]) -> CheckRequest {
    let mut headers = HashMap::from([
        (":path".to_owned(), path.to_owned()),
        (":method".to_owned(), "POST".to_owned()),
        ("content-type".to_owned(), "application/grpc".to_owned()),
        ("authorization".to_owned(), STANDARD.encode(login)),
    ]);
    headers.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    headers.retain(|_, value| !value.is_empty());
    let http = HttpRequest { headers, path: path.to_owned(), raw_body: body };
    let request = Some(Attributes { http: Some(http) });
    CheckRequest { attributes: Some(AttributeContext { request }) }
}

struct Envoy(AuthorizationClient<tonic::transport::Channel>);

impl Envoy {
    async fn of(server: &Server) -> Self {
        Self(AuthorizationClient::new(server.endpoint().connect().await.unwrap()))
    }

    async fn asks(&mut self, question: CheckRequest) -> CheckResponse {
        self.0.check(question).await.unwrap().into_inner()
    }

    async fn allows(&mut self, question: CheckRequest) {
        let answer = self.asks(question).await;
        assert_eq!(answer.status.unwrap().code, 0);
        match answer.http_response.unwrap() {
            HttpResponse::OkResponse(ok) => assert_eq!(ok.headers_to_remove, ["sourceid"]),
            HttpResponse::DeniedResponse(denied) => panic!("{denied:?}"),
        }
    }

    async fn denies(&mut self, question: CheckRequest, code: Code, http: i32, text: &str) {
        let answer = self.asks(question).await;
        let status = answer.status.unwrap();
        assert_eq!((status.code, &*status.message), (code as i32, text));
        match answer.http_response.unwrap() {
            HttpResponse::DeniedResponse(denied) => {
                assert_eq!((denied.status.unwrap().code, &*denied.body), (http, text));
            }
            HttpResponse::OkResponse(_) => panic!("it was let through"),
        }
    }
}

#[tokio::test]
async fn the_decision_is_that_of_the_gate() {
    let server = prepared(&["--ext-authz", "on"]).await;
    let mut envoy = Envoy::of(&server).await;
    let u1 = "u1:password";
    envoy.allows(question(SEARCH, u1, search("db1", "c1"), &[])).await;
    envoy.allows(question(SEARCH, u1, search("", "c1"), &[("dbname", "db1")])).await;
    let denied = |database: &str| {
        format!("PrivilegeSearch: permission deny to u1 in the `{database}` database")
    };
    for (body, headers, database) in [
        (search("db1", "c2"), &[][..], "db1"),
        (search("", "c1"), &[], "default"),
        (search("db2", "c1"), &[("dbname", "db1")], "db2"),
        // Envoy joins what repeats.
        (search("", "c1"), &[("dbname", "db1,db2")], "db1,db2"),
    ] {
        let text = denied(database);
        let asked = question(SEARCH, u1, body, headers);
        envoy.denies(asked, Code::PermissionDenied, 403, &text).await;
    }
    operate(&mut server.root().await, OperatePrivilegeType::Revoke).await;
    let asked = question(SEARCH, u1, search("db1", "c1"), &[]);
    envoy.denies(asked, Code::PermissionDenied, 403, &denied("db1")).await;
}

#[tokio::test]
async fn logins_are_verified() {
    let server = prepared(&["--ext-authz", "on"]).await;
    let mut envoy = Envoy::of(&server).await;
    let wrong = "auth check failure, please check username and password are correct";
    let asked = question(SEARCH, "u1:wrong", search("db1", "c1"), &[]);
    envoy.denies(asked, Code::Unauthenticated, 401, wrong).await;
    let missing = "missing authorization in header";
    let asked = question(SEARCH, "", search("db1", "c1"), &[("authorization", "")]);
    envoy.denies(asked, Code::Unauthenticated, 401, missing).await;
}

#[tokio::test]
async fn what_cannot_be_read_is_denied() {
    let server = prepared(&["--ext-authz", "on"]).await;
    let mut envoy = Envoy::of(&server).await;
    let root = "root:Milvus";
    let whole = search("db1", "c1");
    let cut = whole[..whole.len() - 1].to_vec();
    let mut compressed = whole.clone();
    compressed[0] = 1;
    let unreadable = |why: &str| format!("the request cannot be read: {why}");
    let rows = [
        (
            question(SEARCH, root, whole.clone(), &[("x-envoy-auth-partial-body", "true")]),
            (
                Code::PermissionDenied,
                403,
                "the body is not whole: raise max_request_bytes".to_owned(),
            ),
        ),
        (
            question(SEARCH, root, cut, &[]),
            (Code::InvalidArgument, 400, unreadable("its length is not what its head says")),
        ),
        (
            question(SEARCH, root, Vec::new(), &[]),
            (Code::InvalidArgument, 400, unreadable("there is no message")),
        ),
        (
            question(SEARCH, root, compressed, &[]),
            (Code::Unimplemented, 403, "compressed requests are not supported".to_owned()),
        ),
        (
            question(SEARCH, root, search("db1", "../c1"), &[]),
            (Code::InvalidArgument, 400, unreadable("`../c1` is not the name of anything")),
        ),
        (
            question("/some.Service/Method", root, whole.clone(), &[]),
            (Code::Unimplemented, 403, "unknown method Method for service some.Service".to_owned()),
        ),
        (
            question(SEARCH, root, whole.clone(), &[("content-type", "application/json")]),
            (Code::PermissionDenied, 403, "only gRPC calls are decided".to_owned()),
        ),
        (
            CheckRequest::default(),
            (Code::InvalidArgument, 400, unreadable("there is no HTTP request in it")),
        ),
    ];
    for (asked, (code, http, text)) in rows {
        envoy.denies(asked, code, http, &text).await;
    }
    let not_partial = [("x-envoy-auth-partial-body", "false")];
    envoy.allows(question(SEARCH, root, whole, &not_partial)).await;
}

#[tokio::test]
async fn streams_are_decided_at_their_start() {
    let server = prepared(&["--ext-authz", "on"]).await;
    let mut envoy = Envoy::of(&server).await;
    envoy.allows(question(DUMP, "root:Milvus", Vec::new(), &[])).await;
    let text = "PrivilegeManageOwnership: permission deny to u1 in the `*` database";
    let asked = question(DUMP, "u1:password", Vec::new(), &[]);
    envoy.denies(asked, Code::PermissionDenied, 403, text).await;
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let server = prepared(&[]).await;
    let mut envoy = Envoy::of(&server).await;
    let asked = question(SEARCH, "root:Milvus", search("db1", "c1"), &[]);
    let refused = envoy.0.check(asked).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}
