//! Calls to an etcd: to whichever member answers, with a deadline on each.

use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::uri::InvalidUri;
use tokio::time::timeout;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, ConnectError, Request, Response, Status};
use tracing::{info, warn};

use super::proto::auth_client::AuthClient;
use super::proto::kv_client::KvClient;
use super::proto::lease_client::LeaseClient;
use super::proto::request_op::Request as Op;
use super::proto::response_op::Response as Done;
use super::proto::{
    AuthenticateRequest, KeyValue, LeaseGrantRequest, LeaseKeepAliveRequest, LeaseRevokeRequest,
    PutRequest, RangeRequest, RangeResponse, RequestOp, ResponseOp, TxnRequest, TxnResponse,
};
use super::target::Target;
use crate::storage::StoreError;
use crate::tls::{self, TlsFiles};

/// How long a member may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a member may take to answer a call.
const CALL: Duration = Duration::from_secs(4);
/// How long the members together may take for one call: less than a command waits.
const ALL: Duration = Duration::from_secs(8);

/// The largest answer that is taken.
pub(super) const MAX_ANSWER: usize = 256 << 20;

/// A connection that shows the caller's token.
pub(super) type Shown = InterceptedService<Channel, Credentials>;

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It never reached a member that could have served it.
    Unsent(String),
    /// The token has expired; nothing was done.
    Stale(String),
    /// A member refused it; nothing was done.
    Refused(String),
    /// It is more than a member takes at once; nothing was done.
    TooLarge(String),
    /// What it asks for is compacted, or too much to be told.
    Passed(String),
    /// There was no answer, or none that tells whether it was done.
    Open(String),
}

impl Failure {
    /// Of a call that changes nothing.
    pub(super) fn of_reading(self) -> StoreError {
        match self {
            Self::Unsent(text)
            | Self::Stale(text)
            | Self::Refused(text)
            | Self::TooLarge(text)
            | Self::Passed(text)
            | Self::Open(text) => StoreError::Unavailable(text),
        }
    }

    /// Of a call that changes something.
    pub(super) fn of_writing(self) -> StoreError {
        match self {
            Self::TooLarge(text) => {
                warn!(error = text, "etcd did not take a transaction");
                StoreError::TooLarge("etcd takes less than --store says, see the log".to_owned())
            }
            Self::Open(text) => StoreError::Unknown(text),
            other => other.of_reading(),
        }
    }

    /// What a member's answer means.
    pub(super) fn of(endpoint: &str, status: &Status) -> Self {
        let text = format!("{endpoint}: {}", chain(status));
        let says = |words: &str| status.message().contains(words);
        match status.code() {
            Code::Unavailable if unconnected(status) || says("no leader") => Self::Unsent(text),
            Code::Unauthenticated => Self::Stale(text),
            Code::InvalidArgument if says("revision of auth store is old") => Self::Stale(text),
            Code::InvalidArgument if says("user name is empty") => Self::Stale(format!(
                "{endpoint}: it wants a user and a password: --store-login-file"
            )),
            Code::InvalidArgument if says("too many operations") || says("is too large") => {
                Self::TooLarge(text)
            }
            Code::ResourceExhausted if says("larger than max") => Self::TooLarge(text),
            Code::OutOfRange => Self::Passed(text),
            Code::InvalidArgument
            | Code::ResourceExhausted
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::NotFound
            | Code::Unimplemented => Self::Refused(text),
            _ => Self::Open(text),
        }
    }
}

/// Whether the call failed because there was no connection to send it on.
fn unconnected(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if error.is::<ConnectError>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// An error with its reasons, as far as each says something new.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = match error.downcast_ref::<Status>() {
        Some(status) => status.message().to_owned(),
        None => error.to_string(),
    };
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            // Writing to a text does not fail.
            let _ = write!(text, ": {reason}");
        }
        source = error.source();
    }
    text
}

