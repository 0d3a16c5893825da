//! How TLS is asked for, and what is wrong with that.

use super::*;
use crate::lifecycle::fails;

#[test]
fn what_is_missing_or_broken_is_named() {
    let (certificates, own, _) = scene();
    let other = certificates.issue("other");
    let folder = TempDir::new().unwrap();
    let nonsense = folder.path().join("nonsense");
    std::fs::write(&nonsense, "nonsense").unwrap();
    let ca = certificates.ca();
    let [cert, key, other, ca, nonsense] =
        [&own.0, &own.1, &other.1, &ca, &nonsense].map(|file| file.to_str().unwrap());
    let tls = ["--tls-cert", cert, "--tls-key", key];
    let with = |more: &[&'static str]| [&tls[..], more].concat();
    let https = ["--upstream", "https://127.0.0.1:1"];
    let cases = [
        (vec!["--tls-cert", cert], "--tls-cert needs --tls-key".to_owned()),
        (vec!["--tls-key", key], "--tls-key needs --tls-cert".to_owned()),
        (vec!["--tls-client-ca", ca], "--tls-client-ca needs --tls-cert".to_owned()),
        (with(&["--tls-client-user", "cn"]), "--tls-client-user needs --tls-client-ca".to_owned()),
        (with(&["--tls-client-user", "ou"]), "--tls-client-user".to_owned()),
        (
            vec!["--tls-cert", "/nowhere", "--tls-key", key],
            "--tls-cert /nowhere: No such".to_owned(),
        ),
        (
            vec!["--tls-cert", cert, "--tls-key", "/nowhere"],
            "--tls-key /nowhere: No such".to_owned(),
        ),
        (
            vec!["--tls-cert", nonsense, "--tls-key", key],
            format!("--tls-cert {nonsense}: it holds no certificate in PEM form"),
        ),
        (
            vec!["--tls-cert", cert, "--tls-key", cert],
            format!("--tls-key {cert}: it holds no private key in PEM form"),
        ),
        (
            vec!["--tls-cert", cert, "--tls-key", other],
            format!("--tls-key {other}: it is not the key of {cert}"),
        ),
        (with(&["--tls-client-ca", "/nowhere"]), "--tls-client-ca /nowhere: No such".to_owned()),
        (
            [&tls[..], &["--tls-client-ca", nonsense]].concat(),
            format!("--tls-client-ca {nonsense}: it holds no certificate"),
        ),
        (
            vec!["--upstream", "ftp://h:1"],
            "is not http://HOST:PORT or https://HOST:PORT".to_owned(),
        ),
        (
            vec!["--upstream", "http://h:1", "--upstream-ca", ca],
            "--upstream-ca needs --upstream https://".to_owned(),
        ),
        ([&https[..], &["--upstream-ca", "/nowhere"]].concat(), "/nowhere: No such".to_owned()),
        (
            [&https[..], &["--upstream-ca", ca, "--upstream-cert", cert]].concat(),
            "--upstream-cert needs --upstream-key".to_owned(),
        ),
        (
            vec!["--upstream-rest", "https://h:1", "--upstream-ca", ca],
            "--upstream-rest needs".to_owned(),
        ),
    ];
    for (flags, text) in cases {
        fails(command("memory:").args(flags), 2, &text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_asks_for_it_too() {
    let (certificates, own, way) = scene();
    let mut start = command("memory:");
    start.env("MILVUS_RBAC_TLS_CERT", &own.0).env("MILVUS_RBAC_TLS_KEY", &own.1);
    start.env("MILVUS_RBAC_TLS_CLIENT_CA", certificates.ca());
    let server = Server::run(start.env("MILVUS_RBAC_TLS_CLIENT_USER", "cn"));
    let root = certificates.sign("root", &named("root", &[]));
    way.showing(&root).knocks(&server, None).await.unwrap();
}
