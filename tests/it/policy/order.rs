//! What is seen of the way from one state to another, step by step or in parts.

use std::collections::BTreeSet;

use milvus_rbac::model::command::{Command, Rules};
use milvus_rbac::model::privilege::custom_group;
use milvus_rbac::model::state::{Grant, Name, State};
use milvus_rbac::policy::export::export;
use milvus_rbac::policy::steps::part;
use proptest::prelude::*;

use super::cli::{Cli, text};
use super::random::{cases, leads_nowhere, parts, state};
use super::{after, new_state, old, steps_of};
use crate::support::Server;

/// What a user may do, groups resolved.
fn held(state: &State, user: &str) -> BTreeSet<Grant> {
    let mut held = BTreeSet::new();
    if !state.users.contains_key(user) {
        return held;
    }
    for role in state.effective_roles(user).filter_map(|role| state.roles.get(role)) {
        for grant in role.grants.keys() {
            let Some(group) = custom_group(&grant.privilege) else {
                held.insert(grant.clone());
                continue;
            };
            let members = state.groups.get(group).into_iter().flat_map(|g| g.privileges.iter());
            held.extend(members.map(|p| Grant { privilege: p.clone(), ..grant.clone() }));
        }
    }
    held
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn nobody_holds_in_between_what_is_held_neither_before_nor_after(from in parts(), to in parts()) {
        let (from, to) = (state(from), state(to));
        prop_assume!(!leads_nowhere(&from, &to));
        let document = export(&to, &Rules::default(), true);
        let steps = steps_of(&document, &from, true);
        let reached = after(from.clone(), &steps);
        let users: BTreeSet<&Name> = from.users.keys().chain(reached.users.keys()).collect();
        let mut now = from.clone();
        for (index, step) in steps.iter().enumerate() {
            now = after(now, std::slice::from_ref(step));
            for user in &users {
                let both: BTreeSet<Grant> = &held(&from, user) | &held(&reached, user);
                let more: Vec<_> = held(&now, user).difference(&both).cloned().collect();
                prop_assert!(more.is_empty(), "{user} after {index} of {steps:#?}: {more:?}");
            }
        }
    }

    #[test]
    fn no_cut_loses_what_stays(from in parts(), to in parts(), most in 1usize..5) {
        let (from, to) = (state(from), state(to));
        prop_assume!(!leads_nowhere(&from, &to));
        let document = export(&to, &Rules::default(), true);
        let steps = steps_of(&document, &from, true);
        let reached = after(from.clone(), &steps);
        let (mut rest, mut now) = (&steps[..], from.clone());
        while !rest.is_empty() {
            let first = part(rest, most);
            prop_assert!(!first.is_empty());
            (now, rest) = (after(now, first), &rest[first.len()..]);
            for (name, user) in from.users.iter().filter(|(name, _)| reached.users.contains_key(*name)) {
                let (now, reached) = (&now.users[name], &reached.users[name]);
                prop_assert!([&user.description, &reached.description].contains(&&now.description));
                let stay = user.roles.keys().filter(|role| reached.roles.contains_key(*role));
                for role in stay {
                    prop_assert!(now.roles.contains_key(role), "{name} lacks {role}: {steps:#?}");
                }
            }
        }
    }
}

const U: &str = "$2a$04$VSPur1WzZN0uFHHQE9xLR..I/xnDLohsJBndEszWNCspP6VxZrI8u";
const V: &str = "$2a$04$VSPur1WzZN0uFHHQE9xLR..I/xnDLohsJBndEszWNCspP6VxZrI8v";

