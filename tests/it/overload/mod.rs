//! More of everything than can be served: connections, calls, readers and writers that take their
//! time, messages, wrong passwords. Memory stays bounded, what is too much is refused at once,
//! health is told all the while, and everything works afterwards.

mod connections;
mod load;
mod passwords;
mod slow;

use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::GetVersionRequest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::rpc::calls::Call as _;
use crate::support::{LIMIT, Server, resident};

pub(crate) const MIB: u64 = 1 << 20;

/// How much more of everything; more by environment for a longer attack.
fn scale() -> usize {
    let configured = std::env::var("MILVUS_RBAC_OVERLOAD").ok();
    configured.map_or(1, |scale| scale.parse().unwrap())
}

/// On a new connection the server tells its health, and so does the admin port; a login works.
async fn alive(server: &Server) {
    let asked = Instant::now();
    let answers = async {
        let mut health = HealthClient::new(server.endpoint().connect().await.unwrap());
        let status = health.check(HealthCheckRequest::default()).await.unwrap().into_inner().status;
        assert_eq!(status, i32::from(ServingStatus::Serving));
        let mut admin = TcpStream::connect(&server.admin).await.unwrap();
        admin.write_all(b"GET /livez HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        admin.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
        GetVersionRequest::default().send(&server.root().await).await.unwrap();
    };
    timeout(LIMIT, answers).await.unwrap_or_else(|_| panic!("no answer"));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}");
}

/// Watches a server's memory while something is done to it. Returns the most that was resident.
async fn most_memory(server: &Server, attack: impl Future<Output = ()>) -> u64 {
    let pid = server.pid();
    let mut most = resident(pid);
    tokio::pin!(attack);
    loop {
        tokio::select! {
            () = &mut attack => return most.max(resident(pid)),
            () = tokio::time::sleep(Duration::from_millis(20)) => most = most.max(resident(pid)),
        }
    }
}
