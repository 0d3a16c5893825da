//! Section 6.20: versions, health, timestamps; what is not supported; what is not served here;
//! and logins.

use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

use milvus_rbac::rpc::proto::common::StateCode;
use milvus_rbac::rpc::proto::service::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tonic::Code;

use super::calls::Call;
use super::raw::{Raw, frame, methods};
use super::requests::{
    PASSWORD, alter_role, change_password, create_role, create_user, grant, grants_of, line, revoke,
};
use super::{Refusal, World, gets};
use crate::support::{Metadata, Server};

#[tokio::test]
async fn versions_and_health() {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    for client in [&w.root, &u1] {
        let version = gets(client, GetVersionRequest::default()).await.version;
        let connected = gets(client, ConnectRequest::default()).await;
        assert_eq!(connected.server_info.map(|info| info.build_tags), Some(version.clone()));
        assert!(version.starts_with('v'), "{version}");
        let healthy = CheckHealthResponse { is_healthy: true, ..Default::default() };
        assert_eq!(gets(client, CheckHealthRequest::default()).await, healthy);
        let states = gets(client, GetComponentStatesRequest::default()).await;
        assert_eq!(states.state.map(|info| info.state_code()), Some(StateCode::Healthy));
    }
}

/// What the admin port says of the server.
async fn health(server: &Server) -> String {
    let mut stream = TcpStream::connect(&server.admin).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200"), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn a_new_store_is_seeded_once() {
    let folder = tempfile::tempdir().unwrap();
    let start = async || World::of(Server::on_sled(folder.path())).await;
    let w = start().await;
    assert_eq!(health(&w.server).await, "ok\n");
    w.changes(change_password("root", "Milvus", "Milvus")).await;
    w.changes(create_role("r1")).await;
    w.changes(grant("r1", ("Global", "*"), "All", "")).await;
    w.changes(revoke("public", ("Global", "*"), "ListAliases", "*")).await;
    w.changes(alter_role("r1", "kept")).await;
    let before = w.picture().await;
    assert_eq!(before.public.entities.len(), 2);
    // Off this thread, so that the client hears of it too.
    let stopped = tokio::task::spawn_blocking(|| w.server.stop()).await;
    assert!(stopped.unwrap().success());
    // What was revoked from `public` does not come back; nothing else is changed by a start.
    let w = start().await;
    assert_eq!(w.picture().await, before);
    w.server.kill();
    assert_eq!(start().await.picture().await, before);
}

#[tokio::test]
async fn timestamps_rise() {
    let w = World::new().await;
    let mut last = 0;
    for _ in 0..100 {
        let next = w.gets(AllocTimestampRequest::default()).await.timestamp;
        assert!(next > last);
        last = next;
    }
    let connected = w.gets(ConnectRequest::default()).await.identifier;
    assert!(connected.cast_unsigned() > last);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
    assert!(now.abs_diff(u128::from(last >> 18)) < 10_000, "{last}");
}

#[tokio::test]
async fn tags_and_row_policies_are_not_supported() {
    let w = World::new().await;
    let u1 = w.user("u1").await;
    let no = |method: &str, what: &str| {
        Refusal::new(10, 1, format!("{method}: {what} are not supported"))
    };
    let (tags, rows) = ("user tags", "row policies");
    for (client, user_name) in [(&w.root, "u1"), (&u1, "u1")] {
        let user_name = || user_name.to_owned();
        let add = AddUserTagsRequest { user_name: user_name(), ..Default::default() };
        w.refuses_to(client, add, no("AddUserTags", tags)).await;
        let delete = DeleteUserTagsRequest { user_name: user_name(), ..Default::default() };
        w.refuses_to(client, delete, no("DeleteUserTags", tags)).await;
        let get = GetUserTagsRequest { user_name: user_name(), ..Default::default() };
        w.refuses_to(client, get, no("GetUserTags", tags)).await;
    }
    w.refuses(ListUsersWithTagRequest::default(), no("ListUsersWithTag", tags)).await;
    w.refuses(CreateRowPolicyRequest::default(), no("CreateRowPolicy", rows)).await;
    w.refuses(UpdateRowPolicyRequest::default(), no("UpdateRowPolicy", rows)).await;
    w.refuses(DropRowPolicyRequest::default(), no("DropRowPolicy", rows)).await;
    w.refuses(ListRowPoliciesRequest::default(), no("ListRowPolicies", rows)).await;
    w.refuses(SetRlsPrincipalTagsRequest::default(), no("SetRLSPrincipalTags", rows)).await;
    w.refuses(GetRlsPrincipalTagsRequest::default(), no("GetRLSPrincipalTags", rows)).await;
    w.refuses(ListRlsPrincipalsRequest::default(), no("ListRLSPrincipals", rows)).await;
    w.refuses(DeleteRlsPrincipalTagsRequest::default(), no("DeleteRLSPrincipalTags", rows)).await;
}

