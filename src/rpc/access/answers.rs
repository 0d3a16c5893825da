//! Check, Explain, WhoCan and WhatCan: who may do what, and why.
//!
//! INVARIANT: what concerns others is told only to those who hold SelectOwnership; nobody else learns
//! whether a user or a role exists. Defended by `tests/it/rpc/answers.rs`.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use prost::Message;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use tonic::codegen::BoxStream;

use super::Access;
use crate::authz::{Need, Object, Subject, View, what_can, who_can};
use crate::gate::Caller;
use crate::model::privilege::{ANY, Privilege};
use crate::rpc::answers::{self, Question, Wrong};
use crate::rpc::proto::access::what_can_request as of_what_can;
use crate::rpc::proto::access::*;
use crate::rpc::service::{Answer, reply};
use crate::rpc::{aside, status};
use crate::telemetry::Shed;

/// The call that needs the right to ask about everybody.
const WHO_CAN: &str = "/milvus_rbac.v1.AccessService/WhoCan";
/// What gives that right.
const ABOUT_OTHERS: &str = "SelectOwnership";
/// How long the names of all questions may take to be looked up.
const NAMES: Duration = Duration::from_secs(5);
/// Streams at a time, for those who may ask about everybody, and for the others.
const STREAMS: usize = 64;
/// How much is told in one message, about, and how many of them wait for the connection.
const PAGE: usize = 256 << 10;
const QUEUE: usize = 2;
/// How long the reader may take for one of them, and for all.
const TAKE: Duration = Duration::from_secs(30);
const WHOLE: Duration = Duration::from_secs(600);

/// What may be asked at a time, so that other calls go on beside it.
#[derive(Debug)]
pub(super) struct Limits {
    streams: Arc<Semaphore>,
    /// Those of callers who may ask about themselves alone.
    own_streams: Arc<Semaphore>,
    /// Streams and explanations that are being worked on.
    turns: Arc<Semaphore>,
}

impl Default for Limits {
    fn default() -> Self {
        // Half the cores at most, so that some are left for everything else.
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        Self {
            streams: Arc::new(Semaphore::new(STREAMS)),
            own_streams: Arc::new(Semaphore::new(STREAMS)),
            turns: Arc::new(Semaphore::new((cores / 2).max(1))),
        }
    }
}

pub(super) async fn check(
    access: &Access,
    caller: Caller,
    request: CheckRequest,
) -> Answer<CheckResponse> {
    let count = request.questions.len();
    let place = |number: usize| format!("questions[{number}].");
    let database = caller.database().to_owned();
    let questions = request.questions.iter().enumerate().map(|(number, question)| {
        Question::read(question, &database).map_err(|e| refused(&e, &place(number)))
    });
    let questions: Vec<Question<'_>> = questions.collect::<Result<_, _>>()?;
    let subjects = questions.iter().filter_map(|question| question.subject);
    let caller = about(access, caller, subjects).await?;
    let view = view(access, &caller);
    let mut verdicts = Vec::with_capacity(count);
    let until = Instant::now() + NAMES;
    for (number, question) in questions.iter().enumerate() {
        let subject = existing(&view, &caller, question.subject, &place(number))?;
        let collection = collection(access, &view, Some(subject), question);
        let collection = tokio::time::timeout_at(until.into(), collection).await.map_err(|_| {
            status::too_late("the Milvus behind does not tell what the names stand for".to_owned())
        })?;
        verdicts.push(answers::verdict(&view, subject, &question.need_on(&collection)));
    }
    reply(&caller, CheckResponse { verdicts, revision: caller.snapshot().revision })
}

pub(super) async fn explain(
    access: &Access,
    caller: Caller,
    request: ExplainRequest,
) -> Answer<ExplainResponse> {
    let asked = request.question.unwrap_or_default();
    let database = caller.database().to_owned();
    let question = Question::read(&asked, &database).map_err(|e| refused(&e, "question."))?;
    let caller = about(access, caller, question.subject.into_iter()).await?;
    let view = view(access, &caller);
    let subject = existing(&view, &caller, question.subject, "question.")?;
    let collection = collection(access, &view, Some(subject), &question).await;
    let others = Privilege::named(ABOUT_OTHERS).is_some_and(|p| caller.holds(p));
    let _turn = access.answers.turns.acquire().await;
    let explained =
        aside(|| answers::explanation(&view, subject, &question.need_on(&collection), others));
    reply(&caller, ExplainResponse { revision: caller.snapshot().revision, ..explained })
}

