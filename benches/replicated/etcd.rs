//! etcd on loopback, and how many puts it takes.

use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use milvus_rbac::storage::etcd::proto::kv_client::KvClient;
use milvus_rbac::storage::etcd::proto::request_op::Request as Op;
use milvus_rbac::storage::etcd::proto::{PutRequest, RequestOp, TxnRequest};
use tonic::transport::Endpoint;

use crate::shared::child::Child;

/// As large as the record of a commit.
const VALUE: usize = 128;

pub(crate) fn is_installed() -> bool {
    let version = Command::new("etcd").arg("--version").stdout(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Members of one cluster, and where they serve.
pub(crate) fn start(members: usize) -> (Vec<Child>, Vec<String>) {
    let mut ports = free_ports(members * 2);
    let peers = ports.split_off(members);
    let url = |port: &u16| format!("http://127.0.0.1:{port}");
    let cluster: Vec<_> =
        peers.iter().enumerate().map(|(number, port)| format!("m{number}={}", url(port))).collect();
    let start = |(number, (client, peer)): (usize, (&u16, &u16))| {
        let folder = tempfile::tempdir().unwrap();
        let (client, peer) = (url(client), url(peer));
        let process = Command::new("etcd")
            .args(["--name", &format!("m{number}"), "--logger", "zap", "--log-level", "error"])
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &cluster.join(",")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Child::new(process, Some(folder))
    };
    let running = ports.iter().zip(&peers).enumerate().map(start).collect();
    let until = Instant::now() + Duration::from_secs(30);
    for port in &ports {
        while TcpStream::connect(("127.0.0.1", *port)).is_err() {
            assert!(Instant::now() < until, "etcd does not start");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    (running, ports.iter().map(|port| format!("127.0.0.1:{port}")).collect())
}

fn free_ports(count: usize) -> Vec<u16> {
    let taken: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    taken.iter().map(|port| port.local_addr().unwrap().port()).collect()
}

/// Transactions of one put each that a member takes in a second, of which so many are always under
/// way.
pub(crate) async fn puts(endpoint: &str, in_flight: usize, time: Duration) -> f64 {
    let endpoint = Endpoint::from_shared(format!("http://{endpoint}")).unwrap();
    let client = KvClient::new(endpoint.connect().await.unwrap());
    let began = Instant::now();
    let put = async |number: usize| {
        let (mut client, mut count) = (client.clone(), 0);
        while began.elapsed() < time {
            let put = PutRequest {
                key: format!("puts/{number}/{}", count % 100).into_bytes(),
                value: vec![7; VALUE],
                lease: 0,
            };
            let success = vec![RequestOp { request: Some(Op::RequestPut(put)) }];
            client.txn(TxnRequest { success, ..Default::default() }).await.unwrap();
            count += 1;
        }
        count
    };
    let counts: Vec<u32> = join_all((0..in_flight).map(put)).await;
    f64::from(counts.iter().sum::<u32>()) / began.elapsed().as_secs_f64()
}
