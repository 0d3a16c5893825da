//! One stream from the central instance.

use std::collections::VecDeque;
use std::error::Error as _;
use std::fmt::Display;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::{Code, Request, Status, Streaming};

use crate::model::load::Loader;
use crate::model::names::Names;
use crate::rpc::proto::access::access_service_client::AccessServiceClient;
use crate::rpc::proto::access::watch_changes_request::Request as Asked;
use crate::rpc::proto::access::watch_changes_response::Answer;
use crate::rpc::proto::access::{Pong, Snapshot, Start, WatchChangesRequest, WatchChangesResponse};
use crate::storage::follow::Target;
use crate::storage::{Loaded, Login, Revision, StoreError, records};
use crate::telemetry::with_causes;
use crate::tls::{self, TlsFiles};

/// How long connecting may take, and the first answer.
const CONNECT: Duration = Duration::from_secs(3);
const FIRST: Duration = Duration::from_secs(10);
/// How long nothing may come while everything is told.
const NEXT: Duration = Duration::from_secs(10);
/// Pings that wait to be sent.
const QUEUE: usize = 8;
/// What may come before it is read.
const WINDOW: u32 = 1 << 20;
/// The pauses between two tries to connect: the first, which doubles, and the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(3);

/// The instance that is followed.
#[derive(Debug, Clone)]
pub(super) struct Center {
    pub(super) target: Target,
    login: Option<AsciiMetadataValue>,
    /// How often it is asked whether all was told.
    pub(super) interval: Duration,
}

/// Why there is no link.
#[derive(Debug)]
pub(super) enum Failure {
    /// It may be there soon.
    Unreachable(String),
    /// Somebody must do something about it.
    Refused(String),
}

/// A stream that has begun.
#[derive(Debug)]
pub(super) struct Link {
    requests: mpsc::Sender<WatchChangesRequest>,
    answers: Streaming<WatchChangesResponse>,
    first: Option<Answer>,
    /// The number and the time of pings that are not answered yet.
    pings: VecDeque<(u64, Instant)>,
    next_ping: u64,
}

/// Pauses that grow, and differ from instance to instance: many may have lost the same centre.
pub(super) struct Pauses(Duration);

impl Pauses {
    pub(super) fn new() -> Self {
        Self(FIRST_PAUSE)
    }

    pub(super) async fn pause(&mut self) {
        let random = getrandom::u32().unwrap_or_default();
        sleep(self.0.mul_f64(f64::from(random) / f64::from(u32::MAX))).await;
        self.0 = (self.0 * 2).min(LAST_PAUSE);
    }
}

impl Failure {
    pub(super) fn into_text(self) -> String {
        let (Self::Unreachable(text) | Self::Refused(text)) = self;
        text
    }
}

impl Center {
    pub(super) fn new(
        target: Target,
        login: Option<&Login>,
        interval: Duration,
    ) -> Result<Self, StoreError> {
        let header = |Login { user, password }: &Login| {
            let mut value =
                AsciiMetadataValue::try_from(STANDARD.encode(format!("{user}:{password}")))
                    .map_err(|e| StoreError::Unavailable(e.to_string()))?;
            value.set_sensitive(true);
            Ok(value)
        };
        let login = login.map(header).transpose()?;
        Ok(Self { target, login, interval })
    }

    /// A link on which everything is told. Tries until then, unless it is refused.
    pub(super) async fn reach(&self, until: Instant) -> Result<Link, StoreError> {
        let mut pauses = Pauses::new();
        loop {
            match self.link(Start::default()).await {
                Ok(link) => return Ok(link),
                Err(Failure::Unreachable(_)) if Instant::now() < until => pauses.pause().await,
                Err(failure) => return Err(StoreError::Unavailable(failure.into_text())),
            }
        }
    }

    /// A link that begins where `start` says, if that is remembered.
    pub(super) async fn link(&self, start: Start) -> Result<Link, Failure> {
        let unreachable = |why: &dyn Display| {
            let authority = &self.target.authority;
            Failure::Unreachable(format!(
                "the central instance {authority} does not answer: {why}; it must run, and its data port be HOST:PORT of --store"
            ))
        };
        let tls = self.target.tls.as_ref().map(TlsFiles::read).transpose();
        let tls = tls.map_err(Failure::Refused)?;
        let connecting = tls::channel(&self.target.authority, tls, |endpoint| {
            endpoint.initial_stream_window_size(WINDOW).initial_connection_window_size(WINDOW)
        });
        let channel = timeout(CONNECT, connecting)
            .await
            .map_err(|_| unreachable(&"connecting takes too long"))?
            .map_err(|e| unreachable(&with_causes(&*e)))?;
        let (requests, queue) = mpsc::channel(QUEUE);
        let mut request = Request::new(ReceiverStream::new(queue));
        if let Some(login) = &self.login {
            request.metadata_mut().insert("authorization", login.clone());
        }
        let began = Instant::now();
        for asked in [Asked::Start(start), Asked::Ping(0)] {
            // There is room for more.
            let _ = requests.try_send(WatchChangesRequest { request: Some(asked) });
        }
        let mut client = AccessServiceClient::new(channel);
        let answers = timeout(FIRST, client.watch_changes(request)).await;
        let mut answers = answers
            .map_err(|_| unreachable(&"it takes too long"))?
            .map_err(|e| self.refusal(&e))?
            .into_inner();
        let first = timeout(FIRST, answers.message()).await;
        let first = first.map_err(|_| unreachable(&"it takes too long"))?;
        let first = first.map_err(|e| self.refusal(&e))?.and_then(|first| first.answer);
        Ok(Link { requests, answers, first, pings: VecDeque::from([(0, began)]), next_ping: 1 })
    }

