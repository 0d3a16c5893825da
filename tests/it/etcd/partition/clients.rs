//! Clients at each instance, who change, list and are decided on all the time, and write down what
//! they are told.

use std::error::Error as _;
use std::iter::successors;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::common;
use milvus_rbac::rpc::proto::service::{QueryRequest, SelectGrantResponse};
use milvus_rbac::storage::Revision;
use tokio::task::JoinHandle;
use tonic::metadata::MetadataMap;
use tonic::{Code, ConnectError, Request, Response, Status, TimeoutExpired};

use super::Random;
use super::history::{Fate, History, Told};
use crate::linear::checker::{Call, State};
use crate::rpc::calls::Call as _;
use crate::rpc::requests::{
    PASSWORD, bind, create_role, create_user, grant_v2, grants_of, revoke_v2, unbind,
};
use crate::support::{Client, LIMIT, Server, revision};

/// Roles, each with a user who may hold it.
const ROLES: usize = 4;
/// What a role may hold: grants on collections, a bit each, and then the bit of the binding.
const COLLECTIONS: [&str; 3] = ["c0", "c1", "c2"];
const BITS: usize = COLLECTIONS.len() + 1;
/// Clients at each instance who change something, the first in a hurry, and who list grants; one for
/// each user beside.
const CHANGING: usize = 3;
const LISTING: usize = 2;
/// Between two calls of a client: the instances need the machine more.
const PAUSE: Duration = Duration::from_millis(10);
/// How long a call waits for a revision, and a client in a hurry for a change.
const WAIT: &str = "500m";
/// An instance may begin a change for so long after its client has given up.
const GRACE: Duration = Duration::from_secs(1);

fn bit(role: usize, which: usize) -> State {
    1 << (role * BITS + which)
}

/// What all clients know together.
pub(super) struct Book {
    pub(super) history: Mutex<History>,
    began: Instant,
    /// The newest revision that anybody was told.
    newest: AtomicU64,
    over: AtomicBool,
}

impl Book {
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// An instance goes on that was stopped at that moment: it may begin only now what its clients
    /// have given up meanwhile.
    pub(super) fn goes_on(&self, instance: usize, stopped: Duration) {
        let until = self.now() + GRACE;
        for told in &mut self.history.lock().unwrap().told {
            if told.instance == instance && told.fate == Fate::Unknown && told.answered >= stopped {
                told.answered = told.answered.max(until);
            }
        }
    }

    /// How many calls that were asked for since that moment satisfy the condition.
    pub(super) fn count(&self, since: Duration, which: impl Fn(&Told) -> bool) -> usize {
        let history = self.history.lock().unwrap();
        history.told.iter().filter(|told| told.asked >= since && which(told)).count()
    }

    /// Makes a call and writes it down. `told` makes of an answer what it tells.
    async fn call<T>(
        &self,
        (instance, call, wanted): (usize, Call, Revision),
        asking: impl Future<Output = Result<Response<T>, Status>>,
        told: impl FnOnce(Result<T, Status>) -> Result<Call, Fate>,
    ) {
        let asked = self.now();
        let answer = asking.await;
        let answered = self.now();
        let of = |metadata: &MetadataMap| {
            let revision = metadata.get("milvus-rbac-revision")?;
            Some(revision.to_str().unwrap().parse().unwrap())
        };
        let at = answer.as_ref().map_or_else(|e| of(e.metadata()), |answer| of(answer.metadata()));
        let told = match answer.map(Response::into_inner) {
            Err(refused) if is_no_decision(&refused) || is_not_there(&refused) => {
                Err(Fate::Refused)
            }
            Err(refused) if is_broken_off(&refused) => match call {
                Call::Set(..) => Err(Fate::Unknown),
                _ => Err(Fate::Refused),
            },
            answer => told(answer),
        };
        let (call, fate) = match told {
            Ok(call) => (call, Fate::At(at.unwrap())),
            Err(Fate::Here(_)) => (call, Fate::Here(at.unwrap())),
            Err(fate) => (call, fate),
        };
        // Whoever gave up was told nothing.
        let answered = if at.is_none() { answered + GRACE } else { answered };
        if let Fate::At(revision) = fate {
            self.newest.fetch_max(revision, Ordering::SeqCst);
        }
        let told = Told { instance, asked, answered, wanted, call, fate };
        self.history.lock().unwrap().told.push(told);
    }

