//! TLS towards a Milvus behind: another server plays it for gRPC, and something that ends TLS in front
//! of what plays its REST.

use milvus_rbac::rpc::proto::service::ListDatabasesResponse;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use super::*;
use crate::rest::upstream::Rest;
use crate::rest::{post, request};
use crate::rpc::raw::Raw;
use crate::rpc::requests::create_database;

/// Takes TLS with a client's certificate and HTTP/1.1, and passes on what is inside.
async fn terminator(to: &str, certificates: &Certificates, own: &Own) -> String {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(certificates.ca()).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let shown = vec![CertificateDer::from_pem_file(&own.0).unwrap()];
    let builder = ServerConfig::builder_with_provider(provider);
    let mut config = builder
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients.build().unwrap())
        .with_single_cert(shown, PrivateKeyDer::from_pem_file(&own.1).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let to = to.strip_prefix("http://").unwrap().to_owned();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let Ok(mut client) = acceptor.accept(client).await else { continue };
            let mut to = TcpStream::connect(&to).await.unwrap();
            let _ = tokio::io::copy_bidirectional(&mut client, &mut to).await;
        }
    });
    url
}

fn before(upstream: &str, files: &[(&str, &Path)]) -> Command {
    let mut command = command("memory:");
    command.args(["--upstream", upstream]);
    for (flag, file) in files {
        command.arg(flag).arg(file);
    }
    command
}

async fn lists(server: &Server) -> Result<Vec<String>, String> {
    let raw = Raw::root(server).await;
    let answer = raw.unary(&path("ListDatabases"), frame(&[])).await;
    if answer.code == Code::Ok {
        Ok(answer.message::<ListDatabasesResponse>().db_names)
    } else {
        Err(answer.text)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_rest_go_on_over_tls() {
    let (certificates, own, way) = scene();
    let us = certificates.sign("us", &named("root", &[]));
    let mut start = mutual(&own, &certificates.ca());
    let milvus = Server::run(start.args(["--tls-client-user", "cn"]));
    let root = way.showing(&us);
    let made = root.call(&milvus, None, "CreateDatabase", &create_database("there")).await;
    made.unwrap().succeeded();

    let rest = Rest::start();
    let rest_url = terminator(&rest.url, &certificates, &own).await;
    let ca = certificates.ca();
    let files = [("--upstream-ca", &*ca), ("--upstream-cert", &us.0), ("--upstream-key", &us.1)];
    let url = format!("https://{}", milvus.address);
    let server = Server::run(before(&url, &files).args(["--upstream-rest", &rest_url]));
    let databases = ["default".to_owned(), "there".to_owned()];
    assert_eq!(lists(&server).await.unwrap(), databases);
    let answer = post(&server, "/databases/list", "{}");
    assert_eq!(answer.json()["data"], serde_json::json!(databases));
    for _ in 0..3 {
        let answer = tokio::task::block_in_place(|| post(&server, "/collections/list", "{}"));
        assert_eq!(answer.json()["data"], serde_json::json!(["c1", "c2", "c3"]), "{answer:?}");
    }
    until("it is ready", async || {
        crate::support::http_get(&format!("http://{}/readyz", server.admin)).0 == 200
    })
    .await;

    // Its certificate is that of `root`, and speaks for nobody who calls.
    let mut start = before(&url, &files);
    start.args(["--upstream-rest", &rest_url, "--upstream-auth", "passthrough"]);
    let open = Server::run(start.args(["--authorization", "off"]));
    for (login, code) in [(&[][..], 1800), (&["Authorization: Bearer root:Milvus"], 0)] {
        let answer = tokio::task::block_in_place(|| {
            request(&open, "POST", "/v2/vectordb/collections/list", login, "{}")
        });
        assert_eq!(answer.json()["code"], code, "{answer:?}");
    }

    // Its files may be replaced: those who connect anew show and trust what is there then.
    let (stranger, others) = (Certificates::new(), Certificates::new());
    for (ca, cert, sees) in [
        (Some(stranger.ca()), Some(&us), false),
        (None, Some(&us), false),
        (Some(certificates.ca()), None, false),
        (Some(certificates.ca()), Some(&others.sign("x", &named("root", &[]))), false),
        (Some(certificates.ca()), Some(&us), true),
    ] {
        let mut files = Vec::new();
        files.extend(ca.as_deref().map(|ca| ("--upstream-ca", ca)));
        let own = cert.map(|(cert, key)| [("--upstream-cert", &**cert), ("--upstream-key", key)]);
        files.extend(own.into_iter().flatten());
        let mut start = before(&url, &files);
        start.args(["--upstream-rest", &rest_url]);
        start.env("SSL_CERT_FILE", stranger.ca()).env("MILVUS_RBAC_LOG_LEVEL", "off");
        let server = Server::run(&mut start);
        let text = "the upstream Milvus does not answer";
        let listed = lists(&server).await;
        let answer = tokio::task::block_in_place(|| post(&server, "/collections/list", "{}"));
        if sees {
            assert_eq!((listed, answer.status), (Ok(databases.to_vec()), 200));
        } else {
            assert_eq!(listed.unwrap_err(), text, "{files:?}");
            assert!(answer.json()["message"].as_str().unwrap().contains(text), "{answer:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_by_another_name_is_not_believed() {
    let certificates = Certificates::new();
    let params = CertificateParams::new(vec!["milvus.example".to_owned()]).unwrap();
    let own = certificates.sign("server", &params);
    let milvus = Server::run(&mut secure(&own));
    let url = format!("https://{}", milvus.address);
    let folder = TempDir::new().unwrap();
    let mut start = before(&url, &[("--upstream-ca", &certificates.ca())]);
    let log = log(&mut start, &folder);
    let server = Server::run(&mut start);
    assert_eq!(lists(&server).await.unwrap_err(), "the upstream Milvus does not answer");
    let logged = std::fs::read_to_string(log).unwrap();
    assert!(logged.contains("not valid for"), "{logged}");
    let (code, _) = crate::support::http_get(&format!("http://{}/readyz", server.admin));
    assert_ne!(code, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_the_two_may_be_plain() {
    let (certificates, own, _) = scene();
    let (milvus, secured) = (Server::start(&[]), Server::run(&mut secure(&own)));
    let rest = Rest::start();
    let ca = certificates.ca();
    let files = [("--upstream-ca", &*ca)];
    let login = certificates.ca().with_file_name("login");
    std::fs::write(&login, "root:Milvus").unwrap();
    let login = format!("file:{}", login.display());
    let mut start = before(&format!("https://{}", secured.address), &files);
    start.args(["--upstream-auth", &login, "--upstream-rest", &rest.url]);
    let server = Server::run(&mut start);
    assert_eq!(lists(&server).await.unwrap(), ["default"]);
    let answer = tokio::task::block_in_place(|| post(&server, "/collections/list", "{}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let mut start = before(&format!("http://{}", milvus.address), &files);
    start.args(["--upstream-auth", &login]);
    start.args(["--upstream-rest", &format!("https://{}", secured.address)]);
    let server = Server::run(&mut start);
    assert_eq!(lists(&server).await.unwrap(), ["default"]);
    // It arrives at one that has nothing behind it for that.
    let answer = tokio::task::block_in_place(|| post(&server, "/collections/list", "{}"));
    assert_eq!(answer.status, 501, "{answer:?}");
}