/// The calls that are answered here.
pub(super) const SERVED: &str = "AddUserTags AllocTimestamp AlterDatabase AlterRole BackupRBAC CheckHealth \
    Connect CreateCredential CreateDatabase CreatePrivilegeGroup CreateRole CreateRowPolicy \
    DeleteCredential DeleteRLSPrincipalTags DeleteUserTags DescribeDatabase DropDatabase \
    DropPrivilegeGroup DropRole DropRowPolicy GetComponentStates GetRLSPrincipalTags GetUserTags \
    GetVersion ListCredUsers ListDatabases ListPrivilegeGroups ListRLSPrincipals ListRowPolicies \
    ListUsersWithTag OperatePrivilege OperatePrivilegeGroup OperatePrivilegeV2 OperateUserRole \
    RestoreRBAC SelectGrant SelectRole SelectUser SetRLSPrincipalTags ShowCollections \
    UpdateCredential UpdateRowPolicy";

#[tokio::test]
async fn other_calls_need_an_upstream() {
    let w = World::new().await;
    let (root, anonymous) = (Raw::root(&w.server).await, Raw::anonymous(&w.server).await);
    let served: BTreeSet<_> = SERVED.split_whitespace().collect();
    let all = methods();
    assert_eq!(all.len(), 149);
    for method in all {
        let nobody = anonymous.unary(&method.path, frame(&[])).await;
        assert_eq!(
            (nobody.code, &*nobody.text),
            (Code::Unauthenticated, "missing authorization in header"),
            "{}",
            method.name
        );
        let answer = root.unary(&method.path, frame(&[])).await;
        let text = format!(
            "{} is not answered by milvus-rbac itself; with --upstream it goes to a Milvus",
            method.name
        );
        if served.contains(method.name.as_str()) {
            assert_eq!(answer.code, Code::Ok, "{}: {}", method.name, answer.text);
        } else {
            assert_eq!((answer.code, answer.text), (Code::Unimplemented, text));
        }
    }
    for (path, text) in [
        (
            "/milvus.proto.milvus.MilvusService/Nonsense",
            "unknown method Nonsense for service milvus.proto.milvus.MilvusService",
        ),
        ("/nonsense.Service/Method", "unknown method Method for service nonsense.Service"),
    ] {
        let answer = root.unary(path, frame(&[])).await;
        assert_eq!((answer.code, answer.text.as_str()), (Code::Unimplemented, text));
    }
}

#[tokio::test]
async fn logins() {
    let w = World::new().await;
    w.changes(create_user("u1", PASSWORD)).await;
    let encoded = crate::support::encoded;
    let wrong = "auth check failure, please check username and password are correct";
    let format = "invalid token format";
    let key = "auth check failure, please check api key is correct";
    let rows = [
        (encoded("u1:wrong"), wrong),
        (encoded("nobody:secret"), wrong),
        (encoded("u1:"), wrong),
        (encoded(":secret"), wrong),
        (encoded(":"), wrong),
        (encoded("U1:secret"), wrong),
        (encoded(" u1:secret"), wrong),
        (encoded("u1:secret "), wrong),
        (encoded("u1:___"), wrong),
        (encoded("u1"), key),
        (String::new(), key),
        ("u1:secret".to_owned(), format),
        (format!("Bearer {}", encoded("u1:secret")), format),
        (encoded("u1:secre").replace('=', ""), format),
    ];
    for (value, text) in rows {
        let client = w.server.connect(Metadata::default().with("authorization", &value)).await;
        for status in [
            GetVersionRequest::default().send(&client).await.err().unwrap(),
            ListDatabasesRequest::default().send(&client).await.err().unwrap(),
            create_role("r1").send(&client).await.err().unwrap(),
        ] {
            assert_eq!((status.code(), status.message()), (Code::Unauthenticated, text), "{value}");
        }
    }
    let client = w.server.connect(Metadata::default()).await;
    let status = ConnectRequest::default().send(&client).await.err().unwrap();
    let text = "missing authorization in header";
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, text));
    // The header that once skipped all this is nothing.
    let member = Metadata::default().with("sourceid", &encoded("@@milvus-member@@"));
    let client = w.server.connect(member).await;
    let status = create_role("r1").send(&client).await.err().unwrap();
    assert_eq!((status.code(), status.message()), (Code::Unauthenticated, text));
    assert!(w.logs_in("u1", PASSWORD).await);
}

#[tokio::test]
async fn with_authorization_off() {
    let w = World::with(&["--authorization", "off"]).await;
    assert_eq!(health(&w.server).await, "ok\nwarning: authorization is off\n");
    w.changes(create_user("u1", PASSWORD)).await;
    for (name, metadata, grantor) in [
        ("r1", Metadata::default(), "root"),
        ("r2", Metadata::login("nobody", "x"), "root"),
        ("r3", Metadata::login("u1", "wrong"), "u1"),
        ("r4", Metadata::default().with("authorization", "nonsense!"), "root"),
    ] {
        let client = w.server.connect(metadata).await;
        w.changes_by(&client, create_role(name)).await;
        w.changes_by(&client, grant(name, ("Global", "*"), "All", "db9")).await;
        let grants = gets(&client, grants_of(name, "*")).await.entities;
        let lines: Vec<_> = grants.iter().map(line).collect();
        assert_eq!(lines, [format!("Global db9.* All by {grantor}")]);
        assert_eq!(gets(&client, ListDatabasesRequest::default()).await.db_names, ["default"]);
        gets(&client, BackupRbacMetaRequest::default()).await;
    }
}
