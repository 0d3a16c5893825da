//! Check, Explain, WhoCan and WhatCan: they say what calls meet, to those who may know.

use std::collections::BTreeSet;

use milvus_rbac::rpc::DESCRIPTORS;
use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::path::Reason;
use milvus_rbac::rpc::proto::access::question::{Asked, Subject};
use milvus_rbac::rpc::proto::access::{self as proto, holder::Holder as Who, *};
use milvus_rbac::rpc::proto::service::{RbacMeta, RoleEntity};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, Kind, MessageDescriptor, Value};
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Response, Status, Streaming};

use super::World;
use super::raw::{Raw, frame};
use super::requests::{
    PASSWORD, add_members, bind, create_group, create_role, create_user, entity, grant, grant_v2,
    restore, revoke,
};
use crate::support::{Metadata, Server, revision, signal};

type Access = AccessServiceClient<InterceptedService<Channel, Metadata>>;

pub(crate) async fn access(server: &Server, user: &str, password: &str) -> Access {
    let channel = server.endpoint().connect().await.unwrap();
    AccessServiceClient::with_interceptor(channel, Metadata::login(user, password))
}

fn user(name: &str) -> Option<Subject> {
    Some(Subject::User(name.to_owned()))
}

fn role(name: &str) -> Option<Subject> {
    Some(Subject::Role(name.to_owned()))
}

fn privilege(subject: Option<Subject>, name: &str, collection: &str) -> Question {
    Question {
        subject,
        asked: Some(Asked::Privilege(name.to_owned())),
        collection_name: collection.to_owned(),
        ..Question::default()
    }
}

async fn check(access: &Access, questions: Vec<Question>) -> Result<Vec<bool>, Status> {
    let response = access.clone().check(CheckRequest { questions }).await?;
    assert_eq!(revision(&response), response.get_ref().revision);
    Ok(response.into_inner().verdicts.into_iter().map(|verdict| verdict.allowed).collect())
}

async fn explain(access: &Access, question: Question) -> Result<ExplainResponse, Status> {
    let response = access.clone().explain(ExplainRequest { question: Some(question) }).await?;
    assert_eq!(revision(&response), response.get_ref().revision);
    Ok(response.into_inner())
}

/// All pages of a stream, each of the revision that the metadata tell.
async fn pages<M>(
    response: Response<Streaming<M>>,
    of: impl Fn(&M) -> u64,
) -> Result<Vec<M>, Status> {
    let revision = revision(&response);
    let mut stream = response.into_inner();
    let mut pages = Vec::new();
    while let Some(page) = stream.message().await? {
        assert_eq!(of(&page), revision);
        pages.push(page);
    }
    Ok(pages)
}

async fn who_can(access: &Access, question: Question) -> Result<Vec<Holder>, Status> {
    let response = access.clone().who_can(WhoCanRequest { question: Some(question) }).await?;
    let pages = pages(response, |page| page.revision).await?;
    Ok(pages.into_iter().flat_map(|page| page.holders).collect())
}

async fn what_can(
    access: &Access,
    subject: Option<what_can_request::Subject>,
) -> Result<Vec<Capability>, Status> {
    let response = access.clone().what_can(WhatCanRequest { subject }).await?;
    let pages = pages(response, |page| page.revision).await?;
    Ok(pages.into_iter().flat_map(|page| page.capabilities).collect())
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String) {
    let status = answer.unwrap_err();
    (status.code(), status.message().to_owned())
}

/// Users, each with a role of the same name, and what it holds.
const V1: [(&str, &str, &str, &str, &str); 4] = [
    ("reader", "Search", "Collection", "c1", ""),
    ("keeper", "UpdateUser", "User", "someone", ""),
    ("legacy", "Admin", "Global", "*", "db1"),
    ("typed", "*", "Collection", "c2", "db1"),
];
const V2: [(&str, &str, &str, &str); 9] = [
    ("grouped", "readers", "", "c1"),
    ("nested", "outer", "*", "*"),
    ("chief", "ClusterAdmin", "*", "*"),
    ("owner", "DatabaseAdmin", "db1", "*"),
    ("owner", "CollectionAdmin", "", "c1"),
    ("wide", "All", "", "*"),
    ("wider", "All", "*", "*"),
    ("star", "*", "", "c1"),
    ("flusher", "FlushAll", "*", "*"),
];

