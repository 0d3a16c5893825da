//! What a grant permits, place by place. A place is a database and an object, each a name or `*`;
//! cluster-level privileges stand at `*`, `*`.

use std::sync::LazyLock;

use crate::model::builtin::{BuiltInGroups, legacy_members};
use crate::model::privilege::{
    ANY, Level, ObjectType, Privilege, PrivilegeKind, PrivilegeSet, custom_group, defined,
};
use crate::model::state::{DEFAULT_DATABASE, Grant, Name, State};

/// The name of every place that is not one.
pub(super) static EVERY: Name = arcstr::literal!("*");

/// Tells `permit` what `grant` permits at which places. A place may come more than once.
pub(super) fn of_grant(
    grant: &Grant,
    state: &State,
    groups: &BuiltInGroups,
    permit: &mut dyn FnMut(&Name, &Name, PrivilegeSet),
) {
    let mut reach = Reach { grant, permit };
    if &*grant.privilege == ANY {
        return reach.any();
    }
    match Privilege::stored_as(&grant.privilege) {
        Some(privilege) if privilege.kind() == PrivilegeKind::BuiltInGroup => {
            let members = groups.members(privilege.name()).unwrap_or_default();
            reach.set(members.iter().copied().collect());
        }
        Some(privilege) => reach.members([privilege].into_iter()),
        None => {
            let group = custom_group(&grant.privilege).and_then(|name| state.groups.get(name));
            let members = group.into_iter().flat_map(|group| group.privileges.iter());
            reach.members(members.filter_map(|member| defined(member)));
        }
    }
}

struct Reach<'a> {
    grant: &'a Grant,
    permit: &'a mut dyn FnMut(&Name, &Name, PrivilegeSet),
}

impl Reach<'_> {
    /// Privileges that are no wildcards, granted alone or as members of a group.
    fn members(&mut self, privileges: impl Iterator<Item = Privilege>) {
        let mut singles = PrivilegeSet::EMPTY;
        for privilege in privileges {
            match privilege.kind() {
                PrivilegeKind::Single => singles = singles.union(privilege.into()),
                PrivilegeKind::Everything => {
                    let database = &self.grant.database;
                    let everywhere = &**database == ANY;
                    let all = if everywhere { MASKS.all } else { MASKS.all.minus(MASKS.cluster) };
                    self.permit(database, &EVERY, all);
                }
                PrivilegeKind::LegacyGroup => self.legacy(privilege),
                // One step only: a group inside a custom group matches nothing.
                PrivilegeKind::BuiltInGroup => {}
            }
        }
        self.set(singles);
    }

    /// A legacy group reaches the cluster level only where v1 clients mean the instance: on database
    /// `*`, and on `default`, which they cannot avoid.
    fn legacy(&mut self, group: Privilege) {
        let instance = matches!(&*self.grant.database, ANY | DEFAULT_DATABASE);
        let members = legacy_members(group);
        let members = if instance { members } else { members.minus(MASKS.cluster) };
        if group.object_type() == ObjectType::Global {
            self.set_on(&EVERY, members);
        } else {
            self.set(members);
        }
    }

    fn set(&mut self, set: PrivilegeSet) {
        self.set_on(&self.grant.object, set);
    }

    /// Each privilege at the place that its own type tells.
    fn set_on(&mut self, object: &Name, set: PrivilegeSet) {
        let database = &self.grant.database;
        self.permit(database, object, set.intersection(MASKS.collection_type));
        let global = set.intersection(MASKS.global_type);
        self.permit(database, &EVERY, global.minus(MASKS.cluster));
        self.permit(&EVERY, &EVERY, global.intersection(MASKS.cluster));
        self.permit(&EVERY, object, set.intersection(MASKS.user_type));
    }

    /// `*` as privilege: it never reaches further than its object.
    fn any(&mut self) {
        let Grant { object_type, database, object, .. } = self.grant;
        match object_type {
            ObjectType::Collection => self.permit(database, object, MASKS.collection_type),
            ObjectType::User => self.permit(&EVERY, object, MASKS.user_type),
            ObjectType::Global if &**object != ANY => {
                self.permit(database, object, MASKS.collection_level);
            }
            ObjectType::Global if &**database == ANY => {
                self.permit(&EVERY, &EVERY, MASKS.global_type);
            }
            ObjectType::Global => {
                self.permit(database, &EVERY, MASKS.global_type.minus(MASKS.cluster));
            }
        }
    }

    fn permit(&mut self, database: &Name, object: &Name, set: PrivilegeSet) {
        if !set.is_empty() {
            (self.permit)(database, object, set);
        }
    }
}

/// The sets by which compiled grants are sorted.
struct Masks {
    all: PrivilegeSet,
    cluster: PrivilegeSet,
    collection_level: PrivilegeSet,
    collection_type: PrivilegeSet,
    global_type: PrivilegeSet,
    user_type: PrivilegeSet,
}

static MASKS: LazyLock<Masks> = LazyLock::new(|| {
    let set = |keep: fn(Privilege) -> bool| {
        Privilege::all().filter(|p| p.kind() == PrivilegeKind::Single && keep(*p)).collect()
    };
    Masks {
        all: set(|_| true),
        cluster: set(|p| p.level() == Some(Level::Cluster)),
        collection_level: set(|p| p.level() == Some(Level::Collection)),
        collection_type: set(|p| p.object_type() == ObjectType::Collection),
        global_type: set(|p| p.object_type() == ObjectType::Global),
        user_type: set(|p| p.object_type() == ObjectType::User),
    }
});
