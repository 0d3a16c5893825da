//! `Transact`: several calls as one change.

use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::step::Step as Call;
use milvus_rbac::rpc::proto::access::{Step, TransactRequest, TransactResponse};
use milvus_rbac::rpc::proto::service::*;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status};

use super::raw::{Raw, frame};
use crate::support::{Metadata, Server, encoded, resident};

type Access = AccessServiceClient<InterceptedService<Channel, Metadata>>;

async fn access(server: &Server, user: &str, password: &str) -> Access {
    let channel = server.endpoint().connect().await.unwrap();
    AccessServiceClient::with_interceptor(channel, Metadata::login(user, password))
        .max_encoding_message_size(usize::MAX)
}

fn role(name: &str) -> Call {
    let entity = Some(RoleEntity { name: name.into(), ..Default::default() });
    Call::CreateRole(CreateRoleRequest { entity, ..Default::default() })
}

fn user(name: &str, password: &str) -> Call {
    let (username, password) = (name.into(), encoded(password));
    Call::CreateCredential(CreateCredentialRequest { username, password, ..Default::default() })
}

fn bind(user: &str, role: &str) -> Call {
    let (username, role_name) = (user.into(), role.into());
    Call::OperateUserRole(OperateUserRoleRequest { username, role_name, ..Default::default() })
}

fn grant(role: &str, privilege: &str) -> Call {
    let role = Some(RoleEntity { name: role.into(), ..Default::default() });
    let privilege = Some(PrivilegeEntity { name: privilege.into() });
    let grantor = Some(GrantorEntity { privilege, ..Default::default() });
    let (db_name, collection_name) = ("*".into(), "*".into());
    Call::OperatePrivilegeV2(OperatePrivilegeV2Request {
        role,
        grantor,
        db_name,
        collection_name,
        ..Default::default()
    })
}

fn drop_role(name: &str) -> Call {
    Call::DropRole(DropRoleRequest { role_name: name.into(), ..Default::default() })
}

fn request(calls: impl IntoIterator<Item = Call>) -> TransactRequest {
    let steps = calls.into_iter().map(|call| Step { step: Some(call) }).collect();
    TransactRequest { steps, ..Default::default() }
}

async fn transact(
    access: &mut Access,
    request: TransactRequest,
) -> Result<TransactResponse, Status> {
    access.transact(request).await.map(|answer| {
        let told = crate::support::revision(&answer);
        let answer = answer.into_inner();
        assert_eq!(told, answer.revision);
        answer
    })
}

fn reason(answer: &TransactResponse) -> &str {
    &answer.status.as_ref().unwrap().reason
}

async fn roles(server: &Server) -> usize {
    let listed = server.root().await.select_role(SelectRoleRequest::default()).await.unwrap();
    listed.into_inner().results.len() - 2
}

#[tokio::test]
async fn each_step_sees_what_the_ones_before_did_and_all_are_one_revision() {
    let server = Server::start(&[]);
    let mut root = access(&server, "root", "Milvus").await;
    let steps = [
        role("r"),
        user("u", "secret1"),
        grant("r", "ListDatabases"),
        bind("u", "r"),
        Call::CreatePrivilegeGroup(CreatePrivilegeGroupRequest {
            group_name: "g".into(),
            ..Default::default()
        }),
        role("s"),
        drop_role("s"),
    ];
    let before = transact(&mut root, request([])).await.unwrap();
    let rehearsed = TransactRequest { dry_run: true, ..request(steps.clone()) };
    let rehearsed = transact(&mut root, rehearsed).await.unwrap();
    assert_eq!(
        (reason(&rehearsed), rehearsed.revision, roles(&server).await),
        ("", before.revision, 0)
    );
    let only_at = TransactRequest { only_at_revision: Some(before.revision), ..request(steps) };
    let done = transact(&mut root, only_at.clone()).await.unwrap();
    assert_eq!((reason(&done), done.revision, roles(&server).await), ("", before.revision + 1, 1));
    server.client("u", "secret1").await.connect(ConnectRequest::default()).await.unwrap();
    // A second time it is another revision.
    for dry_run in [true, false] {
        let again = TransactRequest { dry_run, ..only_at.clone() };
        let again = transact(&mut root, again).await.unwrap();
        let expected = "revision 1 was asked for, and this is 2: nothing was changed";
        assert_eq!((reason(&again), again.revision), (expected, 2));
        // Milvus' code of what is not what it was; the same request would never fit.
        let status = again.status.unwrap();
        assert_eq!((status.code, status.retriable), (2200, false));
    }
}

