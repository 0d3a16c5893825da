//! A sidecar is ready when its Milvus has answered, and lives whatever that does.

use tonic_health::pb::health_check_response::ServingStatus;

use super::upstream::Upstream;
use super::{start, until};
use crate::lifecycle::loading::health;

#[tokio::test(flavor = "multi_thread")]
async fn readiness_follows_a_milvus_that_comes_later_and_liveness_does_not() {
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = start(&format!("http://{nowhere}"), &[]);
    let all = async |service: &str, status: ServingStatus| {
        let told = [health(&server.admin, service).await, health(&server.address, service).await];
        told == [Ok(status), Ok(status)]
    };
    assert!(all("", ServingStatus::NotServing).await);
    assert!(all("liveness", ServingStatus::Serving).await);
    let upstream = Upstream::at(nowhere).await;
    until("ready", async || all("", ServingStatus::Serving).await).await;
    drop(upstream);
    until("not ready", async || all("", ServingStatus::NotServing).await).await;
    assert!(all("liveness", ServingStatus::Serving).await);
}