#[test]
fn a_part_takes_what_belongs_together_even_if_it_is_more() {
    let before = format!(
        "roles: {{r: {{}}, s: {{}}}}\nusers: {{u: {{password_hash: {U}, roles: [r], description: text}}}}"
    );
    let before = after(new_state(), &steps_of(&before, &new_state(), true));
    let wanted = format!("roles: {{t: {{}}}}\nusers: {{u: {{password_hash: {V}, roles: [s]}}}}");
    let steps = steps_of(&wanted, &before, false);
    let mut parts = Vec::new();
    let mut rest = &steps[..];
    while !rest.is_empty() {
        let first = part(rest, 1);
        parts.push(first.iter().map(Command::name).collect::<Vec<_>>());
        rest = &rest[first.len()..];
    }
    assert_eq!(
        parts,
        [vec!["CreateRole"], vec!["DeleteCredential", "RestoreRBAC", "UpdateCredential"]]
    );
    assert_eq!(part(&steps, 2).len(), 1);
    assert_eq!(part(&steps, 4).len(), 4);
}

/// One by one the second call of a change of password may fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_lost_on_the_way_is_told() {
    let server = Server::start(&[]);
    let document = "
roles: {r: {}, s: {}}
users: {u: {password_env: U, roles: [r, s], description: text}}";
    let cli = Cli::of(&server).variable("U", "of user u").file("d.yaml", document);
    assert!(cli.run(&["apply", "-f", "d.yaml", "--yes"]).status.success());
    let address =
        old::without(&["milvus_rbac.v1.AccessService", "CreateCredential"], &server).await;
    let old = Cli::at(&address).variable("U", "another");
    let old = old.file("d.yaml", "users: {u: {password_env: U}}");
    let failed = old.run_beside(&["apply", "-f", "d.yaml", "--yes"]).await;
    assert_eq!(failed.status.code(), Some(1), "{failed:?}");
    let told = String::from_utf8(failed.stderr).unwrap();
    let lost = "users:\n  u:\n    description: text\n    roles: [r, s]\n";
    assert!(told.contains("the user `u` was deleted") && told.contains(lost), "{told}");

    // Nor may a role come back.
    let more = "{privilege: Search, database: d, object_type: User, object: c}";
    let held = format!("roles: {{t: {{grants: [{more}]}}}}\nusers: {{root: {{roles: [t]}}}}");
    let cli = cli.file("d.yaml", &held);
    assert!(cli.run(&["apply", "-f", "d.yaml", "--yes"]).status.success());
    let address = old::without(&["milvus_rbac.v1.AccessService", "RestoreRBAC"], &server).await;
    let old = Cli::at(&address).file("d.yaml", "roles: {t: {}}");
    let failed = old.run_beside(&["apply", "-f", "d.yaml", "--yes", "--prune"]).await;
    let told = String::from_utf8(failed.stderr).unwrap();
    let lost = "the role `t` was dropped to be made anew, and did not come back whole: apply it \
                again, and see that these still hold it: root";
    assert!(told.contains(lost), "{told}");
}

/// A role that goes and comes back is missing in between, unless that is one transaction.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_loses_on_the_way_what_the_rest_of_it_needs() {
    let server = Server::start(&[]);
    let document = "
roles:
  ops:
    grants:
      - {privilege: All, database: '*', collection: '*'}
      - {privilege: Search, database: d, object_type: User, object: c}
users: {ops: {password_env: OPS, roles: [ops]}}";
    let root = Cli::of(&server).variable("OPS", "of ops").file("d.yaml", document);
    assert!(root.run(&["apply", "-f", "d.yaml", "--yes"]).status.success());
    let less = document
        .replace("      - {privilege: Search, database: d, object_type: User, object: c}\n", "");
    assert_ne!(less, document);
    let address = old::without(old::MILVUS, &server).await;
    let of_ops = |cli: Cli| cli.login("ops:of ops").variable("OPS", "of ops").file("d.yaml", &less);
    let old = of_ops(Cli::at(&address));
    let arguments = ["apply", "-f", "d.yaml", "--yes", "--prune"];
    let refused = old.run_beside(&arguments).await;
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(text(&refused).contains("on the way"), "{refused:?}");
    let applied = of_ops(Cli::of(&server)).run(&arguments);
    assert!(applied.status.success(), "{applied:?}");
}