    /// Changes something; in a hurry, without waiting long for what becomes of it.
    async fn change(&self, instance: usize, root: &Client, random: &mut Random, hurried: bool) {
        let (role, which, on) = (random.below(ROLES), random.below(BITS), random.below(2) == 0);
        let (name, mut root) = (user(role), root.clone());
        let asked = (instance, Call::Set(bit(role, which), on), 0);
        let told = |answer: Result<common::Status, Status>| {
            let status = match answer {
                Err(e) if hurried && is_late(&e) => return Err(Fate::Unknown),
                answer => answer.unwrap(),
            };
            match status.code {
                0 => Ok(asked.1),
                2 if status.reason.contains("stored and in force here") => Err(Fate::Here(0)),
                2 if status.reason.contains("not known") => Err(Fate::Unknown),
                2 => Err(Fate::Refused),
                _ => panic!("{status:?}"),
            }
        };
        let Some(collection) = COLLECTIONS.get(which) else {
            let request = if on { bind(&name, &name) } else { unbind(&name, &name) };
            let request = within(request, hurried);
            return self.call(asked, root.operate_user_role(request), told).await;
        };
        let change = if on { grant_v2 } else { revoke_v2 };
        let request = within(change(&name, "Query", ("default", collection)), hurried);
        self.call(asked, root.operate_privilege_v2(request), told).await;
    }

    /// Lists what a role is granted, perhaps on a state as new as anybody was told of.
    async fn list(&self, instance: usize, root: &Client, role: usize, newest: bool) {
        let wanted = if newest { self.newest.load(Ordering::SeqCst) } else { 0 };
        let mut request = within(grants_of(&user(role), "*"), newest);
        if newest {
            request.metadata_mut().insert("milvus-rbac-min-revision", wanted.into());
        }
        let told = |answer: Result<SelectGrantResponse, Status>| {
            let grants = match answer {
                Ok(answer) => answer.entities,
                // That revision was not reached.
                Err(e) if newest && is_late(&e) => return Err(Fate::Refused),
                Err(e) => panic!("{e}"),
            };
            let held = |which: usize| grants.iter().any(|g| g.object_name == COLLECTIONS[which]);
            let bits = (0..COLLECTIONS.len()).map(|which| (bit(role, which), held(which)));
            let (all, there) = bits.fold((0, 0), |(all, there), (bit, held)| {
                (all | bit, if held { there | bit } else { there })
            });
            Ok(Call::Which(all, there))
        };
        let mut root = root.clone();
        self.call((instance, Call::Ask, wanted), root.select_grant(request), told).await;
    }

    /// A call of a user, which is decided on.
    async fn decide(&self, instance: usize, client: &mut Client, role: usize, which: usize) {
        let collection_name = COLLECTIONS[which].to_owned();
        let request = QueryRequest { collection_name, ..Default::default() };
        let bits = bit(role, which) | bit(role, COLLECTIONS.len());
        let told = |answer: Result<_, Status>| match answer.map_err(|e| (e.code(), e)) {
            // What is allowed is not answered here, but only after it was allowed.
            Ok(_) | Err((Code::Unimplemented, _)) => Ok(Call::All(bits, true)),
            Err((Code::PermissionDenied, _)) => Ok(Call::All(bits, false)),
            Err((_, e)) => panic!("{e}"),
        };
        self.call((instance, Call::Ask, 0), client.query(request), told).await;
    }

    /// Asks an instance for everything, on a state that is as new as anybody was told of.
    pub(super) async fn look(&self, instance: usize, server: &Server) {
        let (root, began) = (server.root().await, self.now());
        let told =
            || self.count(began, |told| told.instance == instance && told.revision().is_some());
        while told() < ROLES {
            assert!(self.now() < began + LIMIT, "instance {instance} does not catch up");
            for role in 0..ROLES {
                self.list(instance, &root, role, true).await;
            }
        }
    }
}

