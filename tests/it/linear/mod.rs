//! Linearizability: concurrent grants, revokes, bindings, decided calls and SelectGrants behave as
//! if each took effect at one moment between its question and its answer, restarts included.
//!
//! The history is looked at role by role: what a role holds is one state, roles are independent.

pub(crate) mod checker;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use milvus_rbac::rpc::proto::common;
use milvus_rbac::rpc::proto::service::{QueryRequest, SelectGrantResponse};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use tonic::{Code, Response, Status};

use self::checker::{Call, History, State};
use crate::rpc::calls::{Answer, Call as _};
use crate::rpc::requests::{
    PASSWORD, bind, create_role, create_user, grant_v2, grants_of, revoke_v2, unbind,
};
use crate::support::{Client, Server, command, revision, sled_url};

/// Roles, each with a user who may hold it.
const ROLES: usize = 4;
/// Connections for each role: those that change and list, and those that are decided on.
const CHANGING: u32 = 3;
const DECIDED: u32 = 3;
/// Collections on which a role may hold a grant: a bit each, and one for the binding.
const COLLECTIONS: [(State, &str); 3] = [(1, "c0"), (2, "c1"), (4, "c2")];
const GRANTS: State = 7;
const BOUND: State = 8;
const FLAGS: [&str; 4] = ["--max-roles", "0", "--max-users", "0"];

/// Calls of each connection in a round.
const CALLS: usize = 150;

/// Rounds; more by environment for a longer attack.
fn rounds() -> usize {
    let configured = std::env::var("MILVUS_RBAC_LINEAR_ROUNDS").ok();
    configured.map_or(4, |rounds| rounds.parse().unwrap())
}

/// A role, its user, and what was asked about them.
struct Register {
    name: String,
    history: Mutex<History>,
    /// The newest revision that anybody was told.
    newest: Arc<AtomicU64>,
}

/// The server was gone before the answer: the number of the call.
struct Gone(usize);

impl Register {
    /// Makes a call and records it. `done` makes of an answer what it tells.
    async fn call<T>(
        &self,
        client: u32,
        call: Call,
        asking: impl Future<Output = Result<Response<T>, Status>>,
        told: impl Fn(Result<T, Code>) -> Option<Call>,
    ) -> Result<(), Gone> {
        let before = self.newest.load(Ordering::SeqCst);
        let number = self.history.lock().unwrap().asked(client, call);
        let answer = asking.await;
        let reached = match &answer {
            Ok(answer) => Some(revision(answer)),
            Err(e) => e
                .metadata()
                .get("milvus-rbac-revision")
                .map(|r| r.to_str().unwrap().parse().unwrap()),
        };
        let code = answer.as_ref().err().map(Status::code);
        let Some(call) = told(answer.map(Response::into_inner).map_err(|e| e.code())) else {
            assert!(
                matches!(code, Some(Code::Unavailable | Code::Unknown | Code::Cancelled)),
                "{code:?}"
            );
            return Err(Gone(number));
        };
        self.history.lock().unwrap().answered(number, call);
        let reached = reached.unwrap();
        assert!(reached >= before, "revision {reached} after {before}");
        self.newest.fetch_max(reached, Ordering::SeqCst);
        Ok(())
    }

    /// A change, or a list of what there is.
    async fn change(&self, client: u32, root: &Client, random: u8) -> Result<(), Gone> {
        let (bit, collection) = COLLECTIONS[usize::from(random) % COLLECTIONS.len()];
        let (role, on) = (self.name.as_str(), random & 0x10 != 0);
        let listed = matches!(random >> 5, 0..3);
        if listed {
            let told = |answer: Result<SelectGrantResponse, Code>| {
                let answer = answer.ok()?;
                let bits = answer.entities.iter().map(|grant| {
                    let known = COLLECTIONS.iter().find(|(_, name)| *name == grant.object_name);
                    known.unwrap().0
                });
                Some(Call::Which(GRANTS, bits.fold(0, |all, bit| all | bit)))
            };
            return self.call(client, Call::Ask, grants_of(role, "*").send(root), told).await;
        }
        let set = Call::Set(if random >> 5 == 3 { BOUND } else { bit }, on);
        let told = |answer: Result<_, Code>| {
            let mut answer: common::Status = answer.ok()?;
            assert_eq!(answer.take_status().code, 0);
            Some(set)
        };
        match set {
            Call::Set(BOUND, true) => {
                self.call(client, set, bind(role, role).send(root), told).await
            }
            Call::Set(BOUND, _) => {
                self.call(client, set, unbind(role, role).send(root), told).await
            }
            _ if on => {
                let request = grant_v2(role, "Query", ("default", collection));
                self.call(client, set, request.send(root), told).await
            }
            _ => {
                let request = revoke_v2(role, "Query", ("default", collection));
                self.call(client, set, request.send(root), told).await
            }
        }
    }

