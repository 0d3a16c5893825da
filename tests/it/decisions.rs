//! The decision tables in `tests/cases/`: each document sets up users, groups and grants, and lists
//! calls that are allowed and calls that are refused. The product decides each, and the oracle with
//! it.
//!
//! A document, with what is assumed when a field is missing:
//!
//! ```yaml
//! case: what it shows
//! users: { u: [r] }          # users and their roles; `{ u: [r] }`. Roles are created as needed
//! groups: { g: Search Query } # custom groups, filled before the grants; none
//! grants:                    # one text of privileges is as many grants; none
//!   - { role: r, privilege: Search, database: default, type: Collection, object: c }   # v1
//!   - { role: r, privilege: Search Query, database: default, collection: c }           # v2
//! filled_later: { g: Admin } # members that the groups get after the grants; none
//! allowed:                   # one text of privileges is as many calls; none
//!   - { user: u, privilege: Search, database: default, collection: c }
//!   - { user: u, privilege: DescribeCollection, global: c }  # concerns c, or `*`: no collection
//! refused:
//!   - { user: u, privilege: UpdateUser, about_user: v }
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use milvus_rbac::authz::Policy;
use milvus_rbac::model::command::{Command, Rules};
use milvus_rbac::model::state::State;
use serde::Deserialize;

use crate::answers;
use crate::oracle::{ADD, Call, GrantOp, On, Op, Oracle, Outcome, Target};
use crate::product;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    case: String,
    #[serde(default = "user_u_in_role_r")]
    users: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    groups: BTreeMap<String, String>,
    #[serde(default)]
    grants: Vec<GrantForm>,
    #[serde(default)]
    filled_later: BTreeMap<String, String>,
    #[serde(default)]
    allowed: Vec<CallForm>,
    #[serde(default)]
    refused: Vec<CallForm>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantForm {
    #[serde(default = "role_r")]
    role: String,
    privilege: String,
    #[serde(default = "default_database")]
    database: String,
    r#type: Option<String>,
    object: Option<String>,
    collection: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CallForm {
    #[serde(default = "user_u")]
    user: String,
    privilege: String,
    #[serde(default = "default_database")]
    database: String,
    collection: Option<String>,
    global: Option<String>,
    about_user: Option<String>,
}

fn user_u_in_role_r() -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([(user_u(), vec![role_r()])])
}

fn user_u() -> String {
    "u".to_owned()
}

fn role_r() -> String {
    "r".to_owned()
}

fn default_database() -> String {
    "default".to_owned()
}

/// The documents of a file; at least one, and each with a call.
fn parse(text: &str) -> Result<Vec<Document>, String> {
    let documents: Vec<Document> = serde_saphyr::from_multiple(text).map_err(|e| e.to_string())?;
    if documents.is_empty() {
        return Err("no case".to_owned());
    }
    let without_call = |d: &&Document| d.allowed.is_empty() && d.refused.is_empty();
    match documents.iter().find(without_call) {
        Some(document) => Err(format!("no call in `{}`", document.case)),
        None => Ok(documents),
    }
}

/// The state that a document describes, in the product and in the oracle.
struct World {
    state: State,
    oracle: Oracle,
    rules: Rules,
}

impl World {
    fn new() -> Self {
        let rules = Rules { max_users: 0, max_roles: 0, ..Rules::default() };
        let mut world = Self { state: State::default(), oracle: Oracle::new("h", 0, 0), rules };
        world.apply(&Command::Seed { root_password_hash: "h".into(), created: 1 }).unwrap();
        world
    }

    fn apply(&mut self, command: &Command) -> Result<(), String> {
        let changes = command.plan(&self.state, &self.rules).map_err(|e| e.to_string())?;
        changes.iter().try_for_each(|c| self.state.apply(c)).map_err(|e| e.to_string())
    }

    /// What a table sets up must be new and permitted, else it does not say what it seems to.
    fn perform(&mut self, op: &Op) -> Result<(), String> {
        let wrong = |why: String| format!("{op:?}: {why}");
        let command = product::command(op).map_err(|e| wrong(e.to_string()))?;
        self.apply(&command).map_err(wrong)?;
        match self.oracle.perform(op) {
            Outcome::Changed => Ok(()),
            outcome => Err(wrong(format!("the oracle says {outcome:?}"))),
        }
    }

    fn set_up(&mut self, document: &Document) -> Result<(), String> {
        let bound = document.users.values().flatten();
        let granted = document.grants.iter().map(|grant| &grant.role);
        let mut roles: Vec<_> = bound.chain(granted).cloned().collect();
        roles.sort();
        roles.dedup();
        roles.retain(|role| !self.state.roles.contains_key(role.as_str()));
        for name in roles {
            self.perform(&Op::CreateRole { name, description: String::new() })?;
        }
        for (user, roles) in &document.users {
            let (name, hash) = (user.clone(), "h".to_owned());
            if user != "root" {
                self.perform(&Op::CreateUser { name, hash, description: String::new() })?;
            }
            for role in roles {
                let (user, role) = (user.clone(), role.clone());
                self.perform(&Op::OperateUserRole { user, role, number: ADD })?;
            }
        }
        for name in document.groups.keys() {
            self.perform(&Op::CreateGroup { name: name.clone() })?;
        }
        self.fill(&document.groups)?;
        for op in
            document.grants.iter().map(GrantForm::ops).collect::<Result<Vec<_>, _>>()?.concat()
        {
            self.perform(&op)?;
        }
        self.fill(&document.filled_later)
    }

