//! Bad input within messages: every string of every request that is served, and bytes that are no
//! message. Nothing is answered by INTERNAL or UNKNOWN, no answer repeats what was too long, and
//! the server goes on.

use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::*;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_types::field_descriptor_proto::Type;
use tonic::Code;

use super::World;
use super::raw::{Method, Raw, SERVICE, frame, messages, methods};
use super::requests::{
    PASSWORD, add_members, alter_role, bind, create_database, create_group, create_role,
    create_user, delete_user, describe_database, drop_database, drop_group, drop_role, entity,
    grant, grant_v2, grants_on, privileges, restore, role, select_role, select_user,
};
use crate::support::encoded;

/// Good requests, each with the calls that are checked furthest with it.
fn good_requests() -> Vec<(&'static str, Vec<u8>)> {
    let c1 = ("Collection", "c1");
    let update = UpdateCredentialRequest {
        username: "u1".to_owned(),
        old_password: encoded(PASSWORD),
        new_password: encoded(PASSWORD),
        description: Some("d".to_owned()),
        ..Default::default()
    };
    let meta = RbacMeta {
        users: vec![UserInfo {
            user: "u9".to_owned(),
            roles: vec![role("r1")],
            ..Default::default()
        }],
        roles: vec![role("r9")],
        grants: vec![entity("r9", c1, "Search", "db1")],
        privilege_groups: vec![PrivilegeGroupInfo {
            group_name: "g9".to_owned(),
            privileges: privileges(&["Search"]),
        }],
    };
    let alter = AlterDatabaseRequest { db_name: "db1".to_owned(), ..Default::default() };
    vec![
        ("CreateCredential", create_user("u2", PASSWORD).encode_to_vec()),
        ("UpdateCredential", update.encode_to_vec()),
        ("DeleteCredential", delete_user("u2").encode_to_vec()),
        ("SelectUser", select_user("u1").encode_to_vec()),
        ("CreateRole", create_role("r2").encode_to_vec()),
        ("AlterRole", alter_role("r1", "d").encode_to_vec()),
        ("DropRole", drop_role("r2", true).encode_to_vec()),
        ("OperateUserRole", bind("u1", "r1").encode_to_vec()),
        ("SelectRole", select_role("r1").encode_to_vec()),
        ("OperatePrivilege", grant("r1", c1, "Search", "db1").encode_to_vec()),
        ("OperatePrivilegeV2", grant_v2("r1", "Search", ("db1", "c1")).encode_to_vec()),
        ("SelectGrant", grants_on("r1", c1, "db1").encode_to_vec()),
        ("CreatePrivilegeGroup", create_group("g2").encode_to_vec()),
        ("DropPrivilegeGroup", drop_group("g2").encode_to_vec()),
        ("OperatePrivilegeGroup", add_members("g1", &["Search"]).encode_to_vec()),
        ("RestoreRBAC", restore(meta).encode_to_vec()),
        ("CreateDatabase", create_database("db2").encode_to_vec()),
        ("AlterDatabase", alter.encode_to_vec()),
        ("DropDatabase", drop_database("db2").encode_to_vec()),
        ("DescribeDatabase", describe_database("db1").encode_to_vec()),
    ]
}

/// Every call that is served, with a good request, be it empty.
fn served() -> Vec<(Method, Vec<u8>)> {
    let good = good_requests();
    let served: Vec<_> = super::system::SERVED.split_whitespace().collect();
    methods()
        .into_iter()
        .filter(|method| served.contains(&method.name.as_str()))
        .map(|method| {
            let found = good.iter().find(|(name, _)| *name == method.name);
            let request = found.map(|(_, request)| request.clone()).unwrap_or_default();
            (method, request)
        })
        .collect()
}

/// The paths to all strings of a message: the numbers of the fields.
fn string_paths(message: &str) -> Vec<Vec<i32>> {
    let all = messages();
    let mut found = Vec::new();
    let mut left = vec![(message.to_owned(), Vec::new())];
    while let Some((message, path)) = left.pop() {
        for field in &all.get(&message).unwrap().field {
            let mut path: Vec<i32> = path.clone();
            path.push(field.number());
            match field.r#type() {
                Type::String => found.push(path),
                Type::Message => left.push((field.type_name().to_owned(), path)),
                _ => {}
            }
        }
    }
    found
}