pub(super) async fn who(
    access: &Access,
    caller: Caller,
    request: WhoCanRequest,
) -> Answer<BoxStream<WhoCanResponse>> {
    let asked = request.question.unwrap_or_default();
    if asked.subject.is_some() {
        return Err(status::invalid("question.user: it is asked who can, not whether".to_owned()));
    }
    let database = caller.database().to_owned();
    let question = Question::read(&asked, &database).map_err(|e| refused(&e, "question."))?;
    let collection = {
        let view = view(access, &caller);
        collection(access, &view, None, &question).await.into_owned()
    };
    let revision = caller.snapshot().revision;
    let (telling, told) = Telling::begin(access, &caller)?;
    let groups = access.service.groups.clone();
    tokio::spawn(async move {
        let Ok(question) = Question::read(&asked, &database) else {
            return;
        };
        let view = caller.snapshot().view(&groups);
        let begin = || who_can(view, &question.need_on(&collection)).map(answers::holder);
        telling.all(begin, |holders| WhoCanResponse { holders, revision }).await;
    });
    Ok(status::at(revision, told))
}

pub(super) async fn what(
    access: &Access,
    caller: Caller,
    request: WhatCanRequest,
) -> Answer<BoxStream<WhatCanResponse>> {
    let asked = request.subject.as_ref().map(subject);
    let caller = about(access, caller, asked.into_iter()).await?;
    existing(&view(access, &caller), &caller, asked, "")?;
    let revision = caller.snapshot().revision;
    let (telling, told) = Telling::begin(access, &caller)?;
    let groups = access.service.groups.clone();
    tokio::spawn(async move {
        let view = caller.snapshot().view(&groups);
        let subject = request.subject.as_ref().map_or(Subject::User(caller.user()), subject);
        let begin = || what_can(view, subject).map(answers::capability);
        telling.all(begin, |capabilities| WhatCanResponse { capabilities, revision }).await;
    });
    Ok(status::at(revision, told))
}

fn subject(asked: &of_what_can::Subject) -> Subject<'_> {
    match asked {
        of_what_can::Subject::User(name) => Subject::User(name),
        of_what_can::Subject::Role(name) => Subject::Role(name),
    }
}

fn view<'a>(access: &'a Access, caller: &'a Caller) -> View<'a> {
    caller.snapshot().view(&access.service.groups)
}

fn refused(wrong: &Wrong, at: &str) -> Status {
    status::invalid(format!("{at}{wrong}"))
}

/// Lets those through who ask about themselves and roles that they hold; others as if they asked
/// about everybody.
async fn about<'a>(
    access: &Access,
    caller: Caller,
    subjects: impl Iterator<Item = Subject<'a>>,
) -> Result<Caller, Status> {
    let is_own = |subject| match subject {
        Subject::User(user) => user == caller.user(),
        Subject::Role(role) => {
            let mut held = caller.snapshot().policy.effective_roles(caller.user());
            held.any(|held| held == role)
        }
    };
    let mut subjects = subjects;
    if subjects.all(is_own) {
        return Ok(caller);
    }
    access.gate.admit(caller.identity(), caller.database(), WHO_CAN, &[]).await
}

/// The subject, which must exist; the caller if there is none.
fn existing<'a>(
    view: &View<'a>,
    caller: &'a Caller,
    subject: Option<Subject<'a>>,
    at: &str,
) -> Result<Subject<'a>, Status> {
    let subject = subject.unwrap_or(Subject::User(caller.user()));
    match answers::unknown(view, subject) {
        Some(wrong) => Err(refused(&wrong, at)),
        None => Ok(subject),
    }
}