async fn world() -> World {
    let w = World::new().await;
    w.changes(create_group("readers")).await;
    w.changes(add_members("readers", &["Search", "Query", "Import"])).await;
    w.changes(create_group("outer")).await;
    for name in users() {
        w.changes(create_user(name, PASSWORD)).await;
        w.changes(create_role(name)).await;
        w.changes(bind(name, name)).await;
    }
    for (role, privilege, object_type, object, database) in V1 {
        w.changes(grant(role, (object_type, object), privilege, database)).await;
    }
    for (role, privilege, database, collection) in V2 {
        w.changes(grant_v2(role, privilege, (database, collection))).await;
    }
    w.changes(add_members("outer", &["ClusterReadOnly"])).await;
    w.changes(bind("boss", "admin")).await;
    w
}

fn users() -> BTreeSet<&'static str> {
    let named = V1.iter().map(|row| row.0).chain(V2.iter().map(|row| row.0));
    named.chain(["boss", "nothing"]).collect()
}

/// Every call of one message that the gate knows.
fn methods() -> Vec<(String, MessageDescriptor)> {
    let pool = DescriptorPool::decode(DESCRIPTORS).unwrap();
    let services = pool.services().filter(|service| {
        ["milvus.proto.milvus", "milvus_rbac.v1"].contains(&service.package_name())
    });
    let methods: Vec<_> =
        services.flat_map(|service| service.methods().collect::<Vec<_>>()).collect();
    let methods = methods.into_iter().filter(|m| !m.is_client_streaming());
    let path = |m: prost_reflect::MethodDescriptor| {
        (format!("/{}/{}", m.parent_service().full_name(), m.name()), m.input())
    };
    methods.map(path).collect()
}

/// A request that names these wherever it can.
fn request(input: &MessageDescriptor, database: &str, collection: &str, user: &str) -> Vec<u8> {
    let mut message = DynamicMessage::new(input.clone());
    for field in input.fields() {
        let name = match field.name() {
            "db_name" | "dbName" | "newDBName" | "target_db_name" => database,
            "collection_name" | "collectionName" | "collection_names" => collection,
            // Ours call somebody else by that name.
            "username" | "user" | "user_name"
                if !input.full_name().starts_with("milvus_rbac.v1.") =>
            {
                user
            }
            _ => continue,
        };
        let text = match field.kind() {
            Kind::String => Value::String(name.to_owned()),
            Kind::Message(inner) if inner.name() == "UserEntity" => {
                let mut entity = DynamicMessage::new(inner);
                entity.set_field_by_name("name", Value::String(name.to_owned()));
                Value::Message(entity)
            }
            _ => continue,
        };
        if !name.is_empty() {
            message.set_field(&field, if field.is_list() { Value::List(vec![text]) } else { text });
        }
    }
    message.encode_to_vec()
}

async fn calls_meet_what_is_said(w: &World) {
    let root = access(&w.server, "root", "Milvus").await;
    let (mut allowed, mut denied) = (0, 0);
    for name in users() {
        let caller = Raw::user(&w.server, name, PASSWORD).await;
        for (database, collection, about) in
            [("", "c1", "someone"), ("", "c2", name), ("db1", "c2", "someone"), ("db1", "", "")]
        {
            let methods = methods();
            let question = |(path, _): &(String, MessageDescriptor)| Question {
                subject: user(name),
                asked: Some(Asked::Rpc(path.clone())),
                db_name: database.to_owned(),
                collection_name: collection.to_owned(),
                user_name: about.to_owned(),
            };
            let questions = methods.iter().map(question).collect();
            let verdicts = check(&root, questions).await.unwrap();
            for ((path, input), said) in methods.iter().zip(verdicts) {
                if about == name && path.ends_with("DeleteCredential") {
                    continue;
                }
                let message = request(input, database, collection, about);
                let met = caller.unary(path, frame(&message)).await;
                let row = format!("{path} by {name} on {database}/{collection}/{about}");
                assert_ne!(met.code, Code::Unauthenticated, "{row}");
                assert_eq!(said, met.code != Code::PermissionDenied, "{row}: {}", met.text);
                if said { allowed += 1 } else { denied += 1 }
            }
        }
    }
    assert!(allowed > 500 && denied > 500, "{allowed} allowed, {denied} denied");
}

