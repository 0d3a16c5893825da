//! Another store at the centre's address while a change is under way: revisions of the one say
//! nothing about the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::Code;

use super::*;

/// The way to a centre. Who follows over the first connection hears nothing while that is held up, and
/// then that it has ended.
struct Way {
    address: String,
    center: watch::Sender<String>,
    held_up: watch::Sender<bool>,
    connections: Arc<AtomicUsize>,
    /// What came back from centres.
    answered: Arc<AtomicUsize>,
}

impl Way {
    async fn to(center: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (held_up, connections) = (watch::Sender::new(false), Arc::new(AtomicUsize::new(0)));
        let center = watch::Sender::new(center.to_owned());
        let answered = Arc::new(AtomicUsize::new(0));
        let (to, held) = (center.subscribe(), held_up.clone());
        let (counted, all) = (connections.clone(), answered.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
                let center = to.borrow().clone();
                let Ok(center) = TcpStream::connect(center).await else { continue };
                let (mut held, all) = (held.subscribe(), all.clone());
                tokio::spawn(async move {
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_center, mut to_center) = center.into_split();
                    let up = copy(&mut from_client, &mut to_center);
                    let down = async {
                        let mut bytes = vec![0; 1 << 16];
                        while let Ok(length @ 1..) = from_center.read(&mut bytes).await {
                            if first && *held.borrow() {
                                held.wait_for(|held| !held).await.unwrap();
                                break;
                            }
                            if to_client.write_all(&bytes[..length]).await.is_err() {
                                break;
                            }
                            all.fetch_add(length, Ordering::SeqCst);
                        }
                    };
                    // Whoever ends first ends both.
                    tokio::select! {
                        _ = up => {}
                        () = down => {}
                    }
                });
            }
        });
        Self { address, center, held_up, connections, answered }
    }
}

/// A centre with so many roles in a new store.
async fn center_with(roles: usize) -> Server {
    let center = Server::start(&FLAGS);
    let mut root = center.root().await;
    for number in 0..roles {
        make(&mut root, &format!("role{number}")).await;
    }
    center
}

/// The centre makes a change and is gone before the follower hears of that; the new store's revision
/// is higher.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_not_acknowledged_on_a_revision_of_another_store() {
    let folder = TempDir::new().unwrap();
    let (center, next) = (center_with(1).await, center_with(9).await);
    let way = Way::to(&center.address).await;
    let login = login_file(folder.path(), "root:Milvus");
    let follower = Server::run(&mut following(&way.address, &login));
    let mut there = follower.root().await;
    assert_eq!(roles(&mut there).await, ["admin", "public", "role0"]);

    // A follower has four connections for changes; with all of them open, what comes back is an answer.
    for number in 0..4 {
        make(&mut there, &format!("opened{number}")).await;
    }
    way.held_up.send_replace(true);
    let mut root = center.root().await;
    let before = way.answered.load(Ordering::SeqCst);
    let change = tokio::spawn(async move { there.create_role(create_role("lost")).await });
    until(async || roles(&mut root).await.contains(&"lost".to_owned()).then_some(())).await;
    until(async || (way.answered.load(Ordering::SeqCst) > before).then_some(())).await;
    way.center.send_replace(next.address.clone());
    center.kill();
    way.held_up.send_replace(false);
    let told = change.await.unwrap();
    let mut there = follower.root().await;
    until(async || listed(&mut there).await?.contains(&"role8".to_owned()).then_some(())).await;
    assert!(!roles(&mut there).await.contains(&"lost".to_owned()));
    let refused = told.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("another store"), "{refused}");
    make(&mut there, "through").await;
    assert!(roles(&mut next.root().await).await.contains(&"through".to_owned()));
}

/// The centre is another one, of which the follower has not heard.
#[tokio::test(flavor = "multi_thread")]
async fn a_change_decided_on_one_store_is_not_made_in_another() {
    let folder = TempDir::new().unwrap();
    let (center, next) = (center_with(5).await, center_with(0).await);
    let mut root = next.root().await;
    let way = Way::to(&center.address).await;
    let login = login_file(folder.path(), "root:Milvus");
    let follower = Server::run(&mut following(&way.address, &login));
    let mut there = follower.root().await;
    make(&mut there, "before").await;

    // That it has ended is not heard of either.
    way.held_up.send_replace(true);
    way.center.send_replace(next.address.clone());
    center.kill();
    let before = way.connections.load(Ordering::SeqCst);
    let refused = there.create_role(create_role("stray")).await.unwrap_err();
    assert!(way.connections.load(Ordering::SeqCst) > before, "it did not ask");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("records of another store"), "{refused}");
    assert_eq!(roles(&mut root).await, ["admin", "public"]);
    assert!(roles(&mut there).await.contains(&"before".to_owned()));

    way.held_up.send_replace(false);
    until(async || there.create_role(create_role("through")).await.ok()).await;
    assert_eq!(roles(&mut root).await, ["admin", "public", "through"]);
}