    fn refusal(&self, status: &Status) -> Failure {
        let mut why = status.message().to_owned();
        if let Some(cause) = status.source() {
            why = format!("{why}: {}", with_causes(cause));
        }
        let center = &self.target.authority;
        match status.code() {
            Code::Unauthenticated if self.login.is_none() => Failure::Refused(format!(
                "the central instance {center} wants to know who follows it: name a file with \
                 user:password by --store-login-file, of a user who has BackupRBAC on `*` there"
            )),
            Code::Unauthenticated => Failure::Refused(format!(
                "the central instance {center} refuses the login that --store-login-file gives: {why}"
            )),
            Code::PermissionDenied => Failure::Refused(format!(
                "the central instance {center} does not let this login follow it, which takes \
                 BackupRBAC on `*`: {why}"
            )),
            Code::Unimplemented => Failure::Refused(format!(
                "what answers at {center} is no milvus-rbac that can be followed: {why}"
            )),
            _ => Failure::Unreachable(format!(
                "the central instance {center} cannot be followed for now: {why}"
            )),
        }
    }
}

impl Link {
    /// Whether everything is told anew.
    pub(super) fn begins_anew(&self) -> bool {
        !matches!(self.first, Some(Answer::Resumed(_)))
    }

    /// The next answer.
    pub(super) async fn next(&mut self) -> Result<Answer, String> {
        match self.answers.message().await {
            Ok(Some(WatchChangesResponse { answer: Some(answer) })) => Ok(answer),
            Ok(Some(_)) => Err("it says what this version does not understand".to_owned()),
            Ok(None) => Err("it has ended the stream".to_owned()),
            Err(e) => Err(e.message().to_owned()),
        }
    }

    async fn next_soon(&mut self) -> Result<Answer, StoreError> {
        let next = timeout(NEXT, self.next()).await;
        let next = next.map_err(|_| unavailable("the central instance has stopped telling"))?;
        next.map_err(|e| unavailable(&e))
    }

    /// Asks whether all was told.
    pub(super) fn ping(&mut self) -> Result<(), String> {
        let request = WatchChangesRequest { request: Some(Asked::Ping(self.next_ping)) };
        self.pings.push_back((self.next_ping, Instant::now()));
        self.next_ping += 1;
        self.requests.try_send(request).map_err(|_| "it takes no pings".to_owned())
    }

    /// How long the oldest ping has not been answered.
    pub(super) fn unanswered(&self) -> Duration {
        self.pings.front().map(|(_, sent)| sent.elapsed()).unwrap_or_default()
    }

    /// The moment at which everything that was committed had been told.
    pub(super) fn up_to_date(&mut self, pong: &Pong) -> Option<Instant> {
        while let Some((number, sent)) = self.pings.pop_front() {
            if number == pong.ping {
                return sent.checked_sub(Duration::from_millis(pong.staleness_ms));
            }
        }
        None
    }

    /// Everything, and what was committed while it was told; and the store's id.
    ///
    /// INVARIANT: what is loaded is of one store, at one moment. Defended by
    /// `tests/it/follow/resume.rs`.
    pub(super) async fn load(&mut self) -> Result<(Loaded, String), StoreError> {
        let contradictory =
            || StoreError::Damaged("the central instance contradicts itself".into());
        let mut loader = Loader::default();
        let mut answer = match self.first.take() {
            Some(first) => first,
            None => self.next_soon().await?,
        };
        let mut begun: Option<(String, Revision)> = None;
        let (store_id, mut revision) = loop {
            let Answer::Snapshot(Snapshot { store_id, revision, records, last }) = answer else {
                return Err(contradictory());
            };
            let of = (store_id, revision);
            if begun.get_or_insert_with(|| of.clone()) != &of {
                return Err(contradictory());
            }
            for change in records::decode(&records, &mut loader.names)? {
                loader.add(change).map_err(|e| StoreError::Damaged(e.to_string()))?;
            }
            if last {
                break of;
            }
            answer = self.next_soon().await?;
        };
        let mut state = loader.state();
        let mut names = Names::default();
        loop {
            match self.next_soon().await? {
                Answer::Commit(commit) => {
                    for change in records::decode(&commit.records, &mut names)? {
                        let applied = state.apply(&change);
                        applied.map_err(|e| StoreError::Damaged(e.to_string()))?;
                    }
                    revision = commit.revision;
                }
                Answer::Pong(pong) => {
                    let as_of = Some(self.up_to_date(&pong).ok_or_else(contradictory)?);
                    return Ok((Loaded { state, revision, batch: None, as_of }, store_id));
                }
                Answer::Snapshot(_) | Answer::Resumed(_) => return Err(contradictory()),
            }
        }
    }
}

fn unavailable(why: &str) -> StoreError {
    StoreError::Unavailable(why.to_owned())
}
