//! Users whom certificates name: who calls then, with a login and without.

use std::net::{IpAddr, Ipv4Addr};

use milvus_rbac::rpc::proto::access::{ListAuditEventsRequest, ListAuditEventsResponse};
use milvus_rbac::rpc::proto::envoy::service::auth::v3::attribute_context::{
    HttpRequest, Request as Attributes,
};
use milvus_rbac::rpc::proto::envoy::service::auth::v3::{
    AttributeContext, CheckRequest, CheckResponse,
};
use milvus_rbac::rpc::proto::service::{
    ListCredUsersRequest, ListCredUsersResponse, ListDatabasesResponse,
};

use super::*;
use crate::rest::upstream::Rest;
use crate::rpc::requests::{PASSWORD, create_role, create_user, delete_user};

const WRONG: &str = "auth check failure, please check username and password are correct";

/// A server where certificates name users, of whom there are root and `alice`, and root's way.
struct Scene {
    certificates: Certificates,
    server: Server,
    way: Way,
    root: Way,
}

impl Scene {
    async fn new(by: &str, flags: &[&str]) -> Self {
        let (certificates, own, way) = scene();
        let mut start = mutual(&own, &certificates.ca());
        let server = Server::run(start.args(["--tls-client-user", by]).args(flags));
        let root = certificates.sign("root", &named("root", &[dns("root")]));
        let root = way.clone().showing(&root);
        let alice = create_user("alice", PASSWORD);
        let made = root.call(&server, None, "CreateCredential", &alice);
        made.await.unwrap().succeeded();
        Self { certificates, server, way, root }
    }

    fn showing(&self, common: &str, alternative: &[SanType]) -> Way {
        let own = self.certificates.sign("client", &named(common, alternative));
        self.way.clone().showing(&own)
    }

    /// Whether that caller is let in, and else why not.
    async fn told(&self, way: &Way, login: Option<&str>) -> Result<(), String> {
        way.knocks(&self.server, login).await
    }
}

