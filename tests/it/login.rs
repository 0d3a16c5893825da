//! Logging in: what a refusal tells, and what ends a login.

use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::milvus_service_client::MilvusServiceClient;
use milvus_rbac::rpc::proto::service::*;
use tonic::Code;

use crate::support::{Client, Metadata, Server, encoded};

const REFUSED: &str = "auth check failure, please check username and password are correct";

async fn create(root: &mut Client, user: &str, password: &str) {
    let (username, password) = (user.to_owned(), encoded(password));
    let request = CreateCredentialRequest { username, password, ..Default::default() };
    assert_eq!(root.create_credential(request).await.unwrap().into_inner().code, 0);
}

/// A call that needs nothing but a login.
async fn call(client: &mut Client) -> Result<(), (Code, String)> {
    let answer = client.get_version(GetVersionRequest::default()).await;
    answer.map(|_| ()).map_err(|e| (e.code(), e.message().to_owned()))
}

#[tokio::test]
async fn refusals_tell_what_is_wrong_with_the_header_but_not_with_the_login() {
    let server = Server::start(&[]);
    let plain = |value: &str| Metadata::default().with("authorization", value);
    let cases = [
        (Metadata::default(), "missing authorization in header"),
        (plain("not base64!"), "invalid token format"),
        (plain("Bearer cm9vdDpNaWx2dXM="), "invalid token format"),
        (plain(&encoded("an-api-key")), "auth check failure, please check api key is correct"),
        (Metadata::login("root", "wrong"), REFUSED),
        (Metadata::login("nobody", "Milvus"), REFUSED),
        (Metadata::login("", ""), REFUSED),
        (Metadata::login(" root", "Milvus"), REFUSED),
        (Metadata::login("root", &"x".repeat(4000)), REFUSED),
        (Metadata::login("root", "Milvus\0"), REFUSED),
    ];
    for (metadata, text) in cases {
        let sent = format!("{metadata:?}");
        let refused = call(&mut server.connect(metadata).await).await;
        assert_eq!(refused, Err((Code::Unauthenticated, text.to_owned())), "{sent}");
    }
    create(&mut server.root().await, "colon", "a:b:c:").await;
    assert_eq!(call(&mut server.client("colon", "a:b:c:").await).await, Ok(()));
}

#[tokio::test]
async fn a_remembered_login_ends_with_its_password_and_its_user() {
    let server = Server::start(&[]);
    let mut root = server.root().await;
    let ended = || Err((Code::Unauthenticated, REFUSED.to_owned()));
    create(&mut root, "u1", "first one").await;
    let mut first = server.client("u1", "first one").await;
    assert_eq!(call(&mut first).await, Ok(()));
    let request = UpdateCredentialRequest {
        username: "u1".to_owned(),
        old_password: encoded("first one"),
        new_password: encoded("second one"),
        ..Default::default()
    };
    assert_eq!(root.update_credential(request).await.unwrap().into_inner().code, 0);
    assert_eq!(call(&mut first).await, ended());
    let mut second = server.client("u1", "second one").await;
    assert_eq!(call(&mut second).await, Ok(()));
    let request = DeleteCredentialRequest { username: "u1".to_owned(), ..Default::default() };
    root.delete_credential(request).await.unwrap();
    assert_eq!(call(&mut second).await, ended());
    // The same name with the same password again is another user, whose login is verified anew.
    create(&mut root, "u1", "second one").await;
    assert_eq!(call(&mut second).await, Ok(()));
}

/// The median times of refused logins, measured in turns.
async fn refusals<const N: usize>(server: &Server, users: [&str; N]) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..21 {
        for (user, times) in users.iter().zip(&mut times) {
            let mut client = server.client(user, "passwore").await;
            let start = Instant::now();
            assert!(call(&mut client).await.is_err());
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times.get(times.len() / 2).copied().unwrap()
    })
}

#[tokio::test]
async fn a_refusal_takes_as_long_for_an_unknown_user_as_for_a_wrong_password() {
    let server = Server::start(&["--bcrypt-cost", "8"]);
    let mut root = server.root().await;
    create(&mut root, "known", "password").await;
    // A restored user whose hash is cheaper than new ones are.
    let user = UserInfo {
        user: "cheap".to_owned(),
        password: bcrypt::hash("password", 7).unwrap(),
        roles: Vec::new(),
    };
    let meta = RbacMeta { users: vec![user], ..Default::default() };
    let request = RestoreRbacMetaRequest { rbac_meta: Some(meta), ..Default::default() };
    assert_eq!(root.restore_rbac(request).await.unwrap().into_inner().code, 0);
    // A login that is remembered must not make wrong passwords quicker.
    assert_eq!(call(&mut server.client("known", "password").await).await, Ok(()));

    let [unknown, known, cheap] = refusals(&server, ["unknown", "known", "cheap"]).await;
    for (user, wrong) in [("known", known), ("cheap", cheap)] {
        let ratio = wrong.as_secs_f64() / unknown.as_secs_f64();
        assert!((0.7..1.4).contains(&ratio), "{user}: {wrong:?} against {unknown:?}");
    }
}

/// Hashing cannot be stopped, so those who break off must not make room for more of it.
#[tokio::test]
async fn logins_that_are_broken_off_still_take_their_turn() {
    let server = Server::start(&["--bcrypt-cost", "9"]);
    create(&mut server.root().await, "u1", "password").await;
    for _ in 0..100 {
        let mut client = server.client("root", "wrong").await;
        let broken_off = tokio::time::timeout(Duration::from_millis(10), call(&mut client)).await;
        drop(broken_off);
    }
    // Nothing is left of them but the one that runs: threads of the process tell.
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).unwrap();
    let threads: usize = threads.trim().parse().unwrap();
    assert!(threads < 30, "{threads} threads");
    assert_eq!(call(&mut server.client("u1", "password").await).await, Ok(()));
}

#[tokio::test]
async fn a_storm_of_logins_is_cut_off_and_leaves_others_alone() {
    let server = Server::start(&["--bcrypt-cost", "7"]);
    let mut root = server.root().await;
    assert_eq!(call(&mut root).await, Ok(()));
    let storm: Vec<_> = (0..4)
        .map(|_| {
            let endpoint = server.endpoint();
            tokio::spawn(async move {
                let channel = endpoint.connect().await.unwrap();
                let calls: Vec<_> = (0..200)
                    .map(|_| {
                        let login = Metadata::login("root", "wrong");
                        let mut client =
                            MilvusServiceClient::with_interceptor(channel.clone(), login);
                        tokio::spawn(async move { call(&mut client).await.unwrap_err().0 })
                    })
                    .collect();
                let mut codes = Vec::new();
                for call in calls {
                    codes.push(call.await.unwrap());
                }
                codes
            })
        })
        .collect();
    // A remembered login needs no hashing, so it does not wait for the storm.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..20 {
        tokio::time::timeout(Duration::from_secs(5), call(&mut root)).await.unwrap().unwrap();
    }
    let mut refused = 0;
    for calls in storm {
        for code in calls.await.unwrap() {
            match code {
                Code::ResourceExhausted => refused += 1,
                Code::Unauthenticated => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert!(refused > 0, "nothing was cut off");
    assert_eq!(call(&mut root).await, Ok(()));
}