/// What goes with each call.
#[derive(Debug, Clone)]
pub(super) struct Credentials(Option<MetadataValue<Ascii>>);

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(token) = &self.0 {
            request.metadata_mut().insert("token", token.clone());
        }
        // A member that is cut off from the others says so at once.
        request.metadata_mut().insert("hasleader", MetadataValue::from_static("true"));
        Ok(request)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) endpoint: String,
    pub(super) channel: Shown,
}

impl Connection {
    fn kv(&self) -> KvClient<Shown> {
        KvClient::new(self.channel.clone()).max_decoding_message_size(MAX_ANSWER)
    }

    fn lease(&self) -> LeaseClient<Shown> {
        LeaseClient::new(self.channel.clone())
    }

    pub(super) async fn range(&self, request: RangeRequest) -> Result<RangeResponse, Failure> {
        self.once(self.kv().range(request)).await
    }

    /// What there is under each of them, at one moment.
    pub(super) async fn ranges<const N: usize>(
        &self,
        requests: [RangeRequest; N],
    ) -> Result<TxnResponse, Failure> {
        let success = requests.map(look).into();
        self.txn(TxnRequest { success, ..TxnRequest::default() }).await
    }

    async fn txn(&self, request: TxnRequest) -> Result<TxnResponse, Failure> {
        self.once(self.kv().txn(request)).await
    }

    pub(super) async fn put(&self, request: PutRequest) -> Result<(), Failure> {
        let put = RequestOp { request: Some(Op::RequestPut(request)) };
        self.txn(TxnRequest { success: vec![put], ..TxnRequest::default() }).await.map(drop)
    }

    /// A new lease for so many seconds.
    pub(super) async fn grant(&self, ttl: i64) -> Result<i64, Failure> {
        let granted = self.once(self.lease().lease_grant(LeaseGrantRequest { ttl, id: 0 })).await?;
        Ok(granted.id)
    }

    /// How many seconds the lease lasts from now on; none where there is no such lease any more.
    pub(super) async fn keep_alive(&self, id: i64) -> Result<i64, Failure> {
        let request = tokio_stream::once(LeaseKeepAliveRequest { id });
        let answer = async {
            let mut answers = self.lease().lease_keep_alive(request).await?.into_inner();
            let answer = answers.message().await?;
            answer.map(Response::new).ok_or_else(|| Status::unknown("no answer for a lease"))
        };
        self.once(answer).await.map(|answer| answer.ttl)
    }

    pub(super) async fn revoke(&self, id: i64) -> Result<(), Failure> {
        self.once(self.lease().lease_revoke(LeaseRevokeRequest { id })).await.map(drop)
    }

    async fn once<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        match timeout(CALL, call).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of(&self.endpoint, &status)),
            Err(_) => Err(silent(&self.endpoint, CALL)),
        }
    }
}

/// Looks at records, as a step of a transaction.
pub(super) fn look(request: RangeRequest) -> RequestOp {
    RequestOp { request: Some(Op::RequestRange(request)) }
}

/// The record that such a step found; the first of several.
pub(super) fn record(found: ResponseOp) -> Option<KeyValue> {
    match found.response {
        Some(Done::ResponseRange(found)) => found.kvs.into_iter().next(),
        _ => None,
    }
}

pub(super) fn silent(endpoint: &str, waited: Duration) -> Failure {
    Failure::Open(format!("{endpoint}: no answer for {} s", waited.as_secs()))
}

/// One caller of an etcd.
#[derive(Debug)]
pub(super) struct Client {
    target: Arc<Target>,
    /// The member to be asked next, counted on without end.
    turn: usize,
    connection: Option<Connection>,
}

impl Client {
    pub(super) fn new(target: Arc<Target>) -> Self {
        Self { target, turn: 0, connection: None }
    }

    pub(super) async fn range(&mut self, request: RangeRequest) -> Result<RangeResponse, Failure> {
        self.call(true, async |to: &Connection| to.range(request.clone()).await).await
    }