    /// A call of the user's, which is decided on.
    async fn decide(&self, client: u32, user: &Client, random: u8) -> Result<(), Gone> {
        let (bit, collection) = COLLECTIONS[usize::from(random) % COLLECTIONS.len()];
        let request = QueryRequest { collection_name: collection.to_owned(), ..Default::default() };
        let mut user = user.clone();
        let told = |answer: Result<_, Code>| match answer {
            // What is allowed is not answered here, but only after it was allowed.
            Ok(_) | Err(Code::Unimplemented) => Some(Call::All(bit | BOUND, true)),
            Err(Code::PermissionDenied) => Some(Call::All(bit | BOUND, false)),
            Err(_) => None,
        };
        self.call(client, Call::Ask, user.query(request), told).await
    }
}

/// All connections make their calls at the same time. Returns what was under way when the server
/// was gone.
async fn storm(
    server: &Server,
    registers: &[Arc<Register>],
    runner: &mut TestRunner,
) -> Vec<tokio::task::JoinHandle<Option<(Arc<Register>, usize)>>> {
    let mut all = Vec::new();
    for register in registers {
        for client in 0..CHANGING + DECIDED {
            let changing = client < CHANGING;
            let connection = if changing {
                server.root().await
            } else {
                server.client(&register.name, PASSWORD).await
            };
            let plan =
                prop::collection::vec(any::<u8>(), CALLS).new_tree(runner).unwrap().current();
            all.push((register.clone(), client, changing, connection, plan));
        }
    }
    let one = async |(register, client, changing, connection, plan): (
        Arc<Register>,
        _,
        _,
        _,
        Vec<u8>,
    )| {
        for random in plan {
            let done = if changing {
                register.change(client, &connection, random).await
            } else {
                register.decide(client, &connection, random).await
            };
            if let Err(Gone(number)) = done {
                return Some((register, number));
            }
        }
        None
    };
    all.into_iter().map(|one_of| tokio::spawn(one(one_of))).collect()
}

async fn prepare(server: &Server) -> Vec<Arc<Register>> {
    let (root, newest) = (server.root().await, Arc::<AtomicU64>::default());
    let mut registers = Vec::new();
    for i in 0..ROLES {
        let name = format!("r{i}");
        create_user(&name, PASSWORD).send(&root).await.unwrap();
        create_role(&name).send(&root).await.unwrap();
        let history = Mutex::default();
        registers.push(Arc::new(Register { name, history, newest: newest.clone() }));
    }
    registers
}

fn check(registers: &[Arc<Register>]) {
    for register in registers {
        let history = register.history.lock().unwrap();
        assert!(history.len() > 100, "next to nothing was asked");
        history.check().unwrap_or_else(|e| panic!("{}: {e}", register.name));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_takes_effect_at_one_moment() {
    let server = Server::start(&FLAGS);
    let registers = prepare(&server).await;
    let mut runner = TestRunner::default();
    for _ in 0..rounds() {
        for connection in storm(&server, &registers, &mut runner).await {
            assert!(connection.await.unwrap().is_none(), "an answer was lost");
        }
    }
    check(&registers);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn and_still_does_when_the_process_is_killed() {
    let folder = TempDir::new().unwrap();
    let start = || Server::run(command(&sled_url(folder.path())).args(FLAGS));
    let mut server = start();
    let registers = prepare(&server).await;
    let mut runner = TestRunner::default();
    let mut lost = 0;
    for _ in 0..rounds() {
        let connections = storm(&server, &registers, &mut runner).await;
        let millis = (20..300_u64).new_tree(&mut runner).unwrap().current();
        tokio::time::sleep(Duration::from_millis(millis)).await;
        server.kill();
        for connection in connections {
            // What a process has not done when it is gone it will not do.
            if let Some((register, number)) = connection.await.unwrap() {
                register.history.lock().unwrap().lost(number);
                lost += 1;
            }
        }
        server = start();
    }
    // What there is in the end belongs to the history.
    for connection in storm(&server, &registers, &mut runner).await {
        assert!(connection.await.unwrap().is_none(), "an answer was lost");
    }
    check(&registers);
    assert!(lost > 0, "nothing was under way when the process was killed");
}