#[tokio::test]
async fn what_is_said_is_what_calls_meet() {
    let w = world().await;
    calls_meet_what_is_said(&w).await;
    w.changes(revoke("public", ("Global", "*"), "DescribeCollection", "*")).await;
    w.changes(revoke("public", ("Collection", "*"), "IndexDetail", "*")).await;
    calls_meet_what_is_said(&w).await;
}

#[tokio::test]
async fn an_explanation_tells_what_decided_and_a_list_tells_all() {
    let w = world().await;
    let root = access(&w.server, "root", "Milvus").await;
    let told = explain(&root, privilege(user("grouped"), "PrivilegeSearch", "c1")).await.unwrap();
    let held = HeldGrant {
        object_type: "Global".to_owned(),
        object_name: "c1".to_owned(),
        db_name: "default".to_owned(),
        privilege: "readers".to_owned(),
    };
    let expected = ExplainResponse {
        allowed: true,
        revision: told.revision,
        requirements: vec![Requirement {
            privilege: "PrivilegeSearch".to_owned(),
            object_type: "Collection".to_owned(),
            level: "Collection".to_owned(),
            db_name: "default".to_owned(),
            object_name: "c1".to_owned(),
        }],
        roles: vec!["grouped".to_owned(), "public".to_owned()],
        path: Some(proto::Path {
            reason: Reason::Grant.into(),
            role: "grouped".to_owned(),
            grant: Some(held),
            group: "readers".to_owned(),
            wildcards: vec![],
        }),
        ..ExplainResponse::default()
    };
    assert_eq!(told, expected);

    let told = explain(&root, privilege(user("grouped"), "Search", "c2")).await.unwrap();
    assert!(!told.allowed && told.path.is_none());
    let near: Vec<_> = told.nearby.iter().map(|near| (&*near.role, &*near.why)).collect();
    let others = ("star", "others hold this role");
    assert!(!near.contains(&others) && near.contains(&("wide", "others hold this role")));
    assert!(near.contains(&("grouped", "its object is not `c2`")), "{near:?}");
    let suggestion = |privilege: &str| Suggestion {
        role: "grouped".to_owned(),
        privilege: privilege.to_owned(),
        db_name: "default".to_owned(),
        collection_name: "c2".to_owned(),
    };
    assert_eq!(told.suggestions, [suggestion("Search"), suggestion("CollectionReadOnly")]);

    let holders = who_can(&root, privilege(None, "Search", "c1")).await.unwrap();
    let name = |holder: &Holder| match holder.holder.clone().unwrap() {
        Who::User(name) => format!("user {name}"),
        Who::Role(name) => format!("role {name}"),
    };
    let names: Vec<_> = holders.iter().map(name).collect();
    let roles = ["admin", "grouped", "owner", "reader", "star", "wide", "wider"];
    let users = ["boss", "grouped", "owner", "reader", "root", "star", "wide", "wider"];
    let expected = roles.map(|name| format!("role {name}")).into_iter();
    let expected: Vec<_> = expected.chain(users.map(|name| format!("user {name}"))).collect();
    assert_eq!(names, expected);
    for holder in &holders {
        let path = holder.path.clone().unwrap();
        let by_grant = path.reason() == Reason::Grant;
        assert_eq!(path.grant.is_some(), by_grant, "{holder:?}");
    }

    let subject = what_can_request::Subject::User("owner".to_owned());
    let can = what_can(&root, Some(subject)).await.unwrap();
    let grants: Vec<_> = can
        .iter()
        .map(|c| c.path.clone().unwrap())
        .map(|path| (path.role, path.grant.unwrap().privilege))
        .collect();
    let row = |role: &str, privilege: &str| (role.to_owned(), privilege.to_owned());
    // In listing order.
    assert_eq!(grants[..2], [row("owner", "DatabaseAdmin"), row("owner", "CollectionAdmin")]);
    assert!(grants[2..].iter().all(|(role, _)| role == "public"), "{grants:?}");
    let root_can = what_can(&root, None).await.unwrap();
    assert_eq!(root_can[0].path.as_ref().unwrap().reason(), Reason::Root);
    let nested = what_can(&root, Some(what_can_request::Subject::Role("nested".to_owned()))).await;
    assert!(nested.unwrap()[0].reaches.is_empty());
}