/// Whether the instance does not know enough to decide anything.
fn is_no_decision(refused: &Status) -> bool {
    refused.code() == Code::Unavailable && refused.message().contains("not been heard of")
}

/// Whether there is no such process, so that nothing was asked.
fn is_not_there(refused: &Status) -> bool {
    comes_of::<ConnectError>(refused)
}

/// Whether the process ended before it had answered. What the instance itself refuses has no source.
fn is_broken_off(refused: &Status) -> bool {
    refused.source().is_some() && !comes_of::<TimeoutExpired>(refused)
}

fn comes_of<E: std::error::Error + 'static>(refused: &Status) -> bool {
    successors(refused.source(), |error| (*error).source()).any(|error| error.is::<E>())
}

/// Whether there was no answer in time, as the instance or our own clock says.
fn is_late(refused: &Status) -> bool {
    matches!(refused.code(), Code::DeadlineExceeded | Code::Cancelled)
}

/// A request, perhaps of a client that does not wait long.
fn within<T>(message: T, hurried: bool) -> Request<T> {
    let mut request = Request::new(message);
    if hurried {
        request.metadata_mut().insert("grpc-timeout", WAIT.parse().unwrap());
    }
    request
}

/// Makes a change, where it is not decided on for now as often as it takes.
async fn insist<F>(change: impl Fn() -> F) -> Revision
where
    F: Future<Output = Result<Response<common::Status>, Status>>,
{
    let give_up = Instant::now() + LIMIT;
    loop {
        match change().await {
            Err(refused) if is_no_decision(&refused) && Instant::now() < give_up => {}
            answer => {
                let answer = answer.unwrap();
                assert_eq!(answer.get_ref().code, 0, "{answer:?}");
                return revision(&answer);
            }
        }
    }
}

fn user(role: usize) -> String {
    format!("r{role}")
}

/// The clients of all instances.
pub(super) struct Clients {
    pub(super) book: Arc<Book>,
    running: Vec<JoinHandle<()>>,
}

impl Clients {
    /// Makes the users and roles, and lets everybody begin.
    pub(super) async fn start(servers: &[Server], random: &mut Random) -> Self {
        let root = servers[0].root().await;
        let mut began = 0;
        for role in (0..ROLES).map(user) {
            insist(|| create_user(&role, PASSWORD).send(&root)).await;
            began = insist(|| create_role(&role).send(&root)).await;
        }
        let book = Arc::new(Book {
            history: Mutex::new(History::since(began)),
            began: Instant::now(),
            newest: began.into(),
            over: AtomicBool::new(false),
        });
        let mut running = Vec::new();
        for (instance, server) in servers.iter().enumerate() {
            // Those who begin are known there.
            book.look(instance, server).await;
            for number in 0..CHANGING + LISTING + ROLES {
                let role = number.checked_sub(CHANGING + LISTING);
                let mut client = match role {
                    Some(role) => server.patient(&user(role), PASSWORD).await,
                    None => server.patient("root", "Milvus").await,
                };
                let (book, mut random) = (book.clone(), random.another());
                running.push(tokio::spawn(async move {
                    while !book.over.load(Ordering::SeqCst) {
                        if let Some(role) = role {
                            let which = random.below(COLLECTIONS.len());
                            book.decide(instance, &mut client, role, which).await;
                        } else if number < CHANGING {
                            book.change(instance, &client, &mut random, number == 0).await;
                        } else {
                            let (role, newest) = (random.below(ROLES), random.below(2) == 0);
                            book.list(instance, &client, role, newest).await;
                        }
                        tokio::time::sleep(PAUSE).await;
                    }
                }));
            }
        }
        Self { book, running }
    }

    /// Whether nobody was told what cannot be understood.
    pub(super) fn go_on(&self) -> bool {
        self.running.iter().all(|client| !client.is_finished())
    }

    /// Lets everybody end, each with an answer.
    pub(super) async fn end(self) -> Arc<Book> {
        self.book.over.store(true, Ordering::SeqCst);
        for client in self.running {
            client.await.unwrap();
        }
        self.book
    }
}
