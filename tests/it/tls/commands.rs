//! The client commands over TLS.

use super::*;

fn run(server: &Server, args: &[&str], files: &[(&str, &Path)]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_milvus-rbac"));
    command.env_clear().env("MILVUS_URI", format!("https://{}", server.address)).args(args);
    for (flag, file) in files {
        command.arg(flag).arg(file);
    }
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_stands_for_the_token() {
    let (certificates, own, _) = scene();
    let mut start = mutual(&own, &certificates.ca());
    let server = Server::run(start.args(["--tls-client-user", "san"]));
    let (certificate, key) = certificates.sign("root", &named("x", &[dns("root")]));
    let ca = certificates.ca();
    let (ca, cert, key) = (("--ca", &*ca), ("--cert", &*certificate), ("--key", &*key));
    let ask = ["check", "--user", "root", "--privilege", "Search", "--collection", "c"];
    let (code, out, err) = run(&server, &ask, &[ca, cert, key]);
    assert_eq!((code, &*out, &*err), (0, "allowed\n", ""));
    let (code, out, _) = run(&server, &["export"], &[ca, cert, key]);
    assert_eq!(code, 0);
    assert!(out.contains("users:"), "{out}");
    let with = [&ask[..], &["--token", "root:wrong"]].concat();
    let (code, _, err) = run(&server, &with, &[ca, cert, key]);
    assert_eq!((code, err.contains("auth check failure")), (1, true), "{err}");

    for (files, text) in [
        (&[ca, cert][..], "--cert needs --key"),
        (&[ca, key], "--key needs --cert"),
        (&[ca], "error: "),
        (&[cert, key], "invalid peer certificate"),
        (&[ca, cert, ("--key", &*own.1)], "root.pem"),
    ] {
        let (code, _, err) = run(&server, &ask, files);
        assert!(code != 0 && err.contains(text), "{text}: {code} {err}");
    }
    let plain = [&ask[..], &["--uri", "http://127.0.0.1:1"]].concat();
    for files in [&[ca][..], &[cert, key]] {
        let (code, _, err) = run(&server, &plain, files);
        let flag = files[0].0;
        assert!(code != 0 && err.contains(&format!("{flag} needs --uri https://")), "{err}");
    }
}