/// Of oneself everybody may know, of others those who hold SelectOwnership.
#[tokio::test]
async fn strangers_learn_nothing() {
    let w = world().await;
    let stranger = access(&w.server, "reader", PASSWORD).await;
    for subject in [None, user("reader"), role("reader"), role("public")] {
        let questions = vec![privilege(subject.clone(), "Search", "c1")];
        assert_eq!(check(&stranger, questions).await.unwrap(), [subject != role("public")]);
        explain(&stranger, privilege(subject, "Search", "c2")).await.unwrap();
    }
    for subject in [user("nothing"), user("nobody"), role("admin"), role("no_role"), user("")] {
        let text = "PrivilegeSelectOwnership: permission deny to reader in the `*` database";
        let expected = (Code::PermissionDenied, text.to_owned());
        let own = privilege(None, "Search", "c1");
        let asked = privilege(subject.clone(), "Search", "c1");
        let both = vec![own, asked.clone()];
        assert_eq!(refusal(check(&stranger, both).await), expected, "{subject:?}");
        assert_eq!(refusal(explain(&stranger, asked).await), expected, "{subject:?}");
        let subject = subject.map(|subject| match subject {
            Subject::User(name) => what_can_request::Subject::User(name),
            Subject::Role(name) => what_can_request::Subject::Role(name),
        });
        assert_eq!(refusal(what_can(&stranger, subject).await), expected);
        let who = who_can(&stranger, privilege(None, "Search", "c1")).await;
        assert_eq!(refusal(who), expected);
    }
    // Nor which other roles there are.
    let own = explain(&stranger, privilege(None, "Search", "c2")).await.unwrap();
    assert!(own.nearby.iter().all(|near| ["reader", "public"].contains(&&*near.role)), "{own:?}");
    assert!(!own.nearby.is_empty());
    assert!(what_can(&stranger, None).await.unwrap().len() > 1);

    // Until they may know.
    w.changes(grant_v2("reader", "SelectOwnership", ("*", "*"))).await;
    let questions = vec![privilege(user("grouped"), "Search", "c1")];
    assert_eq!(check(&stranger, questions).await.unwrap(), [true]);
    let own = explain(&stranger, privilege(None, "Search", "c2")).await.unwrap();
    assert!(own.nearby.iter().any(|near| near.role == "wide"), "{own:?}");
    let asked = vec![privilege(None, "Search", ""), privilege(user("nobody"), "Search", "c1")];
    let text = "questions[1].user: there is no user `nobody`".to_owned();
    assert_eq!(refusal(check(&stranger, asked).await), (Code::InvalidArgument, text));
    let asked = privilege(role("no_role"), "Search", "c1");
    let text = "question.role: there is no role `no_role`".to_owned();
    assert_eq!(refusal(explain(&stranger, asked).await), (Code::InvalidArgument, text));
    let subject = Some(what_can_request::Subject::User("nobody".to_owned()));
    let text = "user: there is no user `nobody`".to_owned();
    assert_eq!(refusal(what_can(&stranger, subject).await), (Code::InvalidArgument, text));
}

#[tokio::test]
async fn bad_questions_are_refused_by_field() {
    let w = World::new().await;
    let root = access(&w.server, "root", "Milvus").await;
    let fine = privilege(None, "Search", "c1");
    let many = |count| std::iter::repeat_n(fine.clone(), count).collect::<Vec<_>>();
    assert_eq!(check(&root, many(1_000)).await.unwrap(), vec![true; 1_000]);
    assert!(check(&root, vec![]).await.unwrap().is_empty());
    let text = "the request cannot be read: questions: there are more than 1000".to_owned();
    assert_eq!(refusal(check(&root, many(1_001)).await), (Code::InvalidArgument, text));
    let rpc = Question { asked: Some(Asked::Rpc("Sarch".to_owned())), ..fine.clone() };
    for (question, text) in [
        (Question { asked: None, ..fine.clone() }, "privilege: ask about a privilege or an rpc"),
        (
            privilege(None, "ReadOnly", "c1"),
            "privilege: `ReadOnly` is no privilege; of a group, ask about one of its privileges",
        ),
        (rpc, "rpc: `Sarch` is not the name of a call"),
        (
            privilege(None, "Search", &"c".repeat(256)),
            "collection_name: it is longer than 255 bytes",
        ),
    ] {
        let expected = (Code::InvalidArgument, format!("question.{text}"));
        assert_eq!(refusal(explain(&root, question.clone()).await), expected);
        assert_eq!(refusal(who_can(&root, question.clone()).await), expected);
        let expected = (Code::InvalidArgument, format!("questions[1].{text}"));
        assert_eq!(refusal(check(&root, vec![fine.clone(), question]).await), expected);
    }
    let text = "question.user: it is asked who can, not whether".to_owned();
    let who = who_can(&root, privilege(user("root"), "Search", "c1")).await;
    assert_eq!(refusal(who), (Code::InvalidArgument, text));
}