/// `value` in the field that `path` leads to.
fn field(path: &[i32], value: &[u8]) -> Vec<u8> {
    let mut bytes = value.to_vec();
    for number in path.iter().rev() {
        let mut outer = Vec::with_capacity(bytes.len() + 10);
        encode_key(u32::try_from(*number).unwrap(), WireType::LengthDelimited, &mut outer);
        encode_varint(u64::try_from(bytes.len()).unwrap(), &mut outer);
        outer.extend(bytes);
        bytes = outer;
    }
    bytes
}

/// A server with something to work on.
async fn world() -> World {
    let w = World::new().await;
    w.changes(create_user("u1", PASSWORD)).await;
    w.changes(create_role("r1")).await;
    w.changes(create_group("g1")).await;
    w.changes(create_database("db1")).await;
    w
}

#[tokio::test]
async fn every_string_of_every_request() {
    let w = world().await;
    let root = Raw::root(&w.server).await;
    let long = "L".repeat(1 << 20);
    let padded = format!("{}a", " ".repeat(1 << 20));
    let values: [&[u8]; 10] = [
        b"",
        b"\0",
        b"a\0b",
        b"a/b",
        b"a.b",
        b"../..",
        b"*",
        b"\xef\xbb\xbfr1",
        long.as_bytes(),
        padded.as_bytes(),
    ];
    let not_text: [&[u8]; 4] = [b"\xff", b"a\xc3", b"\xed\xa0\x80", b"\xc0\xaf"];
    let mut count = 0;
    for (method, good) in served() {
        for path in string_paths(&method.input) {
            count += 1;
            // Appended, a field replaces that of the same number, and a message is merged.
            let with = |value: &[u8]| frame(&[&good[..], &field(&path, value)].concat());
            for value in values {
                let answer = root.unary(&method.path, with(value)).await;
                let row =
                    || format!("{} {path:?} {:?}", method.name, value.get(..8).unwrap_or(value));
                assert_eq!(answer.code, Code::Ok, "{}: {}", row(), answer.text);
                assert!(answer.body.len() < 16 << 10, "{}: {} bytes", row(), answer.body.len());
                if method.output == ".milvus.proto.common.Status" {
                    let status: Status = answer.message();
                    assert!(
                        matches!(status.code, 0 | 10 | 800..=802 | 1100 | 1400..=1402 | 65535),
                        "{}: {status:?}",
                        row()
                    );
                    assert_eq!(status.code == 0, status.reason.is_empty(), "{}: {status:?}", row());
                }
            }
            for value in not_text {
                let answer = root.unary(&method.path, with(value)).await;
                assert_eq!(
                    answer.code,
                    Code::InvalidArgument,
                    "{} {path:?}: {}",
                    method.name,
                    answer.text
                );
                assert!(answer.text.starts_with("the request cannot be read: "), "{}", answer.text);
            }
        }
    }
    assert!(count > 100, "{count} strings");
    // Nothing that is too long or of bad form was kept.
    let backup = w.gets(BackupRbacMetaRequest::default()).await;
    assert!(backup.encoded_len() < 16 << 10);
    for name in w.gets(ListCredUsersRequest::default()).await.usernames {
        assert!(matches!(&*name, "root" | "u1" | "u2" | "a" | "a.b"), "{name:?}");
    }
    assert!(w.logs_in("u1", PASSWORD).await);
}

