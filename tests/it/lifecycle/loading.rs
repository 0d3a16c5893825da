//! A process that is not through with its store yet. Such is a follower whose centre is not there: it
//! tries for some seconds.

use std::net::TcpStream;
use std::process::Child;
use std::time::Instant;

use tonic::Code;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::follow::{FLAGS, following, free_address, login_file};
use crate::support::{LIMIT, Server, command, http_get, signal, wait};

/// A process that is on its way; it is killed when dropped.
struct Starting {
    child: Child,
    data: String,
    admin: String,
}

impl Drop for Starting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Starting {
    /// Follows `center`, and answers at its admin port already.
    fn follower_of(center: &str, folder: &std::path::Path) -> Self {
        let (data, admin) = (free_address(), free_address());
        let mut start = following(center, &login_file(folder, "root:Milvus"));
        start.args(["--listen", &data, "--admin-listen", &admin]);
        let starting = Self { child: start.spawn().unwrap(), data, admin };
        starting.until("the admin port answers", |s| TcpStream::connect(&s.admin).is_ok());
        starting
    }

    fn until(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let give_up = Instant::now() + LIMIT;
        while !so(self) {
            assert!(Instant::now() < give_up, "not in time: {what}");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn get(&self, path: &str) -> (u16, String) {
        http_get(&format!("http://{}{path}", self.admin))
    }
}

/// What gRPC health tells at that address.
pub(crate) async fn health(address: &str, service: &str) -> Result<ServingStatus, Code> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap().timeout(LIMIT);
    let mut client = HealthClient::new(endpoint.connect().await.unwrap());
    let asked = HealthCheckRequest { service: service.to_owned() };
    client.check(asked).await.map(|told| told.get_ref().status()).map_err(|e| e.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_loads_lives_is_not_ready_and_lets_nobody_in() {
    let folder = tempfile::tempdir().unwrap();
    let center = free_address();
    let starting = Starting::follower_of(&center, folder.path());
    for path in ["/readyz", "/healthz"] {
        assert_eq!(starting.get(path), (503, "loading\n".to_owned()));
    }
    assert_eq!(starting.get("/livez"), (200, "ok\n".to_owned()));
    assert_eq!(starting.get("/metrics").0, 200);
    assert_eq!(health(&starting.admin, "").await, Ok(ServingStatus::NotServing));
    assert_eq!(health(&starting.admin, "liveness").await, Ok(ServingStatus::Serving));
    let refused = TcpStream::connect(&starting.data).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);

    let mut start = command("memory:");
    let _center = Server::run(start.args(FLAGS).args(["--listen", &center]));
    starting.until("ready", |s| s.get("/readyz") == (200, "ok\n".to_owned()));
    for address in [&starting.admin, &starting.data] {
        assert_eq!(health(address, "").await, Ok(ServingStatus::Serving));
    }
}

#[test]
fn who_is_told_to_stop_while_loading_stops() {
    for name in ["TERM", "INT"] {
        let folder = tempfile::tempdir().unwrap();
        let mut starting = Starting::follower_of(&free_address(), folder.path());
        let told = Instant::now();
        signal(starting.child.id(), name);
        assert_eq!(wait(&mut starting.child).code(), Some(0));
        // It would have tried for longer.
        assert!(told.elapsed().as_secs() < 5, "{:?}", told.elapsed());
    }
}

/// Nothing there changes anything, or tells more than how the process is.
#[tokio::test]
async fn the_admin_port_knows_health_and_no_other_service() {
    let server = Server::start(&[]);
    for service in ["", "liveness", "milvus.proto.milvus.MilvusService"] {
        for address in [&server.admin, &server.address] {
            assert_eq!(health(address, service).await, Ok(ServingStatus::Serving), "{service}");
        }
    }
    for address in [&server.admin, &server.address] {
        assert_eq!(health(address, "nonsense").await, Err(Code::NotFound));
    }
    let endpoint = Endpoint::from_shared(format!("http://{}", server.admin)).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let login = crate::support::Metadata::login("root", "Milvus");
    let mut client = milvus_rbac::rpc::proto::service::milvus_service_client::MilvusServiceClient::with_interceptor(channel, login);
    let refused = client.create_role(crate::rpc::requests::create_role("r")).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
    let url = format!("http://{}/v2/vectordb/roles/list", server.admin);
    assert_eq!(http_get(&url).0, 404);
}