    fn fill(&mut self, groups: &BTreeMap<String, String>) -> Result<(), String> {
        for (name, members) in groups.iter().filter(|(_, members)| !members.is_empty()) {
            let privileges = members.split_whitespace().map(str::to_owned).collect();
            self.perform(&Op::OperateGroup { name: name.clone(), privileges, number: ADD })?;
        }
        Ok(())
    }
}

impl GrantForm {
    fn ops(&self) -> Result<Vec<Op>, String> {
        let target = match (&self.r#type, &self.object, &self.collection) {
            (Some(object_type), Some(object), None) => {
                Target::V1 { object_type: object_type.clone(), object: object.clone() }
            }
            (None, None, Some(collection)) => Target::V2 { collection: collection.clone() },
            _ => return Err(format!("neither a v1 nor a v2 grant: {self:?}")),
        };
        let op = |privilege: &str| {
            Op::OperatePrivilege(GrantOp {
                number: ADD,
                role: self.role.clone(),
                grantor: "root".to_owned(),
                privilege: privilege.to_owned(),
                database: self.database.clone(),
                target: target.clone(),
            })
        };
        Ok(self.privilege.split_whitespace().map(op).collect())
    }
}

impl CallForm {
    fn calls(&self) -> Result<Vec<Call<'_>>, String> {
        let on = match (&self.collection, &self.global, &self.about_user) {
            (Some(name), None, None) => On::Collection(name),
            (None, Some(name), None) => On::Global((name != "*").then_some(name)),
            (None, None, Some(name)) => On::User(name),
            _ => return Err(format!("not exactly one object: {self:?}")),
        };
        let (user, database) = (self.user.as_str(), self.database.as_str());
        let calls = self.privilege.split_whitespace();
        Ok(calls.map(|privilege| Call { user, privilege, database, on }).collect())
    }
}

/// What is wrong with the decisions of a document.
fn check(document: &Document) -> Result<Vec<String>, String> {
    let mut world = World::new();
    world.set_up(document)?;
    let policy = Policy::compile(&world.state, &world.rules.groups);
    let mut wrong = Vec::new();
    for (forms, expected) in [(&document.allowed, true), (&document.refused, false)] {
        for call in forms.iter().map(CallForm::calls).collect::<Result<Vec<_>, _>>()?.concat() {
            call.check()?;
            let product = product::allows(&policy, &call);
            let oracle = world.oracle.allows(&call);
            if (product, oracle) != (expected, expected) {
                wrong.push(format!(
                    "{call:?}: expected {expected}, product {product}, oracle {oracle}"
                ));
            }
            wrong.extend(answers::faults(&world.state, &policy, &[call], 1));
        }
    }
    Ok(wrong)
}

/// What is wrong with a table, each fault with its place.
fn faults(path: &Path) -> Vec<String> {
    let name = path.file_name().unwrap().display();
    let documents = match parse(&std::fs::read_to_string(path).unwrap()) {
        Ok(documents) => documents,
        Err(e) => return vec![format!("{name}: {e}")],
    };
    let fault = |document: &Document| {
        let wrong = check(document).unwrap_or_else(|e| vec![e]);
        wrong.into_iter().map(|w| format!("{name}, `{}`: {w}", document.case)).collect::<Vec<_>>()
    };
    documents.iter().flat_map(fault).collect()
}

#[test]
fn every_table_is_decided_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    // Those of other tests have folders of their own.
    let tables: Vec<PathBuf> = entries.filter(|path| path.is_file()).collect();
    assert!(!tables.is_empty());
    let faults: Vec<String> = tables.iter().flat_map(|table| faults(table)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_table_that_says_nothing_or_the_unknown_is_refused() {
    let call = "refused: [{ privilege: Search, collection: c }]";
    assert_eq!(parse(&format!("case: x\n{call}")).unwrap().len(), 1);
    for bad in [
        "",
        "# nothing but a comment",
        "---\n---\n",
        "case: x",
        "case: x\nallowed: []",
        "case: x\nallowed: [",
        &format!("case: x\n{call}\nalowed: []"),
        "case: x\nrefused: [{ privilege: Search, colection: c }]",
        "case: x\ngrants: [{ privilege: Search, colection: c }]",
        &format!("case: x\n{call}\n---\ncase: y"),
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_table_that_cannot_be_set_up_or_is_ambiguous_fails() {
    let problem = |text: &str| {
        let documents = parse(text).unwrap();
        check(documents.first().unwrap()).unwrap_err()
    };
    let call = "refused: [{ privilege: Search, collection: c }]";
    let grant = |fields: &str| format!("case: x\n{call}\ngrants: [{{ {fields} }}]");
    for (text, expected) in [
        (grant("privilege: Nope, collection: c"), "not found the privilege name"),
        (grant("privilege: Search Search, collection: c"), "Unchanged"),
        (grant("privilege: Search, type: Collection, collection: c"), "neither a v1 nor a v2"),
        ("case: x\nrefused: [{ privilege: Search }]".to_owned(), "not exactly one object"),
        ("case: x\nrefused: [{ privilege: Nope, global: c }]".to_owned(), "no privilege"),
        ("case: x\nrefused: [{ privilege: Search, global: c }]".to_owned(), "acts on"),
    ] {
        assert!(problem(&text).contains(expected), "{}", problem(&text));
    }
}
