//! The audit trail: what it tells of whom, to whom, that it is kept, and that it is whole.

mod commands;
mod replicated;
mod reset;
pub(crate) mod trail;

use std::process::Command;

use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::*;
use milvus_rbac::storage::sled::SledStore;
use milvus_rbac::storage::trail::decode;
use tempfile::TempDir;
use tonic::Code;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;

use crate::follow::{FLAGS, following, login_file};
use crate::rpc::requests::*;
use crate::support::{Client, Metadata, Server, command, encoded, sled_url};

pub(crate) type Access = AccessServiceClient<InterceptedService<Channel, Metadata>>;

pub(crate) async fn access(server: &Server, login: Metadata) -> Access {
    let channel = server.endpoint().connect().await.unwrap();
    AccessServiceClient::with_interceptor(channel, login).max_decoding_message_size(64 << 20)
}

/// What is listed: the first answer, and the events.
pub(crate) async fn listed(
    server: &Server,
    request: ListAuditEventsRequest,
) -> Result<(ListAuditEventsResponse, Vec<AuditEvent>), tonic::Status> {
    let mut access = access(server, Metadata::login("root", "Milvus")).await;
    let mut answers = access.list_audit_events(request).await?.into_inner();
    let first = answers.message().await?.unwrap();
    let mut events = Vec::new();
    while let Some(answer) = answers.message().await? {
        events.extend(answer.events);
    }
    Ok((first, events))
}

async fn all(server: &Server) -> Vec<AuditEvent> {
    listed(server, ListAuditEventsRequest::default()).await.unwrap().1
}

fn commands(events: &[AuditEvent]) -> Vec<&str> {
    events.iter().map(|event| event.command.as_str()).collect()
}

/// Some changes of each kind, by root.
async fn busy(root: &mut Client) {
    let well = |status: milvus_rbac::rpc::proto::common::Status| {
        assert_eq!(status.code, 0, "{status:?}");
    };
    well(root.create_credential(create_user("alice", "first secret")).await.unwrap().into_inner());
    well(root.create_role(create_role("reader")).await.unwrap().into_inner());
    well(root.operate_user_role(bind("alice", "reader")).await.unwrap().into_inner());
    well(
        root.operate_privilege_v2(grant_v2("reader", "Search", ("shop", "books")))
            .await
            .unwrap()
            .into_inner(),
    );
    well(root.create_privilege_group(create_group("some")).await.unwrap().into_inner());
    well(root.operate_privilege_group(add_members("some", &["Query"])).await.unwrap().into_inner());
    well(root.create_database(create_database("shop")).await.unwrap().into_inner());
    well(
        root.update_credential(change_password("alice", "first secret", "second secret"))
            .await
            .unwrap()
            .into_inner(),
    );
    well(
        root.operate_privilege_v2(revoke_v2("reader", "Search", ("shop", "books")))
            .await
            .unwrap()
            .into_inner(),
    );
}

