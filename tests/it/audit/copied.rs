//! A store that is copied: its trail stays where it is, and the copy's begins with its tip.

use super::*;
use crate::cli::as_root;
use crate::etcd::server::Etcd;

#[tokio::test(flavor = "multi_thread")]
async fn the_trail_of_a_copy_begins_with_the_tip_of_the_original() {
    let (etcd, files) = (Etcd::shared(), TempDir::new().unwrap());
    let (first, second) = (files.path().join("first"), files.path().join("second"));
    let there = format!("etcd://{}/moved/meta", etcd.address());
    let server = Server::run(command(&sled_url(&first)).args(FLAGS));
    busy(&mut server.root().await).await;
    let told = as_root(&server, &["audit", "verify"]).out;
    let tip = told.trim().rsplit("tip: ").next().unwrap();
    assert!(server.stop().success());
    let copy = |from: &str, to: &str| {
        let (done, told) = run(&["store", "copy", "--from", from, "--to", to]);
        assert!(done, "{told}");
    };
    copy(&sled_url(&first), &there);
    copy(&there, &sled_url(&second));
    for (store, whose) in [(there, tip), (sled_url(&second), "1:")] {
        let server = Server::run(command(&store).args(FLAGS));
        let (first, events) = listed(&server, ListAuditEventsRequest::default()).await.unwrap();
        assert_eq!(commands(&events), ["StoreCopy"]);
        let event = &events[0];
        assert_eq!((&*event.actor, event.revision, event.number), ("(copy)", 10, 1));
        assert!(event.peer.contains("(tester) at "), "{}", event.peer);
        let ended = format!("at revision 10, whose audit trail ended with {whose}");
        assert!(event.comment.contains(&ended), "{}", event.comment);
        assert_eq!(first.beginning.unwrap().revision, 9);
        let next = server.root().await.create_role(create_role("next")).await.unwrap();
        assert_eq!(next.into_inner().code, 0);
        let whole = as_root(&server, &["audit", "verify"]);
        assert!(whole.out.starts_with("whole: events 1 to 2, revisions 10 to 11"), "{}", whole.err);
        assert!(server.stop().success());
    }
    // Of a Milvus' records alone there is none to name.
    etcd.put("foreign/meta/root-coord/credential/roles/r", "");
    let taken = files.path().join("taken");
    copy(&format!("etcd://{}/foreign/meta", etcd.address()), &sled_url(&taken));
    let events = trail::check(&mut SledStore::open(&taken).unwrap()).unwrap();
    assert!(events[0].origin.comment.ends_with("which had no audit trail"), "{events:?}");
}
