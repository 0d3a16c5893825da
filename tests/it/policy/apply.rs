//! `plan`, `apply` and `export` against a server, old ones among them.

use std::process::Output;

use milvus_rbac::rpc::proto::service::*;

use super::cli::{Cli, text};
use super::old;
use crate::support::Server;

const DOCUMENT: &str = "
groups:
  readers: [Query, Search]
roles:
  reader:
    description: reads articles
    grants:
      - {privilege: readers, database: default, collection: articles}
      - {privilege: Load, database: default, collection: articles}
      - {privilege: ListDatabases, database: '*', collection: '*'}
      - {privilege: UpdateUser, object_type: User, object: alice, database: default}
      - {privilege: DropCollection, object_type: Global, object: articles, database: default}
users:
  alice: {password_env: ALICE, roles: [reader], description: she}
  bob: {password_file: bob, roles: []}
";

fn with_password(cli: Cli, password: &str) -> Cli {
    cli.file("bob", "of bob\n").variable("ALICE", password)
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[tokio::test]
async fn what_is_applied_holds_and_is_not_applied_again() {
    let server = Server::start(&["--max-users", "0"]);
    let cli = with_password(Cli::of(&server), "of alice").file("d.yaml", DOCUMENT);
    let planned = cli.run(&["plan", "-f", "d.yaml"]);
    assert_eq!(code(&planned), 2, "{planned:?}");
    let shown = text(&planned);
    assert!(shown.ends_with("4 to add, 0 to change, 0 to remove\n"), "{shown}");
    assert!(!shown.contains('\x1b') && !shown.contains("of alice"), "{shown}");

    let refused = cli.run(&["apply", "-f", "d.yaml"]);
    assert_eq!(code(&refused), 1);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"), "{refused:?}");
    assert_eq!(code(&cli.run(&["plan", "-f", "d.yaml"])), 2);

    let applied = cli.run(&["apply", "-f", "d.yaml", "--yes"]);
    assert_eq!(code(&applied), 0, "{applied:?}");
    // All of it is one change.
    assert_eq!(text(&applied), format!("{shown}applied at revision 2\n"));
    server.client("alice", "of alice").await.connect(ConnectRequest::default()).await.unwrap();
    server.client("bob", "of bob").await.connect(ConnectRequest::default()).await.unwrap();
    for prune in [&[][..], &["--prune"]] {
        let again = cli.run(&[&["plan", "-f", "d.yaml"], prune].concat());
        assert_eq!((code(&again), text(&again).as_str()), (0, "no change\n"), "{again:?}");
    }
    let json = cli.run(&["plan", "-f", "d.yaml", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["changes"], &json["revision"]), (&serde_json::json!([]), &2.into()));

    // What is exported says the same, here and on a new server.
    let exported = cli.run(&["export", "--with-password-hashes"]);
    let other = Server::start(&[]);
    let there = Cli::of(&other).file("e.yaml", &text(&exported));
    assert_eq!(code(&there.run(&["apply", "-f", "e.yaml", "--yes", "--prune"])), 0);
    assert_eq!(text(&there.run(&["export", "--with-password-hashes"])), text(&exported));
    other.client("alice", "of alice").await.connect(ConnectRequest::default()).await.unwrap();
    assert!(!text(&cli.run(&["export"])).contains("$2"));

    // Another password, bindings kept; then everything goes.
    let cli = with_password(cli, "another of alice");
    let changed = cli.run(&["apply", "-f", "d.yaml", "--yes"]);
    assert!(
        text(&changed).starts_with("~ user alice\n    ~ password\n0 to add, 1 to"),
        "{changed:?}"
    );
    let mut alice = server.client("alice", "another of alice").await;
    alice.connect(ConnectRequest::default()).await.unwrap();
    assert_eq!(code(&cli.run(&["plan", "-f", "d.yaml", "--prune"])), 0);
    let cli = cli.file("empty.yaml", "{}");
    assert_eq!(code(&cli.run(&["apply", "-f", "empty.yaml", "--yes", "--prune"])), 0);
    let left = text(&cli.run(&["export"]));
    assert!(
        left.starts_with("groups: {}\nroles:\n  public:") && left.ends_with("users: {}\n"),
        "{left}"
    );
}

#[tokio::test]
async fn a_bad_document_changes_nothing() {
    let server = Server::start(&[]);
    let text = "roles: {r: {}, s: {grant: 5}}\nusers: {u: {roles: [none]}}";
    let cli = Cli::of(&server).file("bad.yaml", text);
    for command in [&["plan"][..], &["apply", "--yes"]] {
        let output = cli.run(&[command, &["-f", "bad.yaml"]].concat());
        assert_eq!(code(&output), 1);
        let told = String::from_utf8(output.stderr).unwrap();
        let places: Vec<_> = told.lines().filter_map(|l| l.strip_prefix("bad.yaml:")).collect();
        let places: Vec<_> = places.iter().map(|l| l.split(": ").next().unwrap()).collect();
        assert_eq!(places, ["1:20", "2:9", "2:21"], "{told}");
    }
    let roles = server.root().await.select_role(SelectRoleRequest::default()).await.unwrap();
    assert_eq!(roles.into_inner().results.len(), 2);
}

#[tokio::test]
async fn nobody_locks_oneself_out() {
    let server = Server::start(&[]);
    let root = Cli::of(&server)
        .variable("OPS", "of ops")
        .file("ops.yaml", "users: {ops: {password_env: OPS, roles: [admin]}}");
    assert_eq!(code(&root.run(&["apply", "-f", "ops.yaml", "--yes"])), 0);
    let ops = Cli::of(&server).login("ops:of ops").variable("OTHER", "another");
    let lost = [
        ("{}", "the user"),
        ("users: {ops: {}}", "CreateOwnership, DropOwnership"),
        ("users: {ops: {roles: [admin], password_env: OTHER}}", "the password"),
    ];
    for (document, what) in lost {
        let ops = ops.clone().file("d.yaml", document);
        let planned = ops.run(&["plan", "-f", "d.yaml", "--prune"]);
        assert!(
            text(&planned)
                .contains(&format!("apply refuses it: ops, who asks for this, would lose {what}")),
            "{planned:?}"
        );
        let applied = ops.run(&["apply", "-f", "d.yaml", "--prune", "--yes"]);
        assert_eq!(code(&applied), 1);
        assert_eq!(code(&root.run(&["plan", "-f", "ops.yaml", "--prune"])), 0, "{document}");
    }
    // Somebody else may.
    let root = root.file("d.yaml", "{}");
    assert_eq!(code(&root.run(&["apply", "-f", "d.yaml", "--prune", "--yes"])), 0);
}

#[tokio::test]
async fn whoever_may_not_see_hashes_leaves_passwords_alone() {
    let server = Server::start(&[]);
    let document = "
roles:
  keeper:
    grants:
      - {privilege: SelectOwnership, database: '*', collection: '*'}
      - {privilege: CreateOwnership, database: '*', collection: '*'}
      - {privilege: ManageOwnership, database: '*', collection: '*'}
      - {privilege: SelectUser, database: '*', collection: '*'}
      - {privilege: ListPrivilegeGroups, database: '*', collection: '*'}
users:
  keeper: {password_env: KEEPER, roles: [keeper]}
  alice: {password_env: ALICE}
";
    let root = Cli::of(&server).variable("KEEPER", "of keeper").variable("ALICE", "of alice");
    let root = root.file("d.yaml", document);
    assert_eq!(code(&root.run(&["apply", "-f", "d.yaml", "--yes"])), 0);
    let keeper = root.login("keeper:of keeper").variable("ALICE", "another");
    let planned = keeper.run(&["plan", "-f", "d.yaml", "--prune"]);
    assert_eq!(code(&planned), 0, "{planned:?}");
    assert!(text(&planned).contains("note: the hashes of passwords are not told"), "{planned:?}");
    // What it may do it does; what it may not is refused, and nothing of it done.
    let more = document.replace("roles: [keeper]}", "roles: [keeper, public]}");
    let keeper = keeper.file("d.yaml", &more);
    assert_eq!(code(&keeper.run(&["apply", "-f", "d.yaml", "--yes"])), 0);
    let more =
        format!("{more}  new: {{password_env: ALICE, roles: [keeper]}}\ngroups: {{g: [Search]}}\n");
    let refused = keeper.file("d.yaml", &more);
    let refused = refused.run(&["apply", "-f", "d.yaml", "--yes"]);
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        told.contains("step 1: PrivilegeCreatePrivilegeGroup: permission deny to keeper"),
        "{told}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_applied_that_was_not_shown() {
    let server = Server::start(&[]);
    let address = old::meddled_with(&server).await;
    let cli = with_password(Cli::at(&address), "of alice").file("d.yaml", DOCUMENT);
    let applied = cli.run_beside(&["apply", "-f", "d.yaml", "--yes", "--prune"]).await;
    assert_eq!(code(&applied), 0, "{applied:?}");
    let told = String::from_utf8_lossy(&applied.stderr);
    assert_eq!(told.matches("something else was changed meanwhile: planned anew").count(), 1);
    let shown = text(&applied);
    let (first, second) = shown.split_once("to remove\n").unwrap();
    assert!(!first.contains("meddler") && second.contains("- role meddler\n"), "{shown}");
    // That of the other one, and one transaction.
    assert!(shown.ends_with("applied at revision 3\n"), "{shown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_milvus_without_transactions_is_led_there_call_by_call() {
    let server = Server::start(&[]);
    let address = old::without(old::MILVUS, &server).await;
    let direct = Cli::of(&server);
    let cli = with_password(Cli::at(&address), "of alice").file("d.yaml", DOCUMENT);
    let applied = cli.run_beside(&["apply", "-f", "d.yaml", "--yes"]).await;
    assert_eq!(code(&applied), 0, "{applied:?}");
    assert!(text(&applied).ends_with("applied call by call\n"), "{applied:?}");
    assert!(String::from_utf8_lossy(&applied.stderr).contains("no transactions"), "{applied:?}");
    server.client("alice", "of alice").await.connect(ConnectRequest::default()).await.unwrap();
    let again = cli.run_beside(&["plan", "-f", "d.yaml", "--prune"]).await;
    assert_eq!((code(&again), text(&again).as_str()), (0, "no change\n"), "{again:?}");
    assert_eq!(text(&cli.run_beside(&["export"]).await), text(&direct.run(&["export"])));
    let cli = with_password(cli, "another").file("e.yaml", "users: {alice: {password_env: ALICE}}");
    let pruned = cli.run_beside(&["apply", "-f", "e.yaml", "--yes", "--prune"]).await;
    assert_eq!(code(&pruned), 0, "{pruned:?}");
    server.client("alice", "another").await.connect(ConnectRequest::default()).await.unwrap();
    assert_eq!(code(&cli.run_beside(&["plan", "-f", "e.yaml", "--prune"]).await), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_milvus_of_2_3_is_led_there_as_far_as_it_goes() {
    let server = Server::start(&[]);
    let address = old::without(old::MILVUS_2_3, &server).await;
    let document = "
roles:
  reader:
    description: reads articles
    grants:
      - {privilege: Load, database: default, collection: articles}
      - {privilege: UpdateUser, object_type: User, object: alice, database: default}
users:
  alice: {password_env: ALICE, roles: [reader]}
";
    let cli = with_password(Cli::at(&address), "of alice").file("d.yaml", document);
    let applied = cli.run_beside(&["apply", "-f", "d.yaml", "--yes"]).await;
    assert_eq!(code(&applied), 0, "{applied:?}");
    server.client("alice", "of alice").await.connect(ConnectRequest::default()).await.unwrap();
    let again = cli.run_beside(&["plan", "-f", "d.yaml", "--prune"]).await;
    assert_eq!(code(&again), 0, "{again:?}");
    let groups = cli.clone().file("g.yaml", "groups: {g: [Search]}");
    let refused = groups.run_beside(&["plan", "-f", "g.yaml"]).await;
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("no privilege groups"),
        "{refused:?}"
    );
    let hash =
        "users: {u: {password_hash: $2a$04$VSPur1WzZN0uFHHQE9xLR..I/xnDLohsJBndEszWNCspP6VxZrI8u}}";
    let hash = cli.clone().file("h.yaml", hash);
    let refused = hash.run_beside(&["apply", "-f", "h.yaml", "--yes"]).await;
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("takes no hash for the user u"),
        "{refused:?}"
    );
    let cli = cli.file("e.yaml", "{}");
    let pruned = cli.run_beside(&["apply", "-f", "e.yaml", "--yes", "--prune"]).await;
    assert_eq!(code(&pruned), 0, "{pruned:?}");
    assert!(text(&cli.run_beside(&["export"]).await).ends_with("users: {}\n"));
}

#[tokio::test]
async fn a_login_may_be_in_a_file() {
    let server = Server::start(&[]);
    let both = Cli::of(&server).file("login", "root:Milvus\n").file("d.yaml", "roles: {}");
    let cli = both.clone().without("MILVUS_TOKEN");
    let planned = cli.run(&["plan", "-f", "d.yaml", "--token-file", "login"]);
    assert_eq!(code(&planned), 0, "{planned:?}");
    let cli = cli.file("wrong", "root:wrong");
    assert_eq!(code(&cli.run(&["plan", "-f", "d.yaml", "--token-file", "wrong"])), 1);
    let cli = cli.variable("MILVUS_TOKEN_FILE", "login");
    assert_eq!(code(&cli.run(&["plan", "-f", "d.yaml"])), 0);
    let refused = both.run(&["export", "--token-file", "login"]);
    assert_eq!(code(&refused), 2, "{refused:?}");
    let refused = cli.run(&["export", "--token-file", "/dev/zero"]);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("longer"), "{refused:?}");
}

/// 2 says that something would change.
#[test]
fn bad_usage_is_no_change() {
    let cli = Cli::at("127.0.0.1:1");
    for arguments in [&["plan"][..], &["plan", "--no-such-flag"]] {
        assert_eq!(code(&cli.run(arguments)), 1);
    }
    assert_eq!(code(&cli.run(&["apply"])), 2);
    assert_eq!(code(&cli.run(&["plan", "--help"])), 0);
}