/// Who the caller is, as a denial tells.
async fn denied(way: &Way, server: &Server) -> String {
    let told = way.call(server, None, "CreateRole", &create_role("r")).await.unwrap();
    assert_eq!(told.code, Code::PermissionDenied, "{told:?}");
    told.text
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_alternative_name_is_the_user() {
    let scene = Scene::new("san", &[]).await;
    let address = SanType::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let uri = || SanType::URI("spiffe://alice".try_into().unwrap());
    let email = || SanType::Rfc822Name("alice".try_into().unwrap());
    let (several, none) = ("more than one subject alternative name", "no subject alternative name");
    for (names, outcome) in [
        (vec![dns("alice")], Ok(())),
        (vec![email()], Ok(())),
        (vec![uri()], Err(WRONG)),
        (vec![dns("Alice")], Err(WRONG)),
        (vec![dns("alice.")], Err(WRONG)),
        (vec![dns("mallory")], Err(WRONG)),
        // Nobody guesses, even if one of them alone is a user.
        (vec![dns("mallory"), dns("alice")], Err(several)),
        (vec![dns("alice"), dns("alice")], Err(several)),
        (vec![dns("alice"), address.clone()], Err(several)),
        (vec![address], Err(none)),
        (vec![], Err(none)),
    ] {
        // The common name says nothing here.
        let way = scene.showing("root", &names);
        for login in [None, Some("alice:secret")] {
            match (scene.told(&way, login).await, outcome) {
                (Ok(()), Ok(())) => {}
                (Err(told), Err(text)) => assert!(told.contains(text), "{names:?}: {told}"),
                (told, _) => panic!("{names:?}, {login:?}: {told:?}"),
            }
        }
    }
    let text = denied(&scene.showing("root", &[dns("alice")]), &scene.server).await;
    assert!(text.contains("permission deny to alice"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_one_common_name_is_the_user() {
    let scene = Scene::new("cn", &[]).await;
    let alice = scene.showing("alice", &[dns("root"), dns("localhost")]);
    assert!(denied(&alice, &scene.server).await.contains("permission deny to alice"));
    for name in ["mallory", "Alice", "alice ", " alice", "alice\0"] {
        let told = scene.told(&scene.showing(name, &[dns("alice")]), None).await.unwrap_err();
        assert_eq!(told, WRONG, "{name:?}");
    }
    let told = scene.told(&scene.showing("", &[dns("alice")]), None).await.unwrap_err();
    assert_eq!(told, WRONG);
    scene.told(&scene.root, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_beside_the_certificate_is_that_users_own_and_right() {
    let scene = Scene::new("san", &[]).await;
    let alice = scene.showing("x", &[dns("alice")]);
    scene.told(&alice, Some("alice:secret")).await.unwrap();
    for login in ["alice:wrong", "root:Milvus", "mallory:secret", "alice", ":", "alice:"] {
        let told = scene.told(&alice, Some(login)).await.unwrap_err();
        assert!(told.starts_with("auth check failure"), "{login}: {told}");
    }
    // It tells nothing of whether another's login is right.
    assert_eq!(
        scene.told(&alice, Some("root:Milvus")).await,
        scene.told(&alice, Some("root:wrong")).await
    );
    // What others show does not name them: the certificate goes with the connection.
    scene.told(&scene.root, Some("alice:secret")).await.unwrap_err();

    let url = format!("https://{}/v2/vectordb/users/list", scene.server.address);
    let ca = scene.certificates.ca();
    let rest = |(certificate, key): &Own, more: &[&str]| {
        let files = [&ca, certificate, key].map(|file| file.to_str().unwrap());
        let args = ["--cacert", files[0], "--cert", files[1], "--key", files[2], "-d", "{}", &url];
        curl(&[&args[..], more].concat())
    };
    let root = scene.root.own.as_ref().unwrap();
    let users = (0, r#"{"code":0,"data":["alice","root"]}"#.to_owned());
    assert_eq!(rest(root, &[]), users);
    assert_eq!(rest(root, &["-u", "root:Milvus"]), users);
    assert_eq!(rest(root, &["-H", "Authorization: Bearer root:Milvus"]), users);
    let refused = (0, r#"{"code":1800,"message":"user hasn't authenticated"}"#.to_owned());
    assert_eq!(rest(root, &["-u", "alice:secret"]), refused);
    let (_, denied) = rest(alice.own.as_ref().unwrap(), &[]);
    assert!(denied.contains("permission deny to alice"), "{denied}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_dropped_is_out_at_once_and_the_trail_tells_how_callers_came() {
    let scene = Scene::new("san", &[]).await;
    let alice = scene.showing("x", &[dns("alice")]);
    let line = alice.open(&scene.server).await.unwrap();
    let version = path("GetVersion");
    assert_eq!(line.call(None, &version, &()).await.unwrap().code, Code::Ok);
    let root = scene.root.open(&scene.server).await.unwrap();
    let dropped = root.call(None, &path("DeleteCredential"), &delete_user("alice")).await;
    dropped.unwrap().succeeded();
    for login in [None, Some("alice:secret")] {
        let told = line.call(login, &version, &()).await.unwrap();
        assert_eq!((told.code, &*told.text), (Code::Unauthenticated, WRONG));
    }
    let made = root.call(ROOT, &path("CreateCredential"), &create_user("alice", PASSWORD)).await;
    made.unwrap().succeeded();
    assert_eq!(line.call(None, &version, &()).await.unwrap().code, Code::Ok);

    let list = "/milvus_rbac.v1.AccessService/ListAuditEvents";
    let listed = root.call(None, list, &ListAuditEventsRequest::default()).await.unwrap();
    let answers = listed.messages::<ListAuditEventsResponse>();
    let events: Vec<_> = answers.into_iter().flat_map(|answer| answer.events).collect();
    let peers: Vec<_> = events.iter().filter(|e| e.actor == "root").map(|e| &*e.peer).collect();
    let by = |peer: &&str| peer.ends_with(" by certificate");
    assert_eq!(peers.iter().map(by).collect::<Vec<_>>(), [true, true, false], "{peers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn health_needs_no_user_and_reflection_does() {
    let scene = Scene::new("san", &[]).await;
    let nobody = scene.showing("x", &[]);
    let line = nobody.open(&scene.server).await.unwrap();
    let health = line.call(None, "/grpc.health.v1.Health/Check", &()).await.unwrap();
    assert_eq!(health.code, Code::Ok);
    let reflection = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
    let told = line.call(None, reflection, &()).await.unwrap();
    assert_eq!(told.code, Code::Unauthenticated);
    let root = scene.root.open(&scene.server).await.unwrap();
    assert_ne!(root.call(None, reflection, &()).await.unwrap().code, Code::Unauthenticated);
}

#[tokio::test(flavor = "multi_thread")]
async fn envoys_own_certificate_is_not_the_callers() {
    let scene = Scene::new("san", &["--ext-authz", "on"]).await;
    let check = "/envoy.service.auth.v3.Authorization/Check";
    let question = |login: Option<&str>| {
        let login = login.map(|login| ("authorization".to_owned(), STANDARD.encode(login)));
        let fixed = ("content-type".to_owned(), "application/grpc".to_owned());
        let headers = login.into_iter().chain([fixed]).collect();
        let raw_body = frame(&ListCredUsersRequest::default().encode_to_vec()).to_vec();
        let http = HttpRequest { headers, path: path("ListCredUsers"), raw_body };
        let request = Some(Attributes { http: Some(http) });
        CheckRequest { attributes: Some(AttributeContext { request }) }
    };
    // Even if that is root's.
    let envoy = scene.root.open(&scene.server).await.unwrap();
    let told = async |login| {
        let answer = envoy.call(None, check, &question(login)).await.unwrap();
        answer.message::<CheckResponse>().status.unwrap().code
    };
    assert_eq!(told(None).await, Code::Unauthenticated as i32);
    assert_eq!(told(ROOT).await, Code::Ok as i32);
    assert_eq!(told(Some("alice:secret")).await, Code::PermissionDenied as i32);
    let listed = envoy.call(None, &path("ListCredUsers"), &ListCredUsersRequest::default()).await;
    let users = listed.unwrap().message::<ListCredUsersResponse>().usernames;
    assert_eq!(users, ["alice", "root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_is_shown_the_callers_login_needs_one() {
    let (upstream, rest) = (Server::start(&[]), Rest::start());
    let (url, rest_url) = (format!("http://{}", upstream.address), rest.url.clone());
    let flags =
        ["--upstream", &url, "--upstream-rest", &rest_url, "--upstream-auth", "passthrough"];
    let scene = Scene::new("san", &flags).await;
    let line = scene.root.open(&scene.server).await.unwrap();
    let list = path("ListDatabases");
    let told = line.call(None, &list, &()).await.unwrap();
    assert_eq!(told.code, Code::Unauthenticated);
    assert!(told.text.contains("the caller's own login, so send that too"), "{}", told.text);
    let listed = line.call(ROOT, &list, &()).await.unwrap().message::<ListDatabasesResponse>();
    assert_eq!(listed.db_names, ["default"]);
    // What is answered here needs none.
    let listed = line.call(None, &path("ListCredUsers"), &ListCredUsersRequest::default()).await;
    assert_eq!(listed.unwrap().code, Code::Ok);

    let url = format!("https://{}/v2/vectordb/collections/list", scene.server.address);
    let (certificate, key) = scene.root.own.as_ref().unwrap();
    let files =
        [&scene.certificates.ca(), certificate, key].map(|f| f.to_str().unwrap().to_owned());
    let args = ["--cacert", &files[0], "--cert", &files[1], "--key", &files[2], "-d", "{}", &url];
    let refused = (0, r#"{"code":1800,"message":"user hasn't authenticated"}"#.to_owned());
    assert_eq!(curl(&args), refused);
    let login = ["-H", "Authorization: Bearer root:Milvus"];
    assert!(curl(&[&args[..], &login].concat()).1.contains("\"c1\""));
}
