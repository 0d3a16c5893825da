//! gRPC's own health service, for probes and balancers.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::codegen::BoxStream;
use tonic::{Request, Response, Status};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};

use super::proto::access::access_service_server::SERVICE_NAME as ACCESS;
use super::proto::service::client_telemetry_service_server::SERVICE_NAME as TELEMETRY;
use super::proto::service::milvus_service_server::SERVICE_NAME as MILVUS;
use super::status;
use crate::listener::Leaving;
use crate::telemetry::Shed;

/// What is served, all of it or nothing; the empty name is the server as a whole.
const SERVICES: [&str; 4] = ["", MILVUS, TELEMETRY, ACCESS];
/// Whether the process runs: true wherever it is told.
const LIVENESS: &str = "liveness";
/// The longest request that is read, and how long it may take to arrive.
const MAX_REQUEST: usize = 1 << 10;
const ARRIVAL: Duration = Duration::from_secs(5);
/// Streams that may watch at a time.
const MAX_WATCHING: usize = 10_000;

/// The request, once all of it is there.
///
/// INVARIANT: whoever does not end a request is not waited for: strangers may ask, and a call under way keeps the
/// place of its connection. Defended by `tests/it/lifecycle/probes.rs`.
///
/// # Errors
/// It is longer than those that are read, breaks off, or takes too long.
pub async fn whole(request: http::Request<Body>) -> Result<http::Request<Body>, Status> {
    let (parts, body) = request.into_parts();
    let read = axum::body::to_bytes(body, MAX_REQUEST);
    let late = |_| status::too_late("the request has not arrived in time".to_owned());
    let body = tokio::time::timeout(ARRIVAL, read).await.map_err(late)?;
    let odd = |e: axum::Error| status::malformed(&e);
    Ok(http::Request::from_parts(parts, Body::from(body.map_err(odd)?)))
}

/// Tells whether this instance is ready, to whoever asks.
#[derive(Debug, Clone)]
pub struct HealthService {
    ready: watch::Receiver<bool>,
    places: Arc<Semaphore>,
}

impl HealthService {
    /// Tells what `ready` says.
    pub fn new(ready: watch::Receiver<bool>) -> Self {
        Self { ready, places: Arc::new(Semaphore::new(MAX_WATCHING)) }
    }

    /// As a service for a port.
    pub fn into_server(self) -> HealthServer<Self> {
        HealthServer::new(self).max_decoding_message_size(MAX_REQUEST)
    }
}

#[tonic::async_trait]
impl Health for HealthService {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let is_well = match request.get_ref().service.as_str() {
            LIVENESS => true,
            name if SERVICES.contains(&name) => *self.ready.borrow(),
            _ => return Err(unknown()),
        };
        Ok(Response::new(answer(is_well)))
    }

    type WatchStream = BoxStream<HealthCheckResponse>;

    async fn watch(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let well = match request.get_ref().service.as_str() {
            LIVENESS => watch::channel(true).1,
            name if SERVICES.contains(&name) => self.ready.clone(),
            _ => return Err(unknown()),
        };
        let leaving = request.extensions().get::<Leaving>().cloned();
        let leaving = leaving.ok_or_else(status::unguarded)?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            status::overloaded(Shed::HealthWatches, "too many watch the health, try again later")
        })?;
        let (answers, taken) = mpsc::channel(1);
        tokio::spawn(async move {
            let _place = place;
            let ended = answers.clone();
            tokio::select! {
                () = tell(well, leaving, answers) => {}
                () = ended.closed() => {}
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(taken))))
    }
}

/// Tells every change until the connection is about to end, by when the last one is told.
async fn tell(
    mut well: watch::Receiver<bool>,
    mut leaving: Leaving,
    answers: mpsc::Sender<Result<HealthCheckResponse, Status>>,
) {
    let mut told = None;
    loop {
        let now = *well.borrow_and_update();
        if told != Some(now) {
            if answers.send(Ok(answer(now))).await.is_err() {
                return;
            }
            told = Some(now);
        }
        tokio::select! {
            // Changes first: what comes with the end is told before it.
            biased;
            Ok(()) = well.changed() => {}
            () = leaving.told() => return,
        }
    }
}

fn answer(is_well: bool) -> HealthCheckResponse {
    let status = if is_well { ServingStatus::Serving } else { ServingStatus::NotServing };
    HealthCheckResponse { status: status.into() }
}

fn unknown() -> Status {
    let names = SERVICES.map(|name| format!("`{name}`")).join(", ");
    status::not_found(format!("there is no such service; there are {names} and `{LIVENESS}`"))
}
