//! Random requests, one by one and several at once, with restarts in between: after each the
//! product and the oracle have said the same and hold the same.
//!
//! `PROPTEST_CASES` raises the number of cases.

mod requests;

use milvus_rbac::authz::Policy;
use milvus_rbac::engine::{Engine, Sharing, WriterThread};
use milvus_rbac::model::builtin::BuiltInGroups;
use milvus_rbac::model::command::{Command, Rules};
use milvus_rbac::model::error::Error;
use milvus_rbac::model::privilege::Privilege;
use milvus_rbac::model::state::State;
use milvus_rbac::storage::memory::MemoryStore;
use milvus_rbac::storage::sled::SledStore;
use milvus_rbac::storage::{Revision, Store};
use proptest::prelude::*;
use proptest::test_runner::TestCaseResult;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::answers;
use crate::oracle::{Call, On, Op, Oracle, Outcome, catalogue};
use crate::product;
use requests::{COLLECTIONS, DATABASES, ROLES, Step, USERS, first_requests, hash, step};

// Small enough to be reached.
const MAX_USERS: usize = 5;
const MAX_ROLES: usize = 6;

fn rules() -> Rules {
    Rules { max_users: MAX_USERS, max_roles: MAX_ROLES, ..Rules::default() }
}

fn cases(number: u32) -> ProptestConfig {
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = number;
    }
    config
}

/// A running engine.
struct Product {
    engine: Engine,
    writer: WriterThread,
    runtime: Runtime,
}

