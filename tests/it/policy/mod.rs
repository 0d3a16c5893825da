//! Access as code: documents, plans, and what becomes of a server.

mod apply;
mod cases;
mod cli;
mod kept;
mod killed;
mod old;
mod order;
mod random;
mod schema;

use std::collections::BTreeMap;
use std::path::Path;

use milvus_rbac::model::command::{Command, Rules};
use milvus_rbac::model::state::{Name, State};
use milvus_rbac::passwords::{self, Passwords};
use milvus_rbac::policy::Problems;
use milvus_rbac::policy::document::Document;
use milvus_rbac::policy::steps::steps;
use milvus_rbac::policy::wanted::{Target, wanted};

/// A state that nobody has changed yet.
fn new_state() -> State {
    let seed = Command::Seed { root_password_hash: "hash".into(), created: 0 };
    after(State::default(), &[seed])
}

/// The state that commands lead to.
fn after(mut state: State, commands: &[Command]) -> State {
    let rules = Rules { max_users: 0, max_roles: 0, ..Rules::default() };
    let changes = Command::All(commands.to_vec()).plan(&state, &rules).unwrap();
    changes.iter().for_each(|change| state.apply(change).unwrap());
    state
}

/// The state that a document asks for.
fn asked_for(text: &str, current: &State, prune: bool) -> Result<State, Problems> {
    let (document, mut problems) = Document::read(text);
    let rules = Rules::default();
    let target = Target { current, rules: &rules, prune, descriptions: true };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let passwords = Passwords::new(4).unwrap();
    let given = passwords::given(&document, Path::new(""), current, &passwords, |_, _| {});
    let hashes: BTreeMap<Name, Name> = match runtime.block_on(given) {
        Ok(given) => given.hashes,
        Err(more) => {
            problems.extend(more);
            BTreeMap::new()
        }
    };
    let state = wanted(&document, &hashes, target).unwrap_or_else(|more| {
        problems.extend(more);
        State::default()
    });
    problems.none().map(|()| state)
}

/// The commands that make a document hold.
fn steps_of(text: &str, current: &State, prune: bool) -> Vec<Command> {
    let wanted = asked_for(text, current, prune).unwrap_or_else(|e| panic!("{}", e.of("it")));
    steps(current, &wanted, "root", &Rules::default()).unwrap()
}