/// What the steps before did counts, but for old passwords.
#[tokio::test]
async fn an_old_password_is_the_one_that_held_before_all_steps() {
    let server = Server::start(&[]);
    let mut root = access(&server, "root", "Milvus").await;
    let update = |old: &str, new: &str| {
        Call::UpdateCredential(UpdateCredentialRequest {
            username: "u".into(),
            old_password: encoded(old),
            new_password: encoded(new),
            ..Default::default()
        })
    };
    let wrong = "step 2: old password not correct for u: not authenticated";
    let refused = request([user("u", "secret1"), update("secret1", "secret2")]);
    assert_eq!(reason(&transact(&mut root, refused).await.unwrap()), wrong);
    assert_eq!(reason(&transact(&mut root, request([user("u", "secret1")])).await.unwrap()), "");
    for second in ["secret1", "secret2"] {
        let refused = request([update("secret1", "secret2"), update(second, "secret3")]);
        assert_eq!(reason(&transact(&mut root, refused).await.unwrap()), wrong, "{second}");
    }
    let once = request([update("secret1", "secret2")]);
    assert_eq!(reason(&transact(&mut root, once).await.unwrap()), "");
}

#[tokio::test]
async fn one_that_is_refused_undoes_all_and_is_named() {
    let server = Server::start(&[]);
    let mut root = access(&server, "root", "Milvus").await;
    let refused = [
        (vec![role("r"), role("r")], "step 2: role [name:\"r\"] already exists: invalid parameter"),
        (
            vec![role("r"), drop_role("admin")],
            "step 2: the role[admin] is a default role, which can't be dropped: privilege not permitted",
        ),
        (
            vec![role("r"), role("1")],
            "step 2: the first character of role name must be an underscore or letter: invalid parameter[expected=95][actual=49]",
        ),
        (
            vec![role("r"), bind("u", "r")],
            "step 2: failed to check if operate user role: user \"u\" not found: invalid parameter",
        ),
        (
            (0..20).map(|n| role(&format!("r{n}"))).collect(),
            "step 9: failed to check if create role: quota exceeded[reason=unable to create role because the number of roles has reached the limit][limit=10]",
        ),
    ];
    for (steps, why) in refused {
        for dry_run in [true, false] {
            let asked = TransactRequest { dry_run, ..request(steps.clone()) };
            let answer = transact(&mut root, asked).await.unwrap();
            assert_eq!((reason(&answer), answer.revision, roles(&server).await), (why, 1, 0));
        }
    }
    let nothing = TransactRequest { steps: vec![Step { step: None }], ..Default::default() };
    let refused = transact(&mut root, nothing).await.unwrap_err();
    let text = "the request cannot be read: step 1 is not one call";
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, text));
}

#[tokio::test]
async fn there_are_bounds() {
    let server = Server::start(&["--max-roles", "0"]);
    let mut root = access(&server, "root", "Milvus").await;
    let many = |n: usize| request((0..n).map(|n| role(&format!("r{n}"))));
    let refused = transact(&mut root, many(10_001)).await.unwrap_err();
    let text = "the request cannot be read: steps: there are more than 10000";
    assert_eq!((refused.code(), refused.message()), (Code::InvalidArgument, text));
    let answer = transact(&mut root, many(10_000)).await.unwrap();
    assert_eq!((reason(&answer), answer.revision, roles(&server).await), ("", 2, 10_000));
    let passwords = request((0..101).map(|n| user(&format!("u{n}"), "secret1")));
    let answer = transact(&mut root, passwords).await.unwrap();
    assert!(reason(&answer).starts_with("101 steps bring passwords"), "{answer:?}");
    let comment = TransactRequest { comment: "c".repeat(1025), ..request([]) };
    let answer = transact(&mut root, comment).await.unwrap();
    assert_eq!(reason(&answer), "the comment is longer than 1024 bytes: invalid parameter");
}