impl Product {
    /// As the server starts: what is missing of the initial state is created.
    fn start(store: Box<dyn Store>) -> Self {
        let (engine, writer) = Engine::start(store, rules(), Sharing::default()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        let seed = Command::Seed { root_password_hash: hash(0).into(), created: 1 };
        runtime.block_on(engine.execute(seed)).unwrap();
        Self { engine, writer, runtime }
    }

    fn stop(self) {
        drop(self.engine);
        self.writer.join().unwrap();
    }

    fn revision(&self) -> Revision {
        self.engine.snapshot().revision
    }

    /// Queues all before it waits for any, so that they may share a commit.
    fn perform(&self, ops: &[Op]) -> Vec<Result<Revision, Error>> {
        self.runtime.block_on(async {
            let queue = |op| {
                let engine = self.engine.clone();
                let command = product::command(op);
                tokio::spawn(async move { engine.execute(command?).await })
            };
            let queued: Vec<_> = ops.iter().map(queue).collect();
            let mut answers = Vec::new();
            for answer in queued {
                answers.push(answer.await.unwrap());
            }
            answers
        })
    }
}

/// Each request has the outcome that the oracle expects, and each change is one revision.
fn perform(product: &Product, oracle: &mut Oracle, ops: &[Op]) -> TestCaseResult {
    let mut revision = product.revision();
    for (op, answer) in ops.iter().zip(product.perform(ops)) {
        let expected = oracle.perform(op);
        revision += u64::from(expected == Outcome::Changed);
        match (answer, expected) {
            (Ok(reached), Outcome::Changed | Outcome::Unchanged) => {
                prop_assert_eq!(reached, revision, "{:?}", op);
            }
            (Err(error), Outcome::Refused(refused)) => {
                prop_assert_eq!(product::refusal(&error), refused, "{:?}", op);
            }
            (answer, expected) => prop_assert!(false, "{op:?}: {answer:?}, not {expected:?}"),
        }
    }
    prop_assert_eq!(product.revision(), revision);
    Ok(())
}

/// Same listings, in every mode.
fn compare_listings(state: &State, oracle: &Oracle) -> TestCaseResult {
    prop_assert_eq!(product::list_users(state), oracle.list_users());
    prop_assert_eq!(product::list_roles(state), oracle.list_roles());
    prop_assert_eq!(product::list_groups(state, &BuiltInGroups::default()), oracle.list_groups());
    let databases = state.databases.iter().map(|(name, database)| (&**name, &database.properties));
    let expected = oracle.databases().iter().map(|(name, properties)| (name.as_str(), properties));
    prop_assert!(databases.eq(expected));
    for role in ROLES {
        for database in DATABASES {
            let of_role = product::select_grant(state, role, database, None);
            prop_assert_eq!(of_role, oracle.select_grant(role, database, None));
            for object_type in ["Collection", "Global", "User"] {
                for object in COLLECTIONS {
                    let object = Some((object_type, object));
                    let on_object = product::select_grant(state, role, database, object);
                    prop_assert_eq!(on_object, oracle.select_grant(role, database, object));
                }
            }
        }
    }
    Ok(())
}

/// A privilege for each way in which one can be sorted: by type, level, and the groups it is in.
const ASKED: [&str; 12] = [
    "Search",
    "Insert",
    "GetLoadState",
    "ManageRLS",
    "DescribeAlias",
    "CreateAlias",
    "ShowCollections",
    "CreateCollection",
    "CreateDatabase",
    "ListDatabases",
    "FlushAll",
    "SelectUser",
];

/// Every call that the small pools of names allow.
fn calls(privileges: &[&'static str]) -> impl Iterator<Item = Call<'static>> {
    let on = |privilege: &str| -> Vec<On<'static>> {
        match catalogue::type_of(privilege) {
            "Collection" => COLLECTIONS.map(On::Collection).into(),
            "User" => USERS.map(On::User).into(),
            _ => COLLECTIONS
                .map(|name| On::Global(Some(name)))
                .into_iter()
                .chain([On::Global(None)])
                .collect(),
        }
    };
    let objects = privileges
        .iter()
        .flat_map(move |&privilege| on(privilege).into_iter().map(move |on| (privilege, on)));
    objects.flat_map(|(privilege, on)| {
        DATABASES.into_iter().flat_map(move |database| {
            USERS.into_iter().map(move |user| Call { user, privilege, database, on })
        })
    })
}

fn compare(product: &Product, oracle: &Oracle, privileges: &[&'static str]) -> TestCaseResult {
    let snapshot = product.engine.snapshot();
    compare_listings(&snapshot.state, oracle)?;
    for call in calls(privileges) {
        let allowed = product::allows(&snapshot.policy, &call);
        prop_assert_eq!(allowed, oracle.allows(&call), "{:?}", call);
    }
    Ok(())
}

fn runs_like_the_oracle(steps: &[Step]) -> TestCaseResult {
    let folder = TempDir::new().unwrap();
    let start = || Product::start(Box::new(SledStore::open(folder.path()).unwrap()));
    let mut product = start();
    let mut oracle = Oracle::new(&hash(0), MAX_USERS, MAX_ROLES);
    perform(&product, &mut oracle, &first_requests())?;
    for step in steps {
        match step {
            Step::Perform(ops) => perform(&product, &mut oracle, ops)?,
            Step::Compare => compare(&product, &oracle, &ASKED)?,
            Step::Restart => {
                let revision = product.revision();
                product.stop();
                product = start();
                prop_assert_eq!(product.revision(), revision);
                compare(&product, &oracle, &ASKED)?;
            }
        }
    }
    let singles = catalogue::entries().iter().filter(|entry| entry.level.is_some());
    let privileges: Vec<_> = singles.map(|entry| entry.name).collect();
    compare(&product, &oracle, &privileges)
}

/// The policy that each commit brought up to date decides as one compiled from nothing.
fn updates_the_policy_as_compiled(steps: &[Step]) -> TestCaseResult {
    let product = Product::start(Box::new(MemoryStore::new().unwrap()));
    product.perform(&first_requests());
    let groups = BuiltInGroups::default();
    for step in steps {
        let Step::Perform(ops) = step else {
            continue;
        };
        let before = product.revision();
        product.perform(ops);
        let snapshot = product.engine.snapshot();
        if snapshot.revision == before {
            continue;
        }
        let compiled = Policy::compile(&snapshot.state, &groups);
        for call in calls(&["Search", "DescribeAlias", "FlushAll", "SelectUser"]) {
            let updated = product::allows(&snapshot.policy, &call);
            let expected = product::allows(&compiled, &call);
            prop_assert_eq!(updated, expected, "{:?} after {:?}", call, ops);
        }
        for (user, privilege) in USERS.iter().flat_map(|user| ASKED.map(|p| (*user, p))) {
            let privilege = Privilege::named(privilege).unwrap();
            let updated = snapshot.policy.decide_anywhere(user, &[privilege]);
            let expected = compiled.decide_anywhere(user, &[privilege]);
            prop_assert_eq!(updated, expected, "{} {:?} after {:?}", user, privilege, ops);
        }
    }
    Ok(())
}

/// What is said of the decisions on the last state.
fn tells_what_is_decided(steps: &[Step]) -> TestCaseResult {
    let product = Product::start(Box::new(MemoryStore::new().unwrap()));
    product.perform(&first_requests());
    for step in steps {
        if let Step::Perform(ops) = step {
            product.perform(ops);
        }
    }
    let snapshot = product.engine.snapshot();
    let asked = ["Search", "DescribeAlias", "ShowCollections", "FlushAll", "SelectUser", "Expr"];
    let calls: Vec<_> = calls(&asked).collect();
    let faults = answers::faults(&snapshot.state, &snapshot.policy, &calls, 13);
    prop_assert!(faults.is_empty(), "{}", faults.join("\n"));
    Ok(())
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn what_is_said_is_what_is_decided(steps in prop::collection::vec(step(), 1..100)) {
        tells_what_is_decided(&steps)?;
    }

    #[test]
    fn the_product_runs_like_the_oracle(steps in prop::collection::vec(step(), 1..100)) {
        runs_like_the_oracle(&steps)?;
    }

    #[test]
    fn the_updated_policy_is_the_compiled_one(steps in prop::collection::vec(step(), 1..100)) {
        updates_the_policy_as_compiled(&steps)?;
    }
}
