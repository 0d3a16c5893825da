//! Puts the process together, runs it, and takes it apart in order. Only here are concrete stores
//! named.

mod copy;
mod person;
mod policy;
mod reset;
mod root;
mod stop;

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderMap;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tonic::service::Routes;
use tracing::{info, warn};

use crate::admin::{self, Admin};
use crate::clock::Clock;
use crate::config::{Config, StoreUrl};
use crate::engine::{Engine, Health, WriterThread};
use crate::gate::{self, Center, Credentials, External, Gate, Upstream};
use crate::listener::{Bound, Phase, Port, Stay};
use crate::passwords::Passwords;
use crate::rest::{self, RestUpstream};
use crate::rpc::proto::access::access_service_server::{
    AccessServiceServer, SERVICE_NAME as ACCESS,
};
use crate::rpc::proto::envoy::service::auth::v3::authorization_server::AuthorizationServer;
use crate::rpc::proto::service::client_telemetry_service_server::{
    ClientTelemetryServiceServer, SERVICE_NAME as TELEMETRY,
};
use crate::rpc::proto::service::milvus_service_server::{MilvusServiceServer, SERVICE_NAME};
use crate::rpc::{Access, Behind, DESCRIPTORS, HealthService, Service, health};
use crate::storage::Store;
use crate::storage::etcd::EtcdStore;
use crate::storage::follow::{FollowStore, Target};
use crate::storage::memory::MemoryStore;
use crate::storage::sled::SledStore;
use crate::telemetry;
use crate::tls::server::ServerTls;

pub use self::copy::copy;
pub use self::reset::reset;
use self::stop::{Readiness, Signals, Told};

