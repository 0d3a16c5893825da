//! What one role permits: a table of places, each with how many of the role's grants permit what
//! there, so that a grant or a revoke changes the places that it concerns and no other.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::RandomState;

use super::Query;
use super::table::{Entry, Table};
use crate::model::privilege::{ANY, PrivilegeSet};
use crate::model::state::Name;

/// The permissions of a role.
#[derive(Debug, Clone, Default)]
pub(super) struct RolePolicy(Table<Place>);

/// A database and an object, with what is permitted there.
#[derive(Debug, Clone)]
pub(super) struct Place {
    hash: u64,
    database: Name,
    object: Name,
    set: PrivilegeSet,
    /// How many grants permit each privilege besides the first, as binary numbers: their lowest
    /// bits, the next ones, … Most are permitted by one.
    more: Option<Arc<Vec<PrivilegeSet>>>,
}

/// What is permitted at some place.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Somewhere {
    /// At any.
    pub(super) all: PrivilegeSet,
    /// At those whose database or object is `*`.
    wide: PrivilegeSet,
}

impl Entry for Place {
    type Summary = Somewhere;

    fn hash(&self) -> u64 {
        self.hash
    }

    fn summary(&self) -> Somewhere {
        let is_wide = &*self.database == ANY || &*self.object == ANY;
        Somewhere { all: self.set, wide: if is_wide { self.set } else { PrivilegeSet::EMPTY } }
    }

    fn join(a: Somewhere, b: Somewhere) -> Somewhere {
        Somewhere { all: a.all.union(b.all), wide: a.wide.union(b.wide) }
    }
}

impl Place {
    fn permit(&mut self, set: PrivilegeSet) {
        let mut carry = self.set.intersection(set);
        self.set = self.set.union(set);
        if carry.is_empty() {
            return;
        }
        let numbers = Arc::make_mut(self.more.get_or_insert_default());
        for bits in numbers.iter_mut() {
            (*bits, carry) = (bits.symmetric_difference(carry), bits.intersection(carry));
        }
        if !carry.is_empty() {
            numbers.push(carry);
        }
    }

    fn forbid(&mut self, set: PrivilegeSet) {
        let repeated = self.more.iter().flat_map(|numbers| numbers.iter());
        let repeated = repeated.fold(PrivilegeSet::EMPTY, |all, bits| all.union(*bits));
        self.set = self.set.minus(set.minus(repeated));
        let mut borrow = set.intersection(repeated);
        if let (false, Some(more)) = (borrow.is_empty(), &mut self.more) {
            let numbers = Arc::make_mut(more);
            for bits in numbers.iter_mut() {
                (*bits, borrow) = (bits.symmetric_difference(borrow), borrow.minus(*bits));
            }
            while numbers.last().is_some_and(|bits| bits.is_empty()) {
                numbers.pop();
            }
            if numbers.is_empty() {
                self.more = None;
            }
        }
    }

    fn is(&self, database: &str, object: &str) -> bool {
        &*self.database == database && &*self.object == object
    }
}

fn hash(hasher: &RandomState, database: &str, object: &str) -> u64 {
    hasher.hash_one((database, object))
}

impl RolePolicy {
    /// What grants permit at these places, all at once.
    pub(super) fn of(
        hasher: &RandomState,
        permitted: impl Iterator<Item = (Name, Name, PrivilegeSet)>,
    ) -> Self {
        let place = |(database, object, set): (Name, Name, PrivilegeSet)| {
            let hash = hash(hasher, &database, &object);
            Place { hash, database, object, set, more: None }
        };
        let mut places: Vec<_> = permitted.map(place).collect();
        places.sort_unstable_by(|a, b| {
            (a.hash, &a.database, &a.object).cmp(&(b.hash, &b.database, &b.object))
        });
        places.dedup_by(|later, earlier| {
            let same = later.hash == earlier.hash && later.is(&earlier.database, &earlier.object);
            if same {
                earlier.permit(later.set);
            }
            same
        });
        Self(Table::of(places.into()))
    }

    /// A grant permits `set` at the place.
    pub(super) fn permit(
        &mut self,
        hasher: &RandomState,
        database: &Name,
        object: &Name,
        set: PrivilegeSet,
    ) {
        self.update(hasher, database, object, |place| place.permit(set));
    }

    /// A grant that permitted `set` at the place is gone.
    pub(super) fn forbid(
        &mut self,
        hasher: &RandomState,
        database: &Name,
        object: &Name,
        set: PrivilegeSet,
    ) {
        self.update(hasher, database, object, |place| place.forbid(set));
    }

    /// Changes a place, which is there as long as something is permitted.
    fn update(
        &mut self,
        hasher: &RandomState,
        database: &Name,
        object: &Name,
        change: impl FnOnce(&mut Place),
    ) {
        let hash = hash(hasher, database, object);
        self.0.update(
            hash,
            |place| place.is(database, object),
            |found| {
                let mut place = found.cloned().unwrap_or_else(|| Place {
                    hash,
                    database: database.clone(),
                    object: object.clone(),
                    set: PrivilegeSet::EMPTY,
                    more: None,
                });
                change(&mut place);
                (!place.set.is_empty()).then_some(place)
            },
        );
    }

    /// What is permitted on at least one object.
    pub(super) fn anywhere(&self) -> PrivilegeSet {
        self.0.summary().all
    }

    /// Whether nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether what is asked is permitted.
    pub(super) fn covers(&self, asked: &Asked<'_>) -> bool {
        let Somewhere { all, wide } = self.0.summary();
        if !all.contains(asked.query.privilege) {
            return false;
        }
        if let Some(at) = &asked.named
            && self.permits(asked, at)
        {
            return true;
        }
        wide.contains(asked.query.privilege) && asked.wide().any(|at| self.permits(asked, &at))
    }

    fn permits(&self, asked: &Asked<'_>, at: &At<'_>) -> bool {
        let place = self.0.get(at.hash, |place| place.is(at.database, at.object));
        place.is_some_and(|place| place.set.contains(asked.query.privilege))
    }
}

/// A query, with its place hashed once for all roles.
pub(super) struct Asked<'q> {
    hasher: &'q RandomState,
    query: &'q Query<'q>,
    /// Its database and object, if it names both.
    named: Option<At<'q>>,
}

struct At<'q> {
    database: &'q str,
    object: &'q str,
    hash: u64,
}

impl<'q> Asked<'q> {
    pub(super) fn new(query: &'q Query<'q>, hasher: &'q RandomState) -> Self {
        let mut asked = Self { hasher, query, named: None };
        asked.named = query.scope().zip(query.name()).map(|(d, o)| asked.at(d, o));
        asked
    }

    fn at(&self, database: &'q str, object: &'q str) -> At<'q> {
        At { database, object, hash: hash(self.hasher, database, object) }
    }

    /// The places of which the query's own is part.
    fn wide(&self) -> impl Iterator<Item = At<'q>> {
        let named = self.query.name().map(|object| (ANY, object));
        let database = self.query.scope().map(|database| (database, ANY));
        let places = database.into_iter().chain(named).chain([(ANY, ANY)]);
        places.map(|(database, object)| self.at(database, object))
    }
}