const BUSY: [&str; 10] = [
    "Seed",
    "CreateCredential",
    "CreateRole",
    "OperateUserRole",
    "OperatePrivilegeV2",
    "CreatePrivilegeGroup",
    "OperatePrivilegeGroup",
    "CreateDatabase",
    "UpdateCredential",
    "OperatePrivilegeV2",
];

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_with_its_caller_and_no_refused_one_is() {
    let server = Server::start(&FLAGS);
    let login = Metadata::login("root", "Milvus").with("x-request-id", "id 7");
    let mut root = server.connect(login).await;
    busy(&mut root).await;
    // Refused, and without effect.
    root.create_role(create_role("reader")).await.unwrap();
    root.operate_user_role(bind("alice", "reader")).await.unwrap();
    let (first, events) = listed(&server, ListAuditEventsRequest::default()).await.unwrap();
    assert_eq!(commands(&events), BUSY);
    let numbers: Vec<u64> = events.iter().map(|event| event.number).collect();
    let revisions: Vec<u64> = events.iter().map(|event| event.revision).collect();
    assert_eq!((&numbers, &revisions), (&(1..=10).collect(), &(1..=10).collect()));
    let tip = first.tip.unwrap();
    assert_eq!((tip.number, tip.revision, first.revision), (10, 10, 10));
    assert_eq!(tip.hash, events[9].hash);
    assert_eq!((&*events[0].actor, &*events[0].peer), ("(start)", ""));
    for event in &events[1..] {
        assert_eq!((&*event.actor, &*event.request_id), ("root", "id 7"));
        assert!(event.peer.starts_with("127.0.0.1:"), "{}", event.peer);
        assert!(event.time_ms >= events[0].time_ms && event.changes.len() == 1);
    }
    let told = |number: usize| {
        let AuditChange { kind, name, before, after } = events[number].changes[0].clone();
        (kind, name, before, after)
    };
    let some = |text: &str| Some(text.to_owned());
    let row =
        |kind: &str, name: &str, before, after| (kind.to_owned(), name.to_owned(), before, after);
    assert_eq!(told(1), row("user", "alice", None, some("password changed")));
    assert_eq!(told(3), row("binding", "role reader of user alice", None, some("")));
    let grant = "PrivilegeSearch on Collection shop.books to role reader";
    assert_eq!(told(4), row("grant", grant, None, some("by root")));
    assert_eq!(told(6), row("group", "some", some(""), some("Query")));
    assert_eq!(told(8), row("user", "alice", some(""), some("password changed")));
    assert_eq!(told(9), row("grant", grant, some("by root"), None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_can_be_narrowed() {
    let server = Server::start(&FLAGS);
    busy(&mut server.root().await).await;
    let mut alice = server.client("alice", "second secret").await;
    let own = change_password("alice", "second secret", "third secret");
    assert_eq!(alice.update_credential(own).await.unwrap().into_inner().code, 0);
    let whole = all(&server).await;
    let ask = ListAuditEventsRequest::default;
    let numbers = async |request| -> Vec<u64> {
        listed(&server, request).await.unwrap().1.iter().map(|event| event.number).collect()
    };
    assert_eq!(numbers(ListAuditEventsRequest { from_number: 9, ..ask() }).await, [9, 10, 11]);
    assert_eq!(numbers(ListAuditEventsRequest { from_number: 99, ..ask() }).await, [0_u64; 0]);
    assert_eq!(numbers(ListAuditEventsRequest { limit: 2, ..ask() }).await, [1, 2]);
    let actor = "alice".to_owned();
    assert_eq!(numbers(ListAuditEventsRequest { actor, ..ask() }).await, [11]);
    let target = |target: &str| ListAuditEventsRequest { target: target.to_owned(), ..ask() };
    assert_eq!(numbers(target("alice")).await, [2, 4, 9, 11]);
    assert_eq!(numbers(target("reader")).await, [3, 4, 5, 10]);
    assert_eq!(numbers(target("shop")).await, [5, 8, 10]);
    assert_eq!(numbers(ListAuditEventsRequest { limit: 1, ..target("shop") }).await, [5]);
    let kind = |kind: &str| ListAuditEventsRequest { kind: kind.to_owned(), ..ask() };
    assert_eq!(numbers(kind("group")).await, [6, 7]);
    assert_eq!(numbers(kind("database")).await, [1, 8]);
    let since_ms = whole[10].time_ms;
    assert!(numbers(ListAuditEventsRequest { since_ms, ..ask() }).await.contains(&11));
    let since_ms = since_ms + 1;
    assert_eq!(numbers(ListAuditEventsRequest { since_ms, ..ask() }).await, [0_u64; 0]);
    let until_ms = whole[0].time_ms;
    assert_eq!(numbers(ListAuditEventsRequest { until_ms, ..ask() }).await, [0_u64; 0]);
    let until_ms = whole[10].time_ms + 1;
    assert_eq!(numbers(ListAuditEventsRequest { until_ms, ..ask() }).await.len(), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_may_see_a_backup_sees_the_trail() {
    let server = Server::start(&FLAGS);
    let mut root = server.root().await;
    busy(&mut root).await;
    let code = async |password: &str| {
        let mut alice = access(&server, Metadata::login("alice", password)).await;
        match alice.list_audit_events(ListAuditEventsRequest::default()).await {
            Ok(answers) => answers.into_inner().message().await.map(drop).map_err(|e| e.code()),
            Err(refusal) => Err(refusal.code()),
        }
    };
    assert_eq!(code("wrong").await, Err(Code::Unauthenticated));
    assert_eq!(code("second secret").await, Err(Code::PermissionDenied));
    root.operate_privilege_v2(grant_v2("reader", "BackupRBAC", ("*", "*"))).await.unwrap();
    assert_eq!(code("second secret").await, Ok(()));
}

/// INVARIANT: no event holds a password or the hash of one.
#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_trail_and_all_else_is() {
    let folder = TempDir::new().unwrap();
    let server = Server::run(command(&sled_url(folder.path())).args(FLAGS));
    busy(&mut server.root().await).await;
    let events = all(&server).await;
    assert!(server.stop().success());
    let mut store = SledStore::open(folder.path()).unwrap();
    let state = milvus_rbac::storage::Store::load(&mut store).unwrap().state;
    assert_eq!(trail::check(&mut store).unwrap().len(), events.len());
    let hashes: Vec<String> = state.users.values().map(|u| u.password_hash.to_string()).collect();
    assert!(hashes.len() == 2 && hashes.iter().all(|hash| hash.starts_with("$2")));
    let secrets = ["Milvus", "first secret", "second secret", "$2a$", "$2b$"];
    let encoded = secrets.map(encoded);
    let hidden: Vec<&str> =
        secrets.iter().copied().chain(encoded.iter().chain(&hashes).map(String::as_str)).collect();
    for event in &events {
        let (_, read) = decode(&event.record).unwrap();
        let shown = format!("{event:?} {read:?} {}", String::from_utf8_lossy(&event.record));
        let found = hidden.iter().find(|secret| shown.contains(**secret));
        assert_eq!(found, None, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_follower_forwards_is_told_of_both_and_the_trail_is_at_the_centre_alone() {
    let folder = TempDir::new().unwrap();
    let center = Server::start(&FLAGS);
    let login = login_file(folder.path(), "root:Milvus");
    let follower = Server::run(&mut following(&center.address, &login));
    let mut root =
        follower.connect(Metadata::login("root", "Milvus").with("client-request-id", "x")).await;
    let answer = root.create_role(create_role("r")).await.unwrap().into_inner();
    assert_eq!(answer.code, 0, "{answer:?}");
    let events = all(&center).await;
    let event = events.last().unwrap();
    assert_eq!((&*event.command, &*event.actor, &*event.request_id), ("CreateRole", "root", "x"));
    let (known, claimed) = event.peer.split_once(", for ").unwrap();
    assert!(known.starts_with("127.0.0.1:") && claimed.starts_with("127.0.0.1:"), "{}", event.peer);
    assert_ne!(known, claimed);
    let refused = listed(&follower, ListAuditEventsRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    assert!(refused.message().contains(&center.address), "{}", refused.message());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_goes_on_after_a_restart_and_the_oldest_go() {
    let folder = TempDir::new().unwrap();
    let store = sled_url(folder.path());
    let server = Server::run(command(&store).args(FLAGS));
    busy(&mut server.root().await).await;
    let before = all(&server).await;
    assert!(server.stop().success());
    let server = Server::run(command(&store).args(FLAGS).args(["--audit-max-bytes", "4000"]));
    assert_eq!(all(&server).await, before);
    let mut root = server.root().await;
    for number in 0..60 {
        root.create_role(create_role(&format!("r{number}"))).await.unwrap();
    }
    let (first, events) = listed(&server, ListAuditEventsRequest::default()).await.unwrap();
    let (beginning, tip) = (first.beginning.unwrap(), first.tip.unwrap());
    assert_eq!((tip.number, tip.revision), (70, 70));
    assert!((30..70).contains(&beginning.number), "{beginning:?}");
    assert_eq!(events.first().unwrap().number, beginning.number + 1);
    assert_eq!(events.first().unwrap().previous_hash, beginning.hash);
    assert!(server.stop().success());
    trail::check(&mut SledStore::open(folder.path()).unwrap()).unwrap();
}

/// `milvus-rbac` with these arguments; whether it succeeded, and what it said.
fn run(args: &[&str]) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
    let told = command.env_clear().env("USER", "tester").args(args).output().unwrap();
    let text = [told.stdout, told.stderr].concat();
    (told.status.success(), String::from_utf8(text).unwrap())
}
