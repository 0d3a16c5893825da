//! What is written down of decisions, and what is not.

use std::fs::{self, File};
use std::path::PathBuf;

use milvus_rbac::rpc::proto::service::*;
use serde_json::Value;
use tempfile::TempDir;
use tonic::Code;

use super::fields::{named, text};
use super::upstream::Upstream;
use super::{Sidecar, admin, path, until};
use crate::rest::post_as;
use crate::rest::upstream::Rest;
use crate::rpc::raw::{Raw, frame};
use crate::rpc::requests::{PASSWORD, bind, create_user};
use crate::support::{Server, command};

/// A sidecar whose log is read.
struct Audited {
    w: Sidecar,
    log: PathBuf,
    _folder: TempDir,
}

impl std::ops::Deref for Audited {
    type Target = Sidecar;

    fn deref(&self) -> &Sidecar {
        &self.w
    }
}

impl Audited {
    async fn with(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let upstream = Upstream::start().await;
        let fixed = ["--log-format", "json", "--log-level", "info", "--max-roles", "0"];
        let mut command = command("memory:");
        command.args(fixed).args(["--upstream", &upstream.url()]).args(flags);
        command.stderr(File::create(&log).unwrap());
        let w = Sidecar::of(Server::run(&mut command), upstream).await;
        Self { w, log, _folder: folder }
    }