/// How long running calls may take to finish when the process is told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How much of that is left when long answers are broken off, so that their readers hear of it.
const BREAK_OFF: Duration = Duration::from_secs(2);
/// How long those at the admin port may take, when all else has ended.
const ADMIN_GRACE: Duration = Duration::from_secs(1);
/// How long an etcd may take to be read as a whole.
const ETCD_PATIENCE: Duration = Duration::from_secs(120);
/// How often a follower asks whether it is up to date, within the time in which it must hear so, and
/// at least.
const STALENESS_CHECKS: u32 = 5;
const MAX_STALENESS_CHECK: Duration = Duration::from_secs(2);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// A text that says what could not be opened, bound or closed.
pub async fn run(mut config: Config) -> Result<(), String> {
    let metrics = telemetry::start_metrics().map_err(|e| e.to_string())?;
    tokio::spawn(telemetry::keep_metrics(metrics.clone()));
    let traces = config.collector.clone().map(telemetry::Traces::start).transpose()?;
    info!(version = env!("CARGO_PKG_VERSION"), store = ?config.store, "starting");
    // Before the store: a start that fails must not leave one behind with a password of its own.
    let terms = config.tls.take().map(ServerTls::keep);
    let data = Bound::at("--listen", &config.listen).await?;
    let admin = match &config.admin_listen {
        Some(address) => Some(Bound::at("--admin-listen", address).await?.listen()?),
        None => None,
    };

    let passwords = Passwords::new(config.bcrypt_cost)?;
    let clock = Arc::new(Clock::default());
    let groups = Arc::new(config.rules.groups.clone());
    let (ready, is_ready) = watch::channel(false);
    let (phase, phases) = watch::channel(Phase::Serving);
    let (admin_phase, admin_phases) = watch::channel(Phase::Serving);
    let health = HealthService::new(is_ready.clone());
    // Whoever finds a port answering may tell the process to stop.
    let mut signals = Signals::listen()?;
    // From the start: a process that takes its time is not one that hangs.
    let (admin_routes, admin_routed) = watch::channel(admin::loading(metrics.clone()));
    let admin_address = admin.as_ref().map(Port::address).transpose().map_err(|e| e.to_string())?;
    let admin = admin.map(|port| {
        // With places of its own: those who watch the data port do not keep the orchestrator out.
        let health = HealthService::new(is_ready.clone());
        let app = admin_router(Routes::new(health.into_server()), admin_routed);
        let stay = Stay { phase: admin_phases, grace: ADMIN_GRACE, max_age: None };
        tokio::spawn(port.serve(app, stay))
    });
    let Some(started) = signals.before(start_engine(&config)).await else {
        info!("stopped while loading");
        return Ok(());
    };
    let (engine, writer) = started?;
    // Before root is made: here a start may fail still.
    let data = data.listen()?.secured(terms);
    // A follower has the root of its centre.
    let center = match &config.store {
        StoreUrl::Follow(Target { authority, tls }) => {
            let instance = Upstream::new(authority.clone(), tls.clone(), Credentials::Passthrough);
            Some(Center::new(engine.clone(), instance, config.store_login.as_ref())?)
        }
        StoreUrl::Sled(_) | StoreUrl::Etcd(_) | StoreUrl::Memory => {
            root::prepare(&engine, &passwords, &clock, config.root_password).await?;
            None
        }
    };
    if let Some(policy) = config.policy {
        let (engine, passwords, rules) = (engine.clone(), passwords.clone(), config.rules.clone());
        tokio::spawn(policy::Keeper::new(engine, passwords, rules, policy).start().await?);
    }
    if !config.gate.authorization {
        warn!("authorization is off: credentials are ignored and nothing is refused");
    }
    if config.gate.audit_only {
        warn!("audit only: what would be refused is recorded, and forwarded all the same");
    }

    let (break_off, breaking_off) = watch::channel(false);
    let behind_rest = config.upstream.as_ref().and_then(|u| {
        let (authority, tls) = u.rest.clone()?;
        Some(RestUpstream::new(authority, tls, u.credentials.clone()))
    });
    let upstream =
        config.upstream.map(|u| Arc::new(Upstream::new(u.authority, u.tls, u.credentials)));
    let upstream_ready = upstream.as_ref().map(|upstream| {
        let upstream = upstream.clone();
        let ready = upstream.watch_ready();
        tokio::spawn(async move { upstream.probe().await });
        ready
    });
    let held_passwords = passwords.clone();
    let gate = Arc::new(Gate::new(
        engine.clone(),
        passwords.clone(),
        groups.clone(),
        upstream,
        center,
        config.gate,
    ));
    let behind = Behind { ready: upstream_ready.clone(), aliases: gate.aliases() };
    let service = Service::new(engine.clone(), passwords, groups, clock, behind);
    let rest = rest::router(gate.clone(), service.clone(), behind_rest);
    let access = Access::new(service.clone(), gate.clone(), breaking_off);
    let mut routes = Routes::new(ClientTelemetryServiceServer::new(service.clone()))
        .add_service(MilvusServiceServer::new(service).max_decoding_message_size(gate::MAX_MESSAGE))
        .add_service(AccessServiceServer::new(access).max_decoding_message_size(gate::MAX_MESSAGE))
        .add_service(health.into_server());
    if config.gate.ext_authz {
        let external = AuthorizationServer::new(External::new(gate.clone()));
        routes = routes.add_service(external.max_decoding_message_size(gate::MAX_MESSAGE));
    }
    if config.reflection {
        routes = add_reflection(routes)?;
    }
    let data_app = data_router(routes, gate, rest);
    let admin_app = Admin {
        engine: engine.clone(),
        phase: phases.clone(),
        metrics,
        upstream: upstream_ready.clone(),
        gate: config.gate,
        passwords: held_passwords,
    }
    .into_router();
    let mut readiness = Readiness {
        ready,
        health: engine.watch_health(),
        upstream: upstream_ready.unwrap_or_else(|| watch::channel(true).1),
        phase: phases.clone(),
    };
    // Whoever reads the announcement may ask at once.
    readiness.tell();
    drop(admin_routes.send_replace(admin_app));
    announce(data.address(), admin_address)?;

    tokio::spawn(readiness.keep());
    let max_age = config.life_cycle.max_connection_age;
    let stay = Stay { phase: phases, grace: GRACE, max_age };
    let mut data = tokio::spawn(data.serve(data_app, stay));
    let told = stop::reason(&mut signals, &engine).await;
    info!("stopping");
    phase.send_replace(Phase::Draining);
    // INVARIANT: whoever watches has heard that this instance is not ready before it turns anybody
    // away. Defended by `tests/it/lifecycle/drain.rs`.
    let _ = is_ready.clone().wait_for(|ready| !ready).await;
    if told == Some(Told::Terminate) {
        stop::drain(config.life_cycle.drain_wait, &mut signals, &engine).await;
    }
    phase.send_replace(Phase::Stopping);
    let soon = tokio::time::timeout(GRACE - BREAK_OFF, &mut data).await;
    break_off.send_replace(true);
    let all_ended = match soon {
        Ok(ended) => ended,
        Err(_) => data.await,
    };
    if !all_ended.unwrap_or(false) {
        warn!("connections were still open after {} s", GRACE.as_secs());
    }
    let failed = engine.health() == Health::Stopped;
    let closed = tokio::time::timeout(GRACE, end(engine, writer)).await.unwrap_or_else(|_| {
        Err(format!("the store has not answered for {} s; it was not closed", GRACE.as_secs()))
    });
    if let Some(traces) = traces {
        // What is lost of them is told in the log.
        let _ = beside(move || traces.flush()).await;
    }
    closed?;
    admin_phase.send_replace(Phase::Stopping);
    if let Some(admin) = admin {
        let _ = admin.await;
    }
    if failed { Err("the writer ended by itself".to_owned()) } else { Ok(()) }
}