#[tokio::test]
async fn each_step_is_admitted_as_the_call_that_it_is() {
    let server = Server::start(&[]);
    let mut root = access(&server, "root", "Milvus").await;
    let prepared = [user("u", "secret1"), role("r"), grant("r", "CreateOwnership"), bind("u", "r")];
    let prepared = transact(&mut root, request(prepared)).await.unwrap();
    assert_eq!(reason(&prepared), "");
    let mut some = access(&server, "u", "secret1").await;
    let done = transact(&mut some, request([role("s")])).await.unwrap();
    assert_eq!((reason(&done), roles(&server).await), ("", 2));
    // Not by what an earlier step would allow, nor by what a later one refuses.
    for steps in
        [vec![role("t"), grant("r", "All"), drop_role("s")], vec![drop_role("s"), role("t")]]
    {
        for dry_run in [true, false] {
            let asked = TransactRequest { dry_run, ..request(steps.clone()) };
            let refused = transact(&mut some, asked).await.unwrap_err();
            assert_eq!(refused.code(), Code::PermissionDenied);
            let step = if steps.len() == 3 {
                "step 2: PrivilegeManageOwnership"
            } else {
                "step 1: PrivilegeDropOwnership"
            };
            assert!(refused.message().starts_with(step), "{refused:?}");
            assert_eq!(roles(&server).await, 2);
        }
    }
    let mut nobody = access(&server, "u", "wrong!").await;
    let refused = transact(&mut nobody, request([])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn what_is_revoked_while_passwords_are_hashed_is_gone_when_the_steps_are_done() {
    // Hashes take long: some 50 of them, one after the other.
    let server = Server::start(&["--bcrypt-cost", "11", "--max-users", "0"]);
    let mut root = access(&server, "root", "Milvus").await;
    let steps = [
        role("manager"),
        grant("manager", "ManageOwnership"),
        grant("manager", "CreateOwnership"),
        user("mal", "secret1"),
        bind("mal", "manager"),
    ];
    assert_eq!(transact(&mut root, request(steps)).await.unwrap().status.unwrap().code, 0);
    let mut mal = access(&server, "mal", "secret1").await;
    // Logged in before, so that the login takes no time.
    assert_eq!(reason(&transact(&mut mal, request([])).await.unwrap()), "");

    let users = (0..50).map(|n| user(&format!("u{n}"), "secret1"));
    let steps = request([bind("mal", "admin")].into_iter().chain(users));
    let climbing = tokio::spawn(async move { transact(&mut mal, steps).await });
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    let unbind = Call::OperateUserRole(OperateUserRoleRequest {
        username: "mal".into(),
        role_name: "manager".into(),
        r#type: OperateUserRoleType::RemoveUserFromRole.into(),
        ..Default::default()
    });
    assert_eq!(reason(&transact(&mut root, request([unbind])).await.unwrap()), "");
    assert!(!climbing.is_finished(), "the hashes were quicker than the revoke");
    let refused = climbing.await.unwrap().unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let text = "step 1: PrivilegeManageOwnership: permission deny to mal in the `*` database";
    assert_eq!(refused.message(), text);
}

#[tokio::test]
async fn many_small_parts_are_refused_before_they_take_memory() {
    let server = Server::start(&[]);
    let mut root = access(&server, "root", "Milvus").await;
    let made = transact(&mut root, request([user("u", "secret1")])).await.unwrap();
    assert_eq!(reason(&made), "");
    let raw = Raw::user(&server, "u", "secret1").await;
    let service = "/milvus_rbac.v1.AccessService/";
    let before = resident(server.pid());
    // Millions of steps that are none, and a restore of millions of grants that are none.
    let empty: Vec<u8> = [0x0a, 0].repeat(2 << 20);
    let grants: Vec<u8> = [0x1a, 0].repeat(1 << 20);
    let nested = |number: u32, inner: &[u8]| {
        let mut outer = Vec::new();
        prost::encoding::bytes::encode(number, &inner.to_vec(), &mut outer);
        outer
    };
    let restore = nested(1, &nested(13, &nested(2, &grants)));
    for (method, message, code) in [
        ("Transact", &empty, Code::InvalidArgument),
        ("Check", &empty, Code::InvalidArgument),
        ("Transact", &restore, Code::PermissionDenied),
    ] {
        let answer = raw.unary(&format!("{service}{method}"), frame(message)).await;
        assert_eq!(answer.code, code, "{method}: {}", answer.text);
    }
    let grown = resident(server.pid()).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more");
}