/// The database of the connection is that of questions that name none.
#[tokio::test]
async fn a_question_is_about_the_database_of_the_connection() {
    let w = world().await;
    let channel = w.server.endpoint().connect().await.unwrap();
    let login = Metadata::login("typed", PASSWORD).with("dbname", "db1");
    let there = AccessServiceClient::with_interceptor(channel, login);
    let here = access(&w.server, "typed", PASSWORD).await;
    let asked = || vec![privilege(None, "Search", "c2")];
    assert_eq!(check(&there, asked()).await.unwrap(), [true]);
    assert_eq!(check(&here, asked()).await.unwrap(), [false]);
    let named = Question { db_name: "db1".to_owned(), ..privilege(None, "Search", "c2") };
    assert_eq!(check(&here, vec![named]).await.unwrap(), [true]);
}

/// Where nothing is refused, nobody is refused an answer; it is that of the rules all the same.
#[tokio::test]
async fn without_authorization_everybody_may_ask() {
    let w = World::with(&["--authorization", "off"]).await;
    w.changes(create_user("reader", PASSWORD)).await;
    let anybody = access(&w.server, "reader", "wrong").await;
    let asked = vec![privilege(user("root"), "Search", "c1"), privilege(None, "Search", "c1")];
    assert_eq!(check(&anybody, asked).await.unwrap(), [true, false]);
    let who = who_can(&anybody, privilege(None, "Search", "c1")).await.unwrap();
    assert_eq!(who.len(), 2, "{who:?}");
    let asked = vec![privilege(user("nobody"), "Search", "c1")];
    assert_eq!(refusal(check(&anybody, asked).await).0, Code::InvalidArgument);
}

/// A long answer comes in pages, whole or not at all.
#[tokio::test]
async fn a_long_answer_does_not_end_as_if_it_were_whole() {
    let w = World::new().await;
    let grants = (0..8_000).map(|number| {
        let collection = format!("c{number:0>200}");
        entity("r", ("Collection", &collection), "Search", "default")
    });
    let meta = RbacMeta {
        roles: vec![RoleEntity { name: "r".to_owned(), ..RoleEntity::default() }],
        grants: grants.collect(),
        ..RbacMeta::default()
    };
    w.changes(restore(meta)).await;
    let ask = || WhatCanRequest { subject: Some(what_can_request::Subject::Role("r".to_owned())) };

    let mut root = access(&w.server, "root", "Milvus").await;
    let pages = pages(root.what_can(ask()).await.unwrap(), |page| page.revision).await.unwrap();
    assert!(pages.len() > 5, "{} pages", pages.len());
    assert!(pages.iter().all(|page| page.encoded_len() < 1 << 20));
    let all = pages.iter().flat_map(|page| &page.capabilities);
    let of_role = all.filter(|c| c.path.as_ref().unwrap().role == "r").count();
    assert_eq!(of_role, 8_000);

    // One who takes nothing for long is not through when the server has to end.
    let endpoint = w.server.endpoint().initial_stream_window_size(65_535);
    let endpoint = endpoint.initial_connection_window_size(65_535);
    let login = Metadata::login("root", "Milvus");
    let mut slow = AccessServiceClient::with_interceptor(endpoint.connect().await.unwrap(), login);
    let mut stream = slow.what_can(ask()).await.unwrap().into_inner();
    assert!(stream.message().await.unwrap().is_some());
    signal(w.server.pid(), "TERM");
    let mut refused = None;
    let mut more = 0;
    // Not before the server breaks off, and before it ends.
    tokio::time::sleep(std::time::Duration::from_millis(8_500)).await;
    while refused.is_none() {
        match stream.message().await {
            Ok(Some(page)) => more += page.capabilities.len(),
            Ok(None) => break,
            Err(status) => refused = Some(status),
        }
    }
    let refused = refused.expect("it ended as if it were whole");
    assert_eq!((refused.code(), refused.message()), (Code::Unavailable, "the server is stopping"));
    assert!(more < 8_000);
}
