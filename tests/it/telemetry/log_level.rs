//! `log-level`: what is logged changes while the server runs, for those who may.

use super::Logged;
use crate::cli::{as_root, as_user};
use crate::follow::make_user;
use crate::rpc::raw::{Raw, SERVICE, frame};
use crate::rpc::requests::PASSWORD;
use crate::support::command;

const CONNECT: &str = "/milvus.proto.milvus.MilvusService/GetVersion";

/// Calls, so that there is something to log, and returns what was.
async fn logged(w: &Logged) -> String {
    let before = w.text().len();
    let root = Raw::root(&w.server).await;
    assert_eq!(root.unary(CONNECT, frame(&[])).await.code, tonic::Code::Ok);
    w.text().split_off(before)
}

#[tokio::test]
async fn it_changes_while_the_server_runs() {
    let w = Logged::run(&mut command("memory:"));
    assert_eq!(logged(&w).await, "");
    let said = as_root(&w.server, &["log-level", "debug"]);
    assert_eq!(
        (said.code, &*said.out),
        (0, "the log level is debug; it was warn\n"),
        "{}",
        said.err
    );
    let text = w.text();
    let told = text.lines().find(|line| line.contains("the log level is changed")).unwrap();
    for part in ["WARN", "user=\"root\"", "before=\"warn\"", "level=\"debug\""] {
        assert!(told.contains(part), "{told}");
    }
    let lines = logged(&w).await;
    let answered = lines.lines().find(|line| line.contains("answered")).unwrap();
    assert!(answered.contains("GetVersion") && answered.contains("user=\"root\""), "{answered}");

    // Whoever silences the log is seen to do so, and so is who ends that.
    for (level, before) in [("off", "debug"), ("milvus_rbac=info", "off")] {
        let said = as_root(&w.server, &["log-level", level]);
        let told = format!("the log level is {level}; it was {before}\n");
        assert_eq!((said.code, said.out), (0, told), "{}", said.err);
        let told = format!("before=\"{before}\" level=\"{level}\"");
        assert!(w.text().contains(&told), "{told}: {}", w.text());
        if level == "off" {
            assert_eq!(logged(&w).await, "");
        }
    }
}

#[tokio::test]
async fn it_is_for_administrators_and_takes_levels_alone() {
    let w = Logged::run(&mut command("memory:"));
    let mut root = w.server.root().await;
    make_user(&mut root, "u1").await;
    let login = format!("u1:{PASSWORD}");
    let refused = as_user(&w.server, &login, &["log-level", "trace"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("it is for root and admin"), "{}", refused.err);
    let nobody = as_user(&w.server, "u1:wrong!", &["log-level", "trace"]);
    assert!(nobody.err.contains("auth check failure"), "{}", nobody.err);
    let long = "x=info,".repeat(200);
    for (level, why) in [
        ("nonsense", "level: `nonsense` is none of error, warn, info, debug, trace, off, nor"),
        ("", "level: `` is none of"),
        ("a=b=c", "level: "),
        (&long, "level: it is longer than 1024 bytes"),
    ] {
        let refused = as_root(&w.server, &["log-level", level]);
        assert_eq!(refused.code, 1, "{level}");
        assert!(refused.err.contains(why), "{level}: {}", refused.err);
    }
    assert_eq!(logged(&w).await, "");
    // Who may is decided like everything else.
    root.operate_user_role(crate::rpc::requests::bind("u1", "admin")).await.unwrap();
    let said = as_user(&w.server, &login, &["log-level", "error"]);
    assert_eq!(said.out, "the log level is error; it was warn\n", "{}", said.err);
}

#[tokio::test]
async fn no_level_and_no_filter_shows_secrets() {
    const SECRET: &str = "Marker-0123456789";
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&crate::support::sled_url(&folder.path().join("store")));
    // Each directive is more than a plain level, and one of them names a span of h2.
    let filter = "trace,sled::pagecache=trace,h2::codec=trace,hyper=trace,hyper_util=trace,\
        tonic=trace,tower=trace,[Connection]=trace,[poll]=trace,[send_data]=trace";
    let w = Logged::run(command.args(["--log-level", "trace", "--log-format", "text"]));
    let mut root = w.server.root().await;
    let mut call = async |name: &str| {
        let user = crate::rpc::requests::create_user(name, SECRET);
        assert_eq!(root.create_credential(user).await.unwrap().into_inner().code, 0);
        let good = Raw::user(&w.server, name, SECRET).await;
        let connected = good.unary(&format!("{SERVICE}GetVersion"), frame(&[])).await;
        assert_eq!(connected.code, tonic::Code::Ok);
        let wrong = Raw::user(&w.server, name, &format!("{SECRET}-not")).await;
        let connected = wrong.unary(&format!("{SERVICE}GetVersion"), frame(&[])).await;
        assert_eq!(connected.code, tonic::Code::Unauthenticated);
        let login = format!("{name}:{SECRET}");
        assert_eq!(crate::rest::post_as(&w.server, &login, "/users/list", "{}").status, 403);
    };
    call("u1").await;
    let said = as_root(&w.server, &["log-level", filter]);
    assert_eq!(said.code, 0, "{}", said.err);
    call("u2").await;
    let text = w.text();
    assert!(text.contains("DEBUG") && text.contains("u2"), "nothing was logged");
    use base64::Engine as _;
    let encoded = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let logins = ["u1", "u2"].map(|name| encoded(&format!("{name}:{SECRET}")));
    let root = encoded("root:Milvus");
    for secret in [SECRET, &encoded(SECRET), &logins[0], &logins[1], &root, "$2a$"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
    for line in text.lines().filter(|line| line.contains("TRACE") || line.contains("DEBUG")) {
        for carrier in [" sled", " h2", " hyper", " tonic", " tower"] {
            assert!(!line.contains(&format!("{carrier}:")), "{line}");
            assert!(!line.contains(&format!("{carrier}::")), "{line}");
        }
    }
}