    fn lines(&self) -> Vec<Value> {
        let text = fs::read_to_string(&self.log).unwrap();
        // The last line may be half written.
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The decisions on calls of `user`.
    fn decisions(&self, user: &str) -> Vec<Value> {
        let ours =
            |line: &Value| line["target"] == "milvus_rbac::audit" && line["fields"]["user"] == user;
        self.lines().into_iter().filter(ours).collect()
    }

    /// The only decision so far on calls of `user` that `which` holds for.
    async fn decision(&self, user: &str, method: &str, decision: &str) -> Value {
        let found = || -> Vec<Value> {
            let is = |line: &Value| {
                line["fields"]["method"] == method && line["fields"]["decision"] == decision
            };
            self.decisions(user).into_iter().filter(is).collect()
        };
        until(&format!("{user} {method} {decision}"), async || !found().is_empty()).await;
        let mut found = found();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

#[tokio::test]
async fn each_decision_is_one_line() {
    let w = Audited::with(&["--audit-allowed", "1"]).await;
    let user = w.user("u1", &[("Search", "db1", "c1")]).await;
    let answer = user.unary(&path("GetVersion"), frame(&[])).await;
    let revision = answer.headers.get("milvus-rbac-revision").unwrap().to_str().unwrap();
    let revision: u64 = revision.parse().unwrap();
    w.upstream.calls();
    w.allows(&user, "Search", &named("db1", "c1")).await;
    w.denies(&user, "Insert", &named("db1", "c2")).await;
    w.denies(&user, "GetMetrics", &[]).await;
    w.denies(&user, "Dummy", &[]).await;
    w.denies(&user, "Flush", &[text(3, "c1"), text(3, "c2")].concat()).await;

    let allowed = w.decision("u1", "Search", "allowed").await;
    let fields = allowed["fields"].as_object().unwrap();
    let expected = [
        ("user", "u1"),
        ("method", "Search"),
        ("database", "db1"),
        ("object", "c1"),
        ("decision", "allowed"),
        ("role", "u1"),
        ("grant", "PrivilegeSearch on Collection c1 in db1"),
    ];
    for (name, value) in expected {
        assert_eq!(fields[name], value, "{name}: {allowed}");
    }
    assert_eq!(fields["revision"], revision, "{allowed}");
    assert!(allowed["timestamp"].as_str().unwrap().starts_with("20"), "{allowed}");

    let rows = [
        ("Insert", "db1", "c2"),
        ("GetMetrics", "default", ""),
        ("Dummy", "default", ""),
        ("Flush", "default", "c1,c2"),
    ];
    for (method, database, object) in rows {
        let denied = w.decision("u1", method, "denied").await;
        let fields = &denied["fields"];
        assert_eq!((&fields["database"], &fields["object"]), (&database.into(), &object.into()));
        assert_eq!((&fields["role"], &fields["grant"]), (&"".into(), &"".into()));
    }
    let any = w.decision("u1", "GetVersion", "allowed").await;
    assert_eq!(any["fields"]["role"], "any");

    // No two decisions have the same id; calls that are answered here have theirs too.
    let mut ids: Vec<_> =
        w.lines().iter().filter_map(|l| l["fields"]["id"].as_str().map(str::to_owned)).collect();
    assert!(ids.len() > 6, "{ids:?}");
    ids.sort();
    let before = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), before);
    let created = w.decision("root", "CreateRole", "allowed").await;
    assert_eq!(created["fields"]["role"], "root");
}

#[tokio::test]
async fn calls_about_the_database_tell_what_they_name() {
    let w = Audited::with(&["--audit-allowed", "1"]).await;
    let user = w.user("u1", &[]).await;
    w.close_public().await;
    let root = Raw::root(&w.server).await;
    let alias = |collection: &str| [named("db1", collection), text(4, "a1")].concat();
    let rows = [
        ("CreateCollection", named("db1", "c1"), "c1"),
        ("DropCollection", named("db1", "c1"), "c1"),
        ("TruncateCollection", named("db1", "c1"), "c1"),
        ("DescribeCollection", named("db1", "c1"), "c1"),
        ("RenameCollection", [text(2, "db1"), text(3, "c1"), text(4, "c2")].concat(), "c1,c2"),
        ("CreateAlias", alias("c1"), "c1,a1"),
        ("AlterAlias", alias("c1"), "c1,a1"),
        ("DropAlias", [text(2, "db1"), text(3, "a1")].concat(), "a1"),
        ("DescribeAlias", [text(2, "db1"), text(3, "a1")].concat(), "a1"),
        ("CreateDatabase", text(2, "db1"), ""),
    ];
    for (method, message, object) in rows {
        w.denies(&user, method, &message).await;
        w.allows(&root, method, &message).await;
        for line in
            [w.decision("u1", method, "denied").await, w.decision("root", method, "allowed").await]
        {
            let fields = &line["fields"];
            assert_eq!((&fields["database"], &fields["object"]), (&"db1".into(), &object.into()));
        }
    }
    // No line is longer than it may be.
    let long = "x".repeat(300);
    w.denies(
        &user,
        "RestoreSnapshot",
        &[named(&long, "c1"), text(4, &long), text(7, &long)].concat(),
    )
    .await;
    let many: Vec<u8> = (0..100).flat_map(|_| text(3, text(2, &long))).collect();
    w.denies(&user, "FlushAll", &many).await;
    let line = w.decision("u1", "FlushAll", "denied").await;
    let object = line["fields"]["object"].as_str().unwrap();
    assert_eq!(object.chars().count(), 8 * 65 + 7, "{object}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_out_of_an_answer_is_hidden_and_not_denied() {
    for (flags, outcome) in [(&[][..], "hidden"), (&["--audit-only"][..], "would be hidden")] {
        let rest = Rest::start();
        let w = Audited::with(&[&["--upstream-rest", &rest.url][..], flags].concat()).await;
        w.user("u1", &[("IndexDetail", "default", "c1")]).await;
        w.close_public().await;
        w.grant("u1", ("DescribeCollection", "default", "*")).await;
        let describe = || {
            let (login, body) = (format!("u1:{PASSWORD}"), r#"{"collectionName":"c1"}"#);
            post_as(&w.server, &login, "/collections/describe", body).status
        };
        assert_eq!(tokio::task::block_in_place(describe), 200);
        for method in ["GetLoadState", "ListAliases"] {
            let line = w.decision("u1", method, outcome).await;
            assert_eq!(line["fields"]["object"], "c1");
        }
        assert_eq!(w.decisions("u1").len(), 2);
        w.revoke("u1", ("DescribeCollection", "default", "*")).await;
        tokio::task::block_in_place(describe);
        let denied = if flags.is_empty() { "denied" } else { "would be denied" };
        w.decision("u1", "DescribeCollection", denied).await;
        let metrics = admin(&w.server, "/metrics").await.1;
        assert!(metrics.contains(&format!("{{outcome=\"{outcome}\"}}")), "{metrics}");
    }
}

#[tokio::test]
async fn who_decided_is_told() {
    let w = Audited::with(&["--audit-allowed", "1"]).await;
    let admin = w.user("a1", &[]).await;
    w.does(bind("a1", "admin")).await;
    w.allows(&admin, "Search", &named("", "c1")).await;
    assert_eq!(w.decision("a1", "Search", "allowed").await["fields"]["role"], "admin");
    let user = w.user("u1", &[("CollectionReadOnly", "default", "*")]).await;
    w.allows(&user, "Query", &named("", "c1")).await;
    let line = w.decision("u1", "Query", "allowed").await;
    assert_eq!(line["fields"]["grant"], "PrivilegeGroupCollectionReadOnly on Global * in default");
    w.allows(&user, "DescribeIndex", &named("db9", "c1")).await;
    let line = w.decision("u1", "DescribeIndex", "allowed").await;
    assert_eq!(line["fields"]["role"], "public");
}

#[tokio::test]
async fn allowed_ones_are_told_one_in_so_many_and_denied_ones_always() {
    for (one_in, told) in [("0", 0), ("10", 10)] {
        let w = Audited::with(&["--audit-allowed", one_in]).await;
        let user = w.user("u1", &[("Search", "default", "c1")]).await;
        for _ in 0..100 {
            w.allows(&user, "Search", &named("", "c1")).await;
        }
        for _ in 0..10 {
            w.denies(&user, "Insert", &named("", "c1")).await;
        }
        let count = |decision: &str| {
            let is = |line: &&Value| line["fields"]["decision"] == decision;
            w.decisions("u1").iter().filter(is).count()
        };
        until("all denials", async || count("denied") == 10).await;
        assert_eq!(count("allowed"), told, "1 in {one_in}");
    }
}

#[tokio::test]
async fn secrets_and_data_are_not_written() {
    let w = Audited::with(&["--audit-allowed", "1", "--upstream-auth", "passthrough"]).await;
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    let secret = "tell_nobody";
    for (method, message) in [
        ("Search", [named("", "c1"), text(5, format!("age > {secret}"))].concat()),
        ("Query", [named("", "c1"), text(4, secret)].concat()),
        ("Insert", [named("", "c1"), text(5, secret)].concat()),
        ("Search", [named("", "c1"), vec![0x2a, 20], secret.into()].concat()),
    ] {
        user.with("x-token", secret.as_bytes()).unary(&path(method), frame(&message)).await;
    }
    w.does(create_user("u2", secret)).await;
    let wrong = Raw::user(&w.server, "u1", secret).await;
    wrong.unary(&path("Search"), frame(&named("", "c1"))).await;
    w.decision("u1", "Insert", "denied").await;
    let log = fs::read_to_string(&w.log).unwrap();
    for secret in [secret, PASSWORD, &crate::support::encoded(secret), "Milvus\""] {
        assert!(!log.contains(secret), "{secret}: {log}");
    }
}

#[tokio::test]
async fn audit_only_records_and_forwards() {
    let w = Audited::with(&["--audit-only"]).await;
    let user = w.user("u1", &[("Search", "default", "c1")]).await;
    w.close_public().await;
    // Allowed ones as ever; none of them is told.
    w.allows(&user, "Search", &named("", "c1")).await;
    w.allows(&user, "Insert", &named("", "c1")).await;
    w.allows(&user, "DumpMessages", &[]).await;
    w.allows(&user, "CreateDatabase", &text(2, "db9")).await;
    let line = w.decision("u1", "Insert", "would be denied").await;
    assert_eq!(line["fields"]["object"], "c1");
    w.decision("u1", "DumpMessages", "would be denied").await;
    w.decision("u1", "CreateDatabase", "would be denied").await;
    assert_eq!(w.decisions("u1").len(), 3);

    let nobody = Raw::anonymous(&w.server).await;
    w.allows(&nobody, "GetVersion", &[]).await;
    w.decision("", "GetVersion", "would be unauthenticated").await;
    let wrong = Raw::user(&w.server, "u1", "wrong!").await;
    w.allows(&wrong, "Delete", &named("", "c1")).await;
    w.decision("", "Delete", "would be unauthenticated").await;
    w.decision("", "Delete", "would be denied").await;

    // Users, roles and grants stay guarded, and what cannot be read is refused.
    w.denies(&user, "CreateRole", &[]).await;
    w.decision("u1", "CreateRole", "denied").await;
    w.refuses(&nobody, "CreateRole", frame(&[]), Code::Unauthenticated).await;
    w.refuses(&nobody, "BackupRBAC", frame(&[]), Code::Unauthenticated).await;
    w.refuses(&user, "Insert", frame(&[0x1a]), Code::InvalidArgument).await;

    let metrics = admin(&w.server, "/metrics").await.1;
    for (outcome, count) in [("would be denied", 4), ("would be unauthenticated", 2), ("denied", 1)]
    {
        let line = format!("milvus_rbac_decisions_total{{outcome=\"{outcome}\"}} {count}");
        assert!(metrics.contains(&line), "{line}: {metrics}");
    }
    assert!(metrics.contains("milvus_rbac_audit_only 1"), "{metrics}");
    until("ready", async || admin(&w.server, "/readyz").await.0 == 200).await;
    let (_, text) = admin(&w.server, "/readyz").await;
    assert_eq!(text, "ok\nwarning: audit only, refusals are not heeded\n");
    let told = w.lines().into_iter().any(|line| {
        let text = line["fields"]["message"].as_str().unwrap_or_default();
        line["level"] == "WARN" && text.starts_with("audit only")
    });
    assert!(told);
}

#[tokio::test]
async fn audit_only_shows_all_that_there_is() {
    let w = Audited::with(&["--audit-only"]).await;
    let answer = ListDatabasesResponse { db_names: vec!["db1".to_owned()], ..Default::default() };
    let shown = answer.clone();
    w.upstream.answers("ListDatabases", move |_| super::upstream::Reply::message(&shown));
    let nobody = Raw::anonymous(&w.server).await;
    let seen = nobody.unary(&path("ListDatabases"), frame(&[])).await;
    assert_eq!(seen.message::<ListDatabasesResponse>(), answer);
}
