//! Who gets in, who does not, and that nobody else is the worse for it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::*;

const HEALTH: &str = "/grpc.health.v1.Health/Check";

/// Health is told, without a login.
async fn alive(way: &Way, server: &Server) {
    let line = way.open(server).await.unwrap();
    let told = line.call(None, HEALTH, &HealthCheckRequest::default()).await.unwrap();
    assert_eq!(told.message::<HealthCheckResponse>().status, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_and_rest_are_spoken_over_both_versions() {
    let (certificates, own, way) = scene();
    let server = Server::run(&mut secure(&own));
    for version in [&version::TLS12, &version::TLS13] {
        for protocols in [&["h2"][..], &["http/1.1", "h2"], &[]] {
            let way = Way { version, ..way.clone() }.speaking(protocols);
            way.knocks(&server, ROOT).await.unwrap();
            alive(&way, &server).await;
        }
    }
    assert_eq!(way.knocks(&server, None).await.unwrap_err(), "missing authorization in header");
    let refused = way.knocks(&server, Some("root:wrong")).await.unwrap_err();
    assert!(refused.contains("auth check failure"), "{refused}");

    let (ca, url) =
        (certificates.ca(), format!("https://{}/v2/vectordb/roles/list", server.address));
    let login = "Authorization: Bearer root:Milvus";
    for how in [&["--http1.1"][..], &["--http2"], &["--no-alpn"], &["--tls-max", "1.2"]] {
        let args = ["--cacert", ca.to_str().unwrap(), "-H", login, "-d", "{}", &url];
        let (code, body) = curl(&[how, &args].concat());
        assert_eq!((code, &*body), (0, r#"{"code":0,"data":["admin","public"]}"#), "{how:?}");
    }
    // The admin port stays plain.
    assert_eq!(curl(&[&format!("http://{}/livez", server.admin)]), (0, "ok\n".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_is_believed_by_its_certificate_alone() {
    let (_certificates, own, way) = scene();
    let server = Server::run(&mut secure(&own));
    let others = Certificates::new();
    let stranger = Way { ca: others.ca(), ..way.clone() };
    let refused = stranger.connect(&server).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "{refused}");
    let refused = way.clone().speaking(&["spdy"]).connect(&server).await.unwrap_err();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    alive(&way, &server).await;
}

/// All that comes back until the server closes.
async fn answer(address: &str, said: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(said).await.unwrap();
    let mut answer = Vec::new();
    // A reset is an end too.
    let _ = timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_tls_ends_and_nobody_else_suffers() {
    let (_certificates, own, way) = scene();
    let server = Server::run(&mut secure(&own));
    let line = way.open(&server).await.unwrap();
    // A client's greeting of TLS 1.1, with one suite, one algorithm for signatures and one group.
    let extensions = [0, 16, 0, 13, 0, 4, 0, 2, 4, 3, 0, 10, 0, 4, 0, 2, 0, 23];
    let greeting = [&[3, 2][..], &[7; 32], &[0, 0, 2, 0xc0, 9, 1, 0], &extensions].concat();
    let length = u8::try_from(greeting.len()).unwrap();
    let old = [&[0x16, 3, 1, 0, length + 4, 1, 0, 0, length][..], &greeting].concat();
    // Alert, fatal: that version is not spoken.
    let told = answer(&server.address, &old).await;
    assert_eq!((told[0], &told[5..]), (0x15, &[2, 70][..]), "{told:?}");
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for said in [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], preface, &[0xff; 400], &[0x16; 70_000]]
    {
        let told = answer(&server.address, said).await;
        assert!(told.is_empty() || told[0] == 0x15, "{told:?}");
    }
    line.call(ROOT, &path("GetVersion"), &()).await.unwrap();
    alive(&way, &server).await;

    // And TLS where it is not expected.
    let plain = Server::start(&[]);
    assert!(way.connect(&plain).await.is_err());
    assert!(way.clone().speaking(&["http/1.1"]).connect(&plain).await.is_err());
    assert!(
        plain
            .root()
            .await
            .get_version(milvus_rbac::rpc::proto::service::GetVersionRequest {})
            .await
            .is_ok()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_hang_block_nobody_and_end() {
    let (_certificates, own, way) = scene();
    // So few files that these connections take all places.
    let start = secure(&own);
    let limited = "ulimit -n 320; exec \"$0\" \"$@\"";
    let mut shell = Command::new("bash");
    shell.args(["-c", limited]).arg(start.get_program()).args(start.get_args()).env_clear();
    for (name, value) in start.get_envs() {
        shell.env(name, value.unwrap());
    }
    shell.stdout(std::process::Stdio::piped());
    let server = Server::run(&mut shell);
    let mut hanging = Vec::new();
    for i in 0..150 {
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        match i % 3 {
            0 => {}
            1 => stream.write_all(&[0x16, 3, 1, 1, 0, 1]).await.unwrap(),
            // The handshake is done, and then nothing comes, or the beginning of HTTP/2.
            _ => {
                let Ok(mut stream) = way.connect(&server).await else { continue };
                stream.write_all(&b"PRI * HT"[..i % 9]).await.unwrap();
                stream.flush().await.unwrap();
                tokio::spawn(async move {
                    let mut said = Vec::new();
                    let _ = stream.read_to_end(&mut said).await;
                });
            }
        }
        hanging.push(stream);
        if i % 10 == 0 {
            alive(&way, &server).await;
        }
    }
    alive(&way, &server).await;
    // Those who were not told to make room end by themselves.
    let limit = Duration::from_secs(45);
    for mut stream in hanging {
        let _ = timeout(limit, stream.read_to_end(&mut Vec::new())).await.unwrap();
    }
    alive(&way, &server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_calls_over_tls_finish() {
    let (_certificates, own, way) = scene();
    let server = Server::run(&mut secure(&own));
    let line = way.open(&server).await.unwrap();
    let (answer, mut body) = line.begin(ROOT, &path("GetVersion")).await.unwrap();
    // Both are there before the server is told to stop.
    line.call(ROOT, &path("GetVersion"), &()).await.unwrap();
    crate::support::signal(server.pid(), "TERM");
    body.send_data(frame(&[]), true).unwrap();
    assert_eq!(told(answer).await.unwrap().code, Code::Ok);
    assert_eq!(server.stop().code(), Some(0));
    line.ends().await;
}
