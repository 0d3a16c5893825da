//! `reset-root-password`.

use super::*;
use crate::etcd::server::Etcd;

async fn logs_in(server: &Server, password: &str) -> bool {
    server.client("root", password).await.create_role(create_role("public")).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_password_is_replaced_in_a_folder() {
    let files = TempDir::new().unwrap();
    let folder = files.path().join("store");
    let store = sled_url(&folder);
    let lost = files.path().join("lost");
    std::fs::write(&lost, "nobody knows it\n").unwrap();
    let server = Server::run(command(&store).args(FLAGS).arg("--root-password-file").arg(&lost));
    assert!(logs_in(&server, "nobody knows it").await);
    let (done, told) = run(&["reset-root-password", "--store", &store]);
    assert!(!done && told.contains("in use"), "{told}");
    assert!(server.stop().success());

    let new = files.path().join("new");
    std::fs::write(&new, "short\n").unwrap();
    let args = ["reset-root-password", "--store", &store, "--password-file", new.to_str().unwrap()];
    let (done, told) = run(&args);
    assert!(!done && told.contains("invalid password length"), "{told}");
    std::fs::write(&new, "a new password\n").unwrap();
    let (done, told) = run(&args);
    assert!(done, "{told}");
    assert_eq!(told, "root has a new password, revision 2\n");
    let (done, told) = run(&["reset-root-password", "--store", &store]);
    assert!(done, "{told}");
    let made_up = told.trim().rsplit("password: ").next().unwrap().to_owned();
    assert!(made_up.len() >= 32, "{told}");

    let server = Server::run(command(&store).args(FLAGS));
    assert!(logs_in(&server, &made_up).await);
    for gone in ["nobody knows it", "a new password", "Milvus"] {
        assert!(!logs_in(&server, gone).await, "{gone}");
    }
    assert!(server.stop().success());
    let events = trail::check(&mut SledStore::open(&folder).unwrap()).unwrap();
    let reset = events.last().unwrap();
    assert_eq!((&*reset.command, &*reset.origin.user), ("ResetRootPassword", "(offline)"));
    assert!(reset.origin.peer.contains("(tester) at "), "{}", reset.origin.peer);
    assert!(reset.steps.len() == 1 && reset.steps[0].new_password);

    let typo = files.path().join("typo");
    let (done, told) = run(&["reset-root-password", "--store", &sled_url(&typo)]);
    assert!(!done && told.contains("nothing is stored at") && !typo.exists(), "{told}");
    let (done, told) = run(&["reset-root-password", "--store", "memory:"]);
    assert!(!done && told.contains("--store: `memory:`"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_password_is_replaced_in_an_etcd_beside_running_instances() {
    let etcd = Etcd::shared();
    let store = format!("etcd://{}/reset/meta", etcd.address());
    let (done, told) = run(&["reset-root-password", "--store", &store]);
    assert!(!done && told.contains("nothing is stored at"), "{told}");
    let server = Server::run(command(&store).args(FLAGS));
    assert!(logs_in(&server, "Milvus").await);
    let (done, told) = run(&["reset-root-password", "--store", &store]);
    assert!(done, "{told}");
    let password = told.trim().rsplit("password: ").next().unwrap().to_owned();
    let until = std::time::Instant::now() + crate::support::LIMIT;
    while !logs_in(&server, &password).await {
        assert!(std::time::Instant::now() < until, "the new password is not heard of");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert!(!logs_in(&server, "Milvus").await);
    let mut access = access(&server, Metadata::login("root", &password)).await;
    let request = ListAuditEventsRequest { actor: "(offline)".to_owned(), ..Default::default() };
    let mut answers = access.list_audit_events(request).await.unwrap().into_inner();
    answers.message().await.unwrap();
    let events = answers.message().await.unwrap().unwrap().events;
    assert_eq!(commands(&events), ["ResetRootPassword"]);
}
