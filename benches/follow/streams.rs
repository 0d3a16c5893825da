//! Many followers in one process: each has a connection and a stream of its own.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::access::access_service_client::AccessServiceClient;
use milvus_rbac::rpc::proto::access::watch_changes_request::Request as Asked;
use milvus_rbac::rpc::proto::access::watch_changes_response::Answer;
use milvus_rbac::rpc::proto::access::{Start, WatchChangesRequest};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::transport::Endpoint;

use crate::shared::server::ROOT;

/// Longer than anything takes.
const LIMIT: Duration = Duration::from_secs(120);

pub(crate) struct Streams {
    tasks: Vec<JoinHandle<()>>,
    /// When each commit was heard of.
    heard: mpsc::Receiver<Instant>,
    pings: watch::Sender<u64>,
    known: (String, u64),
}

impl Streams {
    /// Ends when all followers are up to date.
    pub(crate) async fn begin(
        center: SocketAddr,
        followers: usize,
        known: Option<(String, u64)>,
    ) -> Self {
        let (tell, heard) = mpsc::channel(followers);
        let (begun, mut all) = mpsc::channel(followers);
        let (pings, _) = watch::channel(0);
        let start = known.map(|(store_id, after_revision)| Start { store_id, after_revision });
        let start = start.unwrap_or_default();
        let follow = |_| {
            let follower =
                follow(center, start.clone(), begun.clone(), tell.clone(), pings.subscribe());
            tokio::spawn(follower)
        };
        let tasks = (0..followers).map(follow).collect();
        let mut known = Default::default();
        for _ in 0..followers {
            known = tokio::time::timeout(LIMIT, all.recv()).await.unwrap().unwrap();
        }
        Self { tasks, heard, pings, known }
    }

    /// The store, and the revision at which the followers began.
    pub(crate) fn known(&self) -> (String, u64) {
        self.known.clone()
    }

    /// When each follower heard of the next commit.
    pub(crate) async fn heard(&mut self) -> Vec<Instant> {
        let mut heard = Vec::with_capacity(self.tasks.len());
        while heard.len() < self.tasks.len() {
            heard.push(tokio::time::timeout(LIMIT, self.heard.recv()).await.unwrap().unwrap());
        }
        heard
    }

    /// All ping every `interval`, for so long.
    pub(crate) async fn ping_for(&self, interval: Duration, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.pings.send_modify(|ping| *ping += 1);
            tokio::time::sleep(interval).await;
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn follow(
    center: SocketAddr,
    start: Start,
    begun: mpsc::Sender<(String, u64)>,
    heard: mpsc::Sender<Instant>,
    mut pings: watch::Receiver<u64>,
) {
    let channel = Endpoint::from_shared(format!("http://{center}")).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut client = AccessServiceClient::new(channel);
    let (requests, queue) = mpsc::channel(8);
    let mut known = (start.store_id.clone(), start.after_revision);
    for asked in [Asked::Start(start), Asked::Ping(0)] {
        requests.try_send(WatchChangesRequest { request: Some(asked) }).unwrap();
    }
    let mut request = Request::new(ReceiverStream::new(queue));
    let login = STANDARD.encode(ROOT).parse().unwrap();
    request.metadata_mut().insert("authorization", login);
    let mut answers = client.watch_changes(request).await.unwrap().into_inner();
    let mut up_to_date = false;
    loop {
        let answer = tokio::select! {
            answer = answers.message() => answer.unwrap().unwrap().answer.unwrap(),
            changed = pings.changed() => {
                if changed.is_err() {
                    return;
                }
                let ping = *pings.borrow_and_update();
                let request = WatchChangesRequest { request: Some(Asked::Ping(ping)) };
                requests.send(request).await.unwrap();
                continue;
            }
        };
        match answer {
            Answer::Snapshot(snapshot) => known = (snapshot.store_id, snapshot.revision),
            Answer::Commit(commit) if up_to_date => {
                let _ = heard.send(Instant::now()).await;
                known.1 = commit.revision;
            }
            Answer::Commit(commit) => known.1 = commit.revision,
            Answer::Pong(_) if !up_to_date => {
                up_to_date = true;
                let _ = begun.send(known.clone()).await;
            }
            Answer::Pong(_) | Answer::Resumed(_) => {}
        }
    }
}
