//! A follower of a centre whose data port has TLS.

use milvus_rbac::rpc::proto::service::{SelectRoleRequest, SelectRoleResponse};

use super::*;
use crate::follow::login_file;
use crate::lifecycle::fails;
use crate::rpc::requests::create_role;

fn follower(center: &Server, ca: &Path) -> Command {
    let mut command = command(&format!("follows://{}", center.address));
    command.arg("--store-ca").arg(ca);
    command
}

async fn knows(follower: &Server, role: &str) -> bool {
    let answer = follower.root().await.select_role(SelectRoleRequest::default()).await;
    let Ok(answer) = answer else { return false };
    let SelectRoleResponse { results, .. } = answer.into_inner();
    results.iter().any(|result| result.role.as_ref().is_some_and(|found| found.name == role))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_over_tls_and_on_while_certificates_change() {
    let (certificates, own, way) = scene();
    let folder = TempDir::new().unwrap();
    let center = Server::run(&mut secure(&own));
    let login = login_file(folder.path(), "root:Milvus");
    let mut start = follower(&center, &certificates.ca());
    let server = Server::run(start.arg("--store-login-file").arg(&login));
    way.call(&center, ROOT, "CreateRole", &create_role("one")).await.unwrap().succeeded();
    until("the follower knows it", async || knows(&server, "one").await).await;
    // A change that is asked of the follower.
    let made = server.root().await.create_role(create_role("two")).await.unwrap();
    assert_eq!(made.into_inner().code, 0);
    replace(&own, &certificates.issue("other"));
    let new = CertificateDer::from_pem_file(&own.0).unwrap();
    until("the new certificate is shown", async || {
        way.open(&center).await.unwrap().certificate == new
    })
    .await;
    way.call(&center, ROOT, "CreateRole", &create_role("three")).await.unwrap().succeeded();
    until("the follower knows it", async || knows(&server, "three").await).await;
    // And one that comes afterwards, and strangers.
    let mut start = follower(&center, &certificates.ca());
    let late = Server::run(start.arg("--store-login-file").arg(&login));
    assert!(knows(&late, "three").await);
    let others = Certificates::new();
    let mut stranger = follower(&center, &others.ca());
    fails(stranger.arg("--store-login-file").arg(&login), 1, "invalid peer certificate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_followers_certificate_speaks_for_itself_and_for_nobody_else() {
    let (certificates, own, way) = scene();
    let mut start = mutual(&own, &certificates.ca());
    let center = Server::run(start.args(["--tls-client-user", "cn"]));
    let (certificate, key) = certificates.sign("follower", &named("root", &[]));
    let showing = || {
        let mut command = follower(&center, &certificates.ca());
        command.arg("--store-cert").arg(&certificate).arg("--store-key").arg(&key);
        command
    };
    // It is root there, and needs no login of its own.
    let server = Server::run(&mut showing());
    let root = way.clone().showing(&(certificate.clone(), key.clone()));
    root.call(&center, None, "CreateRole", &create_role("one")).await.unwrap().succeeded();
    until("the follower knows it", async || knows(&server, "one").await).await;
    // Its callers are who they say they are, and not it.
    let made = server.root().await.create_role(create_role("two")).await.unwrap();
    assert_eq!(made.into_inner().code, 0);
    let open = Server::run(showing().args(["--authorization", "off"]));
    let mut nobody = open.connect(crate::support::Metadata::default()).await;
    let refused = nobody.create_role(create_role("three")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused:?}");
    // Nor are those who show a certificate to it.
    let mut start = showing();
    start.arg("--tls-cert").arg(&own.0).arg("--tls-key").arg(&own.1);
    start.arg("--tls-client-ca").arg(certificates.ca()).args(["--tls-client-user", "cn"]);
    let third = Server::run(&mut start);
    let told = root.call(&third, None, "CreateRole", &create_role("three")).await.unwrap();
    assert_eq!(told.code, Code::Unauthenticated);
    assert!(told.text.contains("so send that too"), "{}", told.text);
    root.call(&third, ROOT, "CreateRole", &create_role("three")).await.unwrap().succeeded();
}
