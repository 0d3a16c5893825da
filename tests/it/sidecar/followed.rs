//! A sidecar that follows: the grants on a collection share its fate at the centre, in whose store
//! they are.

use tempfile::TempDir;

use super::fields::{named, text};
use super::*;
use crate::follow::{FLAGS, following, login_file, make_user};
use crate::rpc::requests::{delete_user, grants_of, line};
use crate::support::Metadata;

const DROP: &str = "DropCollection";
const RENAME: &str = "RenameCollection";

fn rename(from: &str, to: &str) -> Vec<u8> {
    [text(2, "db1"), text(3, from), text(4, to), text(5, "db1")].concat()
}

async fn grants(client: &Client, role: &str) -> Vec<String> {
    let answer = client.clone().select_grant(grants_of(role, "*")).await.unwrap();
    answer.into_inner().entities.iter().map(line).collect()
}

/// A centre, and a sidecar that follows it as `follower`, who may follow and no more.
async fn pair() -> (TempDir, Server, Sidecar) {
    let folder = TempDir::new().unwrap();
    let center = Server::start(&FLAGS);
    let mut root = center.root().await;
    make_user(&mut root, "follower").await;
    done(&root, grant_v2("follower", "BackupRBAC", ("*", "*"))).await;
    let login = login_file(folder.path(), &format!("follower:{PASSWORD}"));
    let upstream = Upstream::start().await;
    let mut start = following(&center.address, &login);
    let server = Server::run(start.args(["--upstream", &upstream.url()]));
    (folder, center, Sidecar::of(server, upstream).await)
}

#[tokio::test]
async fn grants_go_and_move_at_the_centre() {
    let (_folder, center, w) = pair().await;
    let root = center.root().await;
    w.does(grant_v2("follower", "ManageOwnership", ("*", "*"))).await;
    // The caller may drop and rename, and change no grant.
    let all = [
        ("DropCollection", "db1", "*"),
        ("RenameCollection", "*", "*"),
        ("Search", "db1", "c1"),
        ("Search", "db1", "c2"),
    ];
    let user = w.user("u", &all).await;
    let mut expected = grants(&root, "u").await;
    assert_eq!(expected.len(), 4);

    w.allows(&user, RENAME, &rename("c1", "c3")).await;
    for line in &mut expected {
        *line = line.replace("db1.c1", "db1.c3");
    }
    let same = |mut found: Vec<String>, expected: &[String]| {
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
    };
    same(grants(&w.root, "u").await, &expected);
    same(grants(&root, "u").await, &expected);
    w.allows(&user, "Search", &named("db1", "c3")).await;
    w.denies(&user, "Search", &named("db1", "c1")).await;

    w.allows(&user, DROP, &named("db1", "c3")).await;
    expected.retain(|line| !line.contains("db1.c3"));
    same(grants(&w.root, "u").await, &expected);
    same(grants(&root, "u").await, &expected);
    w.denies(&user, "Search", &named("db1", "c3")).await;
    w.allows(&user, "Search", &named("db1", "c2")).await;
}

#[tokio::test]
async fn nothing_is_dropped_where_the_grants_could_not_follow() {
    let (_folder, center, w) = pair().await;
    let root = Raw::root(&w.server).await;
    w.user("u", &[("Search", "db1", "c1")]).await;
    let before = grants(&w.root, "u").await;
    // The login of the follower may follow alone.
    for (method, message) in [(DROP, named("db1", "c1")), (RENAME, rename("c1", "c2"))] {
        let told = w.denies(&root, method, &message).await;
        assert!(told.contains("nothing was done"), "{told}");
        assert!(told.contains("ManageOwnership on `*`"), "{told}");
    }
    w.does(grant_v2("follower", "ManageOwnership", ("*", "*"))).await;
    done(&center.root().await, delete_user("follower")).await;
    let told = w.denies(&root, DROP, &named("db1", "c1")).await;
    assert!(told.contains("--store-login-file"), "{told}");
    center.kill();
    let told = w.refuses(&root, DROP, frame(&named("db1", "c1")), Code::Unavailable).await.text;
    assert!(told.contains("nothing was done"), "{told}");
    assert_eq!(grants(&w.root, "u").await, before);
}

/// The right to do so is that to change grants.
#[tokio::test]
async fn who_may_not_change_grants_may_not_move_them() {
    use milvus_rbac::rpc::proto::access::MoveGrantsRequest;
    use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;

    let center = Server::start(&FLAGS);
    let mut root = center.root().await;
    for user in ["manager", "backup", "target"] {
        make_user(&mut root, user).await;
    }
    done(&root, grant_v2("manager", "ManageOwnership", ("*", "*"))).await;
    done(&root, grant_v2("backup", "BackupRBAC", ("*", "*"))).await;
    done(&root, grant_v2("target", "Search", ("db1", "c1"))).await;
    let channel = center.endpoint().connect().await.unwrap();
    let request = |collection: &str| MoveGrantsRequest {
        database: "db1".to_owned(),
        collection: collection.to_owned(),
        ..Default::default()
    };
    let call = async |user: &str, collection: &str| {
        let login = Metadata::login(user, PASSWORD);
        let mut client = AccessServiceClient::with_interceptor(channel.clone(), login);
        client.move_grants(request(collection)).await.map(|answer| answer.into_inner().code)
    };
    for user in ["backup", "target"] {
        for collection in ["", "c1"] {
            assert_eq!(call(user, collection).await.unwrap_err().code(), Code::PermissionDenied);
        }
    }
    assert_eq!(grants(&root, "target").await.len(), 1);
    assert_eq!(call("manager", "").await.unwrap(), 0);
    assert_eq!(grants(&root, "target").await.len(), 1);
    assert_eq!(call("manager", "c1").await.unwrap(), 0);
    assert_eq!(grants(&root, "target").await.len(), 0);
}