/// The collection that the question's name stands for. It is looked up only where it can matter, as
/// the gate does for calls.
async fn collection<'q>(
    access: &Access,
    view: &View<'_>,
    subject: Option<Subject<'_>>,
    question: &Question<'q>,
) -> Cow<'q, str> {
    let Some((database, name)) = question.collection() else {
        return Cow::Borrowed("");
    };
    let Some(aliases) = &access.service.behind.aliases else {
        return Cow::Borrowed(name);
    };
    let Need::Privilege { privilege, object, .. } = question.need() else {
        return Cow::Borrowed(name);
    };
    let on_one = match object {
        Object::Collection(name) | Object::Global { collection: Some(name) } => name != ANY,
        Object::Global { collection: None } | Object::User(_) => false,
    };
    let matters = on_one
        && subject.is_none_or(|subject| {
            let anywhere = Need::Anywhere(std::slice::from_ref(&privilege));
            !view.decide(subject, &question.need_on("")).is_allowed()
                && view.decide(subject, &anywhere).is_allowed()
        });
    if matters {
        Cow::Owned(aliases.resolve(database, name).await.to_string())
    } else {
        Cow::Borrowed(name)
    }
}

/// One stream, told from one state. It is worked on page by page, beside the threads that serve calls.
struct Telling<M> {
    answers: mpsc::Sender<Result<M, Status>>,
    /// How the stream ends, if not well.
    end: Arc<Mutex<Option<Status>>>,
    turns: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl<M: Send + 'static> Telling<M> {
    fn begin(access: &Access, caller: &Caller) -> Result<(Self, BoxStream<M>), Status> {
        let Limits { streams, own_streams, turns } = &access.answers;
        let others = Privilege::named(ABOUT_OTHERS).is_some_and(|p| caller.holds(p));
        let place = if others { streams } else { own_streams };
        let place = place.clone().try_acquire_owned();
        let place = place.map_err(|_| {
            status::overloaded(
                Shed::Listings,
                "too many long answers are being told, try again later",
            )
        })?;
        let (answers, taken) = mpsc::channel(QUEUE);
        // INVARIANT: what breaks off does not end like what is whole. Defended by
        // `tests/it/rpc/answers.rs`.
        let broken = status::unavailable("the answer broke off".to_owned());
        let end = Arc::new(Mutex::new(Some(broken)));
        let ended = end.clone();
        let last = std::iter::from_fn(move || lock(&ended).take().map(Err));
        let told = ReceiverStream::new(taken).chain(tokio_stream::iter(last));
        let (turns, stopping) = (turns.clone(), access.stopping.clone());
        Ok((Self { answers, end, turns, stopping, _place: place }, Box::pin(told)))
    }

    /// Tells the rows that `begin` leads to, until the reader goes, or takes too long.
    async fn all<R: Message, I: Iterator<Item = R> + Send>(
        mut self,
        begin: impl FnOnce() -> I + Send,
        page: impl Fn(Vec<R>) -> M + Send,
    ) {
        let mut stopping = self.stopping.clone();
        let told = tokio::select! {
            told = tokio::time::timeout(WHOLE, self.pages(begin, page)) => {
                told.unwrap_or_else(|_| Err(too_late(WHOLE)))
            }
            _ = stopping.wait_for(|stop| *stop) => {
                Err(status::unavailable("the server is stopping".to_owned()))
            }
        };
        *lock(&self.end) = told.err();
    }

    async fn pages<R: Message, I: Iterator<Item = R> + Send>(
        &mut self,
        begin: impl FnOnce() -> I + Send,
        page: impl Fn(Vec<R>) -> M + Send,
    ) -> Result<(), Status> {
        let mut rows = {
            let _turn = self.turns.acquire().await;
            aside(begin)
        };
        loop {
            let told = {
                let _turn = self.turns.acquire().await;
                aside(|| {
                    let mut room = PAGE;
                    let mut told = Vec::new();
                    while room > 0
                        && let Some(row) = rows.next()
                    {
                        room = room.saturating_sub(row.encoded_len());
                        told.push(row);
                    }
                    told
                })
            };
            if told.is_empty() {
                return Ok(());
            }
            let taken = self.answers.send_timeout(Ok(page(told)), TAKE).await;
            taken.map_err(|_| too_late(TAKE))?;
        }
    }
}

fn too_late(limit: Duration) -> Status {
    status::too_late(format!("the answer was not taken in {} s", limit.as_secs()))
}

fn lock<T>(end: &Mutex<T>) -> MutexGuard<'_, T> {
    end.lock().unwrap_or_else(PoisonError::into_inner)
}
