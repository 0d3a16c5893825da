//! Files that change while the server runs.

use super::*;

/// The certificate that new connections see.
async fn shown(way: &Way, server: &Server) -> CertificateDer<'static> {
    way.open(server).await.unwrap().certificate
}

#[tokio::test(flavor = "multi_thread")]
async fn new_connections_see_the_new_certificate_and_old_ones_go_on() {
    let (certificates, own, way) = scene();
    let folder = TempDir::new().unwrap();
    let mut start = secure(&own);
    let log = log(start.args(["--log-level", "trace"]), &folder);
    let server = Server::run(&mut start);
    let line = way.open(&server).await.unwrap();
    // A stream, and a call under way.
    let (answer, mut body) = line.begin(None, "/grpc.health.v1.Health/Watch").await.unwrap();
    body.send_data(frame(&[]), true).unwrap();
    let mut stream = answer.await.unwrap().into_body();
    next(&mut stream).await.unwrap().unwrap();
    let (answer, mut body) = line.begin(ROOT, &path("GetVersion")).await.unwrap();
    line.call(ROOT, &path("GetVersion"), &()).await.unwrap();

    let old = secret(&own.1);
    let other = certificates.issue("other");
    replace(&own, &other);
    let new = CertificateDer::from_pem_file(&other.0).unwrap();
    assert_ne!(line.certificate, new);
    until("the new certificate is shown", async || shown(&way, &server).await == new).await;
    body.send_data(frame(&[]), true).unwrap();
    assert_eq!(told(answer).await.unwrap().code, Code::Ok);
    assert_eq!(line.call(ROOT, &path("GetVersion"), &()).await.unwrap().code, Code::Ok);
    crate::support::signal(server.pid(), "TERM");
    assert_eq!(&next(&mut stream).await.unwrap().unwrap()[..], frame(&[8, 2]));
    drop((stream, line));
    assert_eq!(server.stop().code(), Some(0));
    // However much is logged, no key is.
    let logged = std::fs::read_to_string(log).unwrap();
    assert!(logged.contains("new connections see new certificates"), "{logged}");
    assert!(!logged.contains(&old) && !logged.contains(&secret(&other.1)));
    assert!(!logged.contains("PRIVATE"));
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_files_are_told_of_once_and_change_nothing() {
    let (certificates, own, way) = scene();
    let folder = TempDir::new().unwrap();
    let (good, other) = (certificates.issue("good"), certificates.issue("other"));
    std::fs::copy(&good.0, &own.0).unwrap();
    std::fs::copy(&good.1, &own.1).unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::copy(certificates.ca(), &ca).unwrap();
    let ours = certificates.sign("ours", &named("ours", &[]));
    let way = way.showing(&ours);
    let mut start = mutual(&own, &ca);
    let log = log(&mut start, &folder);
    let server = Server::run(&mut start);
    let before = shown(&way, &server).await;
    let logged = || std::fs::read_to_string(&log).unwrap();
    let heard = async |text: &str| {
        until(text, async || logged().contains(text)).await;
        assert_eq!(shown(&way, &server).await, before);
        way.knocks(&server, ROOT).await.unwrap();
    };
    let name = |file: &Path| file.display().to_string();
    // The certificate of another key.
    std::fs::copy(&other.0, &own.0).unwrap();
    heard(&format!("--tls-key {}: it is not the key of {}", name(&own.1), name(&own.0))).await;
    std::fs::write(&own.0, "nonsense").unwrap();
    heard(&format!("--tls-cert {}: it holds no certificate in PEM form", name(&own.0))).await;
    std::fs::remove_file(&own.1).unwrap();
    heard(&format!("--tls-key {}: No such file", name(&own.1))).await;
    std::fs::copy(&good.0, &own.0).unwrap();
    std::fs::copy(&good.1, &own.1).unwrap();
    std::fs::write(&ca, "").unwrap();
    heard(&format!("--tls-client-ca {}: it holds no certificate", name(&ca))).await;
    let told = || -> Vec<_> {
        let logged = logged();
        logged.lines().filter_map(|line| Some(line.split_once("--tls")?.1.to_owned())).collect()
    };
    assert!(told().iter().all(|line| line.ends_with("what was read before stays in force")));
    // Each once, however long it lasts; and what is right again is taken.
    std::fs::copy(certificates.ca(), &ca).unwrap();
    replace(&own, &other);
    let new = CertificateDer::from_pem_file(&other.0).unwrap();
    until("the new certificate is shown", async || shown(&way, &server).await == new).await;
    let lines = told();
    let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
    assert_eq!(lines.len(), distinct.len(), "{lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_of_kubernetes_are_followed() {
    let (certificates, own, way) = scene();
    let folder = TempDir::new().unwrap();
    let at = |name: &str| folder.path().join(name);
    // Files are links below a link to a folder, which alone is replaced.
    let deliver = |number: &str, own: &Own| {
        std::fs::create_dir(at(number)).unwrap();
        std::fs::copy(&own.0, at(number).join("tls.crt")).unwrap();
        std::fs::copy(&own.1, at(number).join("tls.key")).unwrap();
        std::os::unix::fs::symlink(number, at("..data_tmp")).unwrap();
        std::fs::rename(at("..data_tmp"), at("..data")).unwrap();
    };
    deliver("..1", &own);
    for name in ["tls.crt", "tls.key"] {
        std::os::unix::fs::symlink(Path::new("..data").join(name), at(name)).unwrap();
    }
    let server = Server::run(&mut secure(&(at("tls.crt"), at("tls.key"))));
    let before = shown(&way, &server).await;
    let other = certificates.issue("other");
    deliver("..2", &other);
    std::fs::remove_dir_all(at("..1")).unwrap();
    let new = CertificateDer::from_pem_file(&other.0).unwrap();
    assert_ne!(before, new);
    until("the new certificate is shown", async || shown(&way, &server).await == new).await;
}