async fn start_engine(config: &Config) -> Result<(Engine, WriterThread), String> {
    let (url, login) = (config.store.clone(), config.store_login.clone());
    let (rules, sharing, keep) = (config.rules.clone(), config.sharing, config.keep);
    let runtime = Handle::current();
    let (patience, what, way_on) = match &config.store {
        StoreUrl::Sled(folder) => (
            SledStore::patience(folder),
            folder.display().to_string(),
            "; if its disk is well, move the folder away, start anew, with --root-password-file, \
             since root is new too, and restore a backup (README, Operations)",
        ),
        StoreUrl::Etcd(target) => (ETCD_PATIENCE, target.endpoints.join(","), ""),
        StoreUrl::Memory => (GRACE, "memory".to_owned(), ""),
        // What is told ends by itself when nothing more comes.
        StoreUrl::Follow(center) => (Duration::MAX, center.authority.to_string(), ""),
    };
    let started = beside(move || {
        let store: Box<dyn Store> = match url {
            StoreUrl::Follow(center) => {
                let interval = (sharing.max_staleness / STALENESS_CHECKS).min(MAX_STALENESS_CHECK);
                let login = login.as_ref();
                Box::new(FollowStore::new(center, login, interval, runtime)?)
            }
            StoreUrl::Sled(folder) => Box::new(SledStore::open(&folder)?.keeping(keep)),
            StoreUrl::Etcd(target) => {
                Box::new(EtcdStore::open(target, sharing.max_staleness)?.keeping(keep))
            }
            StoreUrl::Memory => Box::new(MemoryStore::new()?),
        };
        Engine::start(store, rules, sharing)
    });
    let started = tokio::time::timeout(patience, started).await.map_err(|_| {
        format!(
            "the store is unavailable: {what} was not open after {} s{way_on}",
            patience.as_secs()
        )
    })?;
    started?.map_err(|e| e.to_string())
}

/// Runs on a thread of its own, for which the end of the process does not wait.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (tell, told) = oneshot::channel();
    let work = move || tell.send(work()).map_err(drop);
    std::thread::Builder::new().name("store".to_owned()).spawn(work).map_err(|e| e.to_string())?;
    told.await.map_err(|_| "the store's thread panicked; its message is above".to_owned())
}

async fn end(engine: Engine, writer: WriterThread) -> Result<(), String> {
    engine.stop().await;
    beside(move || writer.join()).await?.map_err(|e| e.to_string())
}

fn add_reflection(routes: Routes) -> Result<Routes, String> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            )
            .with_service_name(SERVICE_NAME)
            .with_service_name(TELEMETRY)
            .with_service_name(ACCESS)
            .with_service_name("grpc.health.v1.Health")
            .with_service_name("grpc.reflection.v1.ServerReflection")
            .with_service_name("grpc.reflection.v1alpha.ServerReflection")
    };
    let v1 = builder().build_v1().map_err(|e| e.to_string())?;
    let v1alpha = builder().build_v1alpha().map_err(|e| e.to_string())?;
    Ok(routes.add_service(v1).add_service(v1alpha))
}

/// gRPC behind its gate, and REST for everything else. The gate stands before the router, which
/// calls that are forwarded need not pay for.
fn data_router(routes: Routes, gate: Arc<Gate>, rest: Router) -> Router {
    let grpc = routes.into_axum_router();
    Router::new().fallback_service(tower::service_fn(move |request: axum::extract::Request| {
        let (gate, grpc, mut rest) = (gate.clone(), grpc.clone(), rest.clone());
        async move {
            if is_grpc(request.headers()) {
                Ok(gate::guard(&gate, grpc, request).await)
            } else {
                tower::Service::call(&mut rest, request).await
            }
        }
    }))
}

/// gRPC health, and for everything else what there is to tell by now.
fn admin_router(health: Routes, told: watch::Receiver<Router>) -> Router {
    let grpc = health.into_axum_router();
    Router::new().fallback_service(tower::service_fn(move |request: axum::extract::Request| {
        let (mut grpc, mut told) = (grpc.clone(), told.borrow().clone());
        async move {
            if !is_grpc(request.headers()) {
                return tower::Service::call(&mut told, request).await;
            }
            match health::whole(request).await {
                Ok(request) => tower::Service::call(&mut grpc, request).await,
                Err(refusal) => Ok(refusal.into_http()),
            }
        }
    }))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(b"application/grpc"))
}

/// One line for each port, on standard output, for whoever started the process.
fn announce(data: io::Result<SocketAddr>, admin: Option<SocketAddr>) -> Result<(), String> {
    let tell = |e: io::Error| e.to_string();
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on {}", data.map_err(tell)?).map_err(tell)?;
    if let Some(admin) = admin {
        writeln!(out, "admin on {admin}").map_err(tell)?;
    }
    out.flush().map_err(tell)
}