#[tokio::test]
async fn bytes_that_are_no_message() {
    let w = world().await;
    let (root, before) = (Raw::root(&w.server).await, w.picture().await);
    // 200 groups within each other, of an unknown field.
    let deep = [0xf3, 0x07].repeat(200);
    let garbage: [&[u8]; 12] = [
        b"\x12",
        b"\x12\x05a",
        b"\x12\xff\xff\xff\xff\x0f",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\x00\x00",
        b"\x07",
        b"\x0f\x00",
        b"\x14",
        b"\xff\xff\xff\xff\xff",
        b"\x0a\x01\xff",
        b"{\"username\": \"u1\"}",
        &deep,
    ];
    for (method, good) in served() {
        for bytes in garbage {
            if bytes.starts_with(b"\x0a\x01")
                && messages().get(&method.input).unwrap().field.is_empty()
            {
                continue; // For a message without fields that is an unknown one.
            }
            let answer = root.unary(&method.path, frame(bytes)).await;
            assert_eq!(
                answer.code,
                Code::InvalidArgument,
                "{} {bytes:02x?}: {}",
                method.name,
                answer.text
            );
            assert!(answer.text.starts_with("the request cannot be read: "), "{}", answer.text);
            let answer = root.unary(&method.path, frame(&[&good[..], bytes].concat())).await;
            assert_eq!(answer.code, Code::InvalidArgument, "{} … {bytes:02x?}", method.name);
        }
        // Cut off anywhere but between two fields.
        if let Some(cut) = good.len().checked_sub(1) {
            let answer = root.unary(&method.path, frame(good.get(..cut).unwrap())).await;
            assert_eq!(answer.code, Code::InvalidArgument, "{}", method.name);
        }
    }
    assert_eq!(w.picture().await, before);
}

/// Each field of a request holds bytes of the wrong wire type; unknown fields are skipped.
#[tokio::test]
async fn wire_types_and_unknown_fields() {
    let w = world().await;
    let root = Raw::root(&w.server).await;
    for (method, _) in served() {
        for declared in &messages().get(&method.input).unwrap().field {
            let mut bytes = Vec::new();
            let number = u32::try_from(declared.number()).unwrap();
            encode_key(number, WireType::SixtyFourBit, &mut bytes);
            bytes.extend([0; 8]);
            let answer = root.unary(&method.path, frame(&bytes)).await;
            assert_eq!(
                answer.code,
                Code::InvalidArgument,
                "{} {number}: {}",
                method.name,
                answer.text
            );
        }
    }
    let revision = w.picture().await.revision;
    let unknown = field(&[1000], b"\xff");
    let request = [unknown.clone(), create_role("r3").encode_to_vec(), unknown].concat();
    let answer = root.unary(&format!("{SERVICE}CreateRole"), frame(&request)).await;
    assert_eq!((answer.code, answer.message::<Status>()), (Code::Ok, Status::default()));
    assert_eq!(w.picture().await.revision, revision + 1);
    // The last of several values counts, as everywhere in protobuf.
    let twice = [create_role("r4").encode_to_vec(), create_role("r5").encode_to_vec()].concat();
    let answer = root.unary(&format!("{SERVICE}CreateRole"), frame(&twice)).await;
    assert_eq!(answer.message::<Status>(), Status::default());
    assert_eq!(w.gets(select_role("r4")).await.results, []);
    assert_eq!(w.gets(select_role("r5")).await.results.len(), 1);
}

/// The services beside Milvus' own go on as well.
#[tokio::test]
async fn health_and_reflection() {
    let w = world().await;
    let (root, anonymous) = (Raw::root(&w.server).await, Raw::anonymous(&w.server).await);
    let check = "/grpc.health.v1.Health/Check";
    for bytes in [&b"\x0a\x05a"[..], b"\x0a\x01\xff", b"\x07"] {
        assert_ne!(anonymous.unary(check, frame(bytes)).await.code, Code::Ok);
        for version in ["v1", "v1alpha"] {
            let path = format!("/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo");
            root.unary(&path, frame(bytes)).await;
            let answer = anonymous.unary(&path, frame(bytes)).await;
            assert_eq!(answer.code, Code::Unauthenticated);
        }
    }
    assert_eq!(anonymous.unary(check, frame(&[])).await.code, Code::Ok);
}

/// Whoever has not logged in is not told how much happens here.
#[tokio::test]
async fn strangers_are_told_no_revision() {
    let w = world().await;
    let told = async |client: Raw, path: &str| {
        let answer = client.unary(path, frame(&[])).await;
        answer.headers.contains_key("milvus-rbac-revision")
    };
    let list = format!("{SERVICE}ListCredUsers");
    for path in
        ["/grpc.health.v1.Health/Check", "/milvus.proto.milvus.MilvusService/No", "/x", &list]
    {
        assert!(!told(Raw::anonymous(&w.server).await, path).await, "{path}");
    }
    let nobody = Raw::user(&w.server, "nobody", "wrong!").await;
    assert!(!told(nobody.with("milvus-rbac-min-revision", b"x"), &list).await);
    assert!(told(Raw::root(&w.server).await, &list).await);
}