    pub(super) async fn txn(&mut self, request: TxnRequest) -> Result<TxnResponse, Failure> {
        self.call(false, async |to: &Connection| to.txn(request.clone()).await).await
    }

    /// INVARIANT: what changes something is sent again only where nothing can have come of it.
    /// Defended by `tests/it/etcd/mod.rs`, where an answer gets lost.
    pub(super) async fn call<T>(
        &mut self,
        repeatable: bool,
        work: impl AsyncFn(&Connection) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let until = Instant::now() + ALL;
        let (mut tries, mut renewed) = (self.target.endpoints.len(), false);
        loop {
            let failure = match self.connection().await {
                Ok(connection) => match work(&connection).await {
                    Ok(answer) => return Ok(answer),
                    Err(failure) => failure,
                },
                Err(failure) => failure,
            };
            match failure {
                Failure::Stale(_) if !renewed => {
                    renewed = true;
                    self.connection = None;
                    continue;
                }
                Failure::Unsent(_) => {}
                Failure::Open(_) if repeatable => {}
                Failure::Open(_) => {
                    self.leave();
                    return Err(failure);
                }
                _ => return Err(failure),
            }
            self.leave();
            tries -= 1;
            if tries == 0 || Instant::now() >= until {
                return Err(failure);
            }
        }
    }

    /// Lets go of the connection; the next is to another member.
    pub(super) fn leave(&mut self) {
        self.connection = None;
        self.turn = self.turn.wrapping_add(1);
    }

    /// The connection, made if there is none.
    pub(super) async fn connection(&mut self) -> Result<Connection, Failure> {
        if let Some(connection) = &self.connection {
            return Ok(connection.clone());
        }
        let members = &self.target.endpoints;
        let member = members.get(self.turn % members.len().max(1));
        let name = member.cloned().unwrap_or_default();
        let unsent = |e: &(dyn Error + 'static)| Failure::Unsent(format!("{name}: {}", chain(e)));
        let tls = self.target.tls.as_ref().map(TlsFiles::read).transpose();
        let tls = tls.map_err(Failure::Refused)?;
        let authority = name.parse().map_err(|e: InvalidUri| unsent(&e))?;
        let connecting =
            tls::channel(&authority, tls, |endpoint| endpoint.connect_timeout(CONNECT));
        let channel = match timeout(CONNECT, connecting).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(e)) => return Err(unsent(&*e)),
            Err(_) => {
                let waited = CONNECT.as_secs();
                return Err(Failure::Unsent(format!("{name}: no connection within {waited} s")));
            }
        };
        let token = self.log_in(&name, &channel).await?;
        let channel = InterceptedService::new(channel, Credentials(token));
        let connection = Connection { endpoint: name, channel };
        self.connection = Some(connection.clone());
        Ok(connection)
    }

    async fn log_in(
        &self,
        endpoint: &str,
        channel: &Channel,
    ) -> Result<Option<MetadataValue<Ascii>>, Failure> {
        let Some(login) = self.target.login().map_err(Failure::Refused)? else { return Ok(None) };
        let request = AuthenticateRequest { name: login.user, password: login.password };
        let mut auth = AuthClient::new(channel.clone());
        match timeout(CALL, auth.authenticate(request)).await {
            Ok(Ok(response)) => {
                let token = response.into_inner().token.parse();
                token.map(Some).map_err(|_| Failure::Refused(format!("{endpoint}: an odd token")))
            }
            Ok(Err(status)) if status.message().contains("authentication is not enabled") => {
                info!(endpoint, "etcd asks for no password; --store-login-file is not used");
                Ok(None)
            }
            // Nothing but the login was sent so far.
            Ok(Err(status)) => Err(match Failure::of(endpoint, &status) {
                Failure::Open(text) => Failure::Unsent(text),
                other => other,
            }),
            Err(_) => Err(Failure::Unsent(format!("{endpoint}: no answer to the login"))),
        }
    }
}
