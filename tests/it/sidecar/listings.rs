//! Listings show what the caller may see, and keep together what belongs together.

use milvus_rbac::rpc::proto::service::*;
use prost::Message;
use tonic::Code;

use super::fields::text;
use super::upstream::Reply;
use super::{Grant, Sidecar, path};
use crate::rpc::raw::{Raw, RawAnswer, frame};
use crate::rpc::requests::{add_members, bind, create_group};

const DATABASES: [&str; 4] = ["db1", "default", "db3", "db2"];
const COLLECTIONS: [&str; 5] = ["c1", "c2", "c3", "c2x", "C1"];

fn number(i: usize) -> i32 {
    i32::try_from(i).unwrap() + 1
}

fn databases(shown: &[&str]) -> ListDatabasesResponse {
    let kept = || DATABASES.iter().enumerate().filter(|(_, name)| shown.contains(name));
    ListDatabasesResponse {
        db_names: kept().map(|(_, name)| (*name).to_owned()).collect(),
        created_timestamp: kept().map(|(i, _)| 100 + i as u64).collect(),
        db_ids: kept().map(|(i, _)| i64::from(number(i))).collect(),
        status: Some(Default::default()),
    }
}

fn collections(shown: &[&str]) -> ShowCollectionsResponse {
    let kept = || COLLECTIONS.iter().enumerate().filter(|(_, name)| shown.contains(name));
    ShowCollectionsResponse {
        collection_names: kept().map(|(_, name)| (*name).to_owned()).collect(),
        collection_ids: kept().map(|(i, _)| i64::from(number(i)) * 10).collect(),
        created_timestamps: kept().map(|(i, _)| 200 + i as u64).collect(),
        created_utc_timestamps: kept().map(|(i, _)| 300 + i as u64).collect(),
        in_memory_percentages: kept().map(|(i, _)| i64::from(number(i)) * 7).collect(),
        query_service_available: kept().map(|(i, _)| i.is_multiple_of(2)).collect(),
        shards_num: kept().map(|(i, _)| number(i)).collect(),
        status: Some(Default::default()),
    }
}

async fn world() -> Sidecar {
    let w = Sidecar::new().await;
    w.upstream.answers("ListDatabases", |_| Reply::message(&databases(&DATABASES)));
    w.upstream.answers("ShowCollections", |_| Reply::message(&collections(&COLLECTIONS)));
    w
}

/// What the caller is shown of the databases, and of the collections of db1.
async fn shown(caller: &Raw) -> (ListDatabasesResponse, ShowCollectionsResponse) {
    let list = caller.unary(&path("ListDatabases"), frame(&[])).await;
    assert_eq!(list.code, Code::Ok, "{}", list.text);
    let show = caller.unary(&path("ShowCollections"), frame(&text(2, "db1"))).await;
    assert_eq!(show.code, Code::Ok, "{}", show.text);
    // However the database is named.
    let connected = caller.with("dbname", b"db1");
    let same = connected.unary(&path("ShowCollections"), frame(&[])).await;
    assert_eq!(same.body, show.body);
    (list.message(), show.message())
}

