//! The protocol of several instances over one store, as a model that is checked exhaustively: all
//! that can happen, in every order, in small scopes.
//!
//! `world` is the model, `properties` what must hold in each of its states. Every safeguard can be
//! taken away, and then the checker must find what it was for.
//!
//! What the model leaves out: batches of several commands, memory of past commits that is full,
//! clocks that run at different speeds, and a question that is paused between the look at the clock
//! and its answer (it began before the revoke was acknowledged, and may be answered as then).

mod parts;
mod properties;
mod world;

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model};

use parts::{Protocol, Safeguard};
use properties::*;

/// Environment variable: checks larger scopes, for many minutes.
const LARGER: &str = "MILVUS_RBAC_MODEL_LARGER";

fn larger() -> bool {
    std::env::var_os(LARGER).is_some()
}

/// Changes that meet, answers and watches that are lost, crashes; no time passes.
fn commits() -> Protocol {
    Protocol {
        instances: 2,
        chain: false,
        grants: 1,
        puts: true,
        calls: 2,
        faults: 2,
        horizon: 0,
        granted: false,
        strict: false,
        without: None,
        properties: vec![ACKNOWLEDGED_ONCE, REFUSED_NEVER, REVISIONS, OWN, READ_YOUR_WRITES],
    }
}

/// Time, with a grant to be revoked.
fn bound() -> Protocol {
    let mut scope =
        Protocol { puts: false, calls: 1, faults: 1, horizon: 3, granted: true, ..commits() };
    scope.properties.push(BOUND);
    scope
}

/// Leases as well.
fn strict() -> Protocol {
    let mut scope = Protocol { strict: true, faults: 0, ..bound() };
    scope.properties.push(STRICT);
    scope
}

/// A follower of the first of two instances.
fn chain() -> Protocol {
    Protocol { instances: 3, chain: true, faults: 0, ..bound() }
}

/// All states of a scope: what must hold does, and each of `seen` happens.
fn holds(scope: Protocol, seen: &[&'static str]) {
    let mut scope = scope;
    scope.properties.extend(seen);
    let checker = scope.checker().threads(2).spawn_bfs().join();
    eprintln!("{} states, {} steps deep", checker.unique_state_count(), checker.max_depth());
    checker.assert_properties();
    assert!(checker.is_done());
}

/// Without a safeguard, a property is violated.
fn breaks(mut scope: Protocol, without: Safeguard, property: &'static str) {
    scope.without = Some(without);
    scope.properties = vec![property];
    let until = HasDiscoveries::AnyOf(BTreeSet::from([property]));
    let checker = scope.checker().threads(2).finish_when(until).spawn_bfs().join();
    let found = checker.assert_any_discovery(property);
    eprintln!("without {without:?}: {property}: {:?}", found.into_actions());
}

#[test]
fn commits_are_told_as_they_went() {
    holds(commits(), &[SOME_ACKNOWLEDGED, SOME_FOUND, SOME_FENCED, SOME_BEATEN]);
    holds(Protocol { instances: 3, faults: 0, ..commits() }, &[SOME_ACKNOWLEDGED, SOME_BEATEN]);
    if larger() {
        let seen = [SOME_ACKNOWLEDGED, SOME_FOUND, SOME_FENCED, SOME_BEATEN];
        holds(Protocol { grants: 2, calls: 3, ..commits() }, &seen);
        holds(Protocol { instances: 3, faults: 1, ..commits() }, &seen);
        holds(Protocol { faults: 3, ..commits() }, &seen);
    }
}

#[test]
fn a_revoke_reaches_everybody_within_the_bound() {
    holds(bound(), &[SOME_ACKNOWLEDGED, SOME_REVOKED, SOME_LATE]);
    holds(chain(), &[SOME_ACKNOWLEDGED, SOME_REVOKED, SOME_LATE]);
    if larger() {
        holds(Protocol { calls: 2, horizon: 4, ..bound() }, &[SOME_REVOKED, SOME_LATE]);
        holds(Protocol { faults: 1, horizon: 4, ..chain() }, &[SOME_REVOKED, SOME_LATE]);
    }
}

#[test]
fn a_strict_revoke_is_in_force_everywhere_when_it_is_acknowledged() {
    holds(strict(), &[SOME_REVOKED, SOME_WITHOUT]);
    holds(Protocol { faults: 1, horizon: 1, ..strict() }, &[SOME_REVOKED]);
    if larger() {
        holds(Protocol { faults: 1, ..strict() }, &[SOME_REVOKED, SOME_WITHOUT]);
        holds(Protocol { horizon: 4, ..strict() }, &[SOME_REVOKED, SOME_WITHOUT]);
        holds(Protocol { calls: 2, ..strict() }, &[SOME_REVOKED, SOME_WITHOUT]);
        holds(Protocol { instances: 3, ..strict() }, &[SOME_REVOKED, SOME_WITHOUT]);
    }
}

#[test]
fn each_safeguard_of_commits_is_needed() {
    breaks(commits(), Safeguard::Compare, REVISIONS);
    breaks(commits(), Safeguard::Fence, REFUSED_NEVER);
    breaks(commits(), Safeguard::WatchBeforeAnswer, OWN);
    breaks(commits(), Safeguard::MinRevision, READ_YOUR_WRITES);
    breaks(commits(), Safeguard::RememberedWithoutGap, REFUSED_NEVER);
    breaks(commits(), Safeguard::FailedLoadIsUnknown, REFUSED_NEVER);
}

#[test]
fn each_safeguard_of_the_bound_is_needed() {
    breaks(bound(), Safeguard::StaleDenied, BOUND);
    breaks(chain(), Safeguard::CentresStaleness, BOUND);
    // A revoke of what this instance has not heard of yet.
    let late = Protocol { granted: false, puts: true, calls: 2, ..bound() };
    breaks(late, Safeguard::NothingIsCommitted, BOUND);
}

#[test]
fn each_safeguard_of_strict_revokes_is_needed() {
    breaks(strict(), Safeguard::InstanceKeys, STRICT);
    breaks(strict(), Safeguard::KeysAfterCommit, STRICT);
    breaks(strict(), Safeguard::Lease, STRICT);
    breaks(Protocol { faults: 1, ..strict() }, Safeguard::RegisteredBeforeLoad, STRICT);
    breaks(strict(), Safeguard::FreshAfterRegistration, STRICT);
    // The same revoke again, while the first one is waited for.
    let twice = Protocol { calls: 2, horizon: 0, ..strict() };
    breaks(twice, Safeguard::NothingIsCommitted, STRICT);
}

/// Bob is shut out at one instance, then what he must not read is written, then he asks another.
#[test]
fn the_new_enemy_needs_strict_revokes_or_the_revision() {
    breaks(bound(), Safeguard::MinRevision, NEW_ENEMY);
    let mut with_revision = bound();
    with_revision.properties = vec![NEW_ENEMY];
    holds(with_revision, &[SOME_REVOKED]);
    let mut with_strict = Protocol { without: Some(Safeguard::MinRevision), ..strict() };
    with_strict.properties = vec![NEW_ENEMY];
    holds(with_strict, &[SOME_REVOKED]);
}