#[tokio::test]
async fn grants_tell_what_is_seen() {
    let w = world().await;
    w.does(create_group("g1")).await;
    w.does(add_members("g1", &["Query", "Search"])).await;
    w.does(create_group("g2")).await;
    w.does(add_members("g2", &["CreateCollection", "ShowCollections"])).await;
    let (every, all) = (&DATABASES[..], &COLLECTIONS[..]);
    let one = ("Search", "db1", "c1");
    type Row<'a> = (&'a [Grant<'a>], &'a [&'a str], &'a [&'a str]);
    let rows: [Row<'_>; 15] = [
        (&[], &[], &[]),
        (&[one], &["db1"], &["c1"]),
        (&[one, ("Query", "db1", "c3"), ("Query", "db2", "c2")], &["db1", "db2"], &["c1", "c3"]),
        (&[("Search", "db1", "c9")], &["db1"], &[]),
        (&[("Search", "default", "c1")], &["default"], &[]),
        (&[("Search", "db1", "*")], &["db1"], all),
        (&[("Search", "*", "*")], every, all),
        (&[("CollectionReadOnly", "db1", "c2")], &["db1"], &["c2"]),
        (&[("CollectionAdmin", "*", "*")], every, all),
        (&[("g1", "db1", "c2x")], &["db1"], &["c2x"]),
        (&[("g2", "db1", "*")], &["db1"], all),
        (&[("DatabaseReadOnly", "db1", "*")], &["db1"], all),
        (&[("ShowCollections", "db2", "*")], &["db2"], &[]),
        (&[("ClusterReadOnly", "*", "*")], every, &[]),
        (&[("*", "db1", "C1")], &["db1"], &["C1"]),
    ];
    for (i, (grants, list, show)) in rows.into_iter().enumerate() {
        let user = w.user(&format!("u{i}"), grants).await;
        assert_eq!(shown(&user).await, (databases(list), collections(show)), "{grants:?}");
    }
    let everything = (databases(every), collections(all));
    let admin = w.user("a1", &[]).await;
    w.does(bind("a1", "admin")).await;
    assert_eq!(shown(&admin).await, everything);
    let root = Raw::root(&w.server).await;
    assert_eq!(shown(&root).await, everything);
    // In force at once.
    let user = w.user("last", &[one]).await;
    w.revoke("last", one).await;
    assert_eq!(shown(&user).await, (databases(&[]), collections(&[])));
}

#[tokio::test]
async fn lists_that_older_versions_leave_empty_stay_so() {
    let w = world().await;
    let user = w.user("u1", &[("Search", "db1", "c2")]).await;
    let old = |shown: &[&str]| ShowCollectionsResponse {
        in_memory_percentages: Vec::new(),
        query_service_available: Vec::new(),
        shards_num: Vec::new(),
        ..collections(shown)
    };
    w.upstream.answers("ShowCollections", move |_| Reply::message(&old(&COLLECTIONS)));
    assert_eq!(shown(&user).await.1, old(&["c2"]));
}

#[tokio::test]
async fn what_cannot_be_filtered_is_not_shown() {
    let w = world().await;
    let user = w.user("u1", &[("Search", "db1", "c2")]).await;
    let root = Raw::root(&w.server).await;
    let good = databases(&DATABASES).encode_to_vec();
    let mut zipped = frame(&good).to_vec();
    zipped[0] = 1;
    let short = frame(&good)[..20].to_vec();
    let two = [frame(&good), frame(&good)].concat();
    for body in [zipped, short, two, frame(&[0x12, 50, b'd']).to_vec()] {
        let reply = Reply { body: body.clone().into(), ..Reply::ok(&[]) };
        w.upstream.answers("ListDatabases", move |_| reply.clone());
        let RawAnswer { code, text, body: seen, .. } =
            user.unary(&path("ListDatabases"), frame(&[])).await;
        assert_eq!(
            (code, &*text, seen.len()),
            (Code::Unimplemented, "the upstream's ListDatabases cannot be filtered", 0)
        );
        let seen = root.unary(&path("ListDatabases"), frame(&[])).await;
        assert_eq!((seen.code, &seen.body[..]), (Code::Ok, &body[..]), "{}", seen.text);
    }
    // Refusals are shown as they are, but for a message beside them.
    for trailers in [true, false] {
        w.upstream.answers("ListDatabases", move |_| match trailers {
            true => Reply {
                trailers: Some(super::upstream::headers(&[("grpc-status", "8")])),
                ..Reply::message(&databases(&DATABASES))
            },
            false => Reply::status("8"),
        });
        let answer = user.unary(&path("ListDatabases"), frame(&[])).await;
        assert_eq!((answer.code, answer.body.len()), (Code::ResourceExhausted, 0));
    }
}

#[tokio::test]
async fn metadata_of_listings_comes_through() {
    let w = world().await;
    let user = w.user("u1", &[("Search", "db1", "c2")]).await;
    w.upstream.answers("ListDatabases", |_| {
        let mut reply = Reply::message(&databases(&DATABASES));
        reply.headers = super::upstream::headers(&[("x-head", "1"), ("x-head-bin", "AAE")]);
        let last = [("grpc-status", "0"), ("x-last", "2")];
        reply.trailers = Some(super::upstream::headers(&last));
        reply
    });
    let answer = user.unary(&path("ListDatabases"), frame(&[])).await;
    assert_eq!(answer.headers.get("x-head").unwrap(), "1");
    assert_eq!(answer.headers.get("x-head-bin").unwrap(), "AAE");
    let trailers = answer.trailers.clone().unwrap();
    assert_eq!(trailers.get("x-last").unwrap(), "2");
    assert_eq!(answer.message::<ListDatabasesResponse>(), databases(&["db1"]));
}
