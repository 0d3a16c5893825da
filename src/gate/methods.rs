//! What each call requires. The table comes from the option that Milvus' own protos carry; what
//! the option does not say is in [`classes`](super::classes).

use std::collections::HashMap;
use std::sync::LazyLock;

use super::classes::{
    ANSWERED_ALONE, ANSWERED_HERE, ANSWERED_WHILE_DOWN, CHANGE_NAMES, CHANGES, CLASSES, Class,
};
use crate::model::privilege::{Level, ObjectType, Privilege};

/// A method of the protos, as the build found it.
#[derive(Debug)]
pub(super) struct MethodRow {
    /// `/package.Service/Method`.
    pub(super) path: &'static str,
    pub(super) name: &'static str,
    option: Option<OptionRow>,
    /// The number of the field that names the database, 0 for none.
    pub(super) database: u32,
    /// The number of the field that names the collection, 0 for none.
    pub(super) collection: u32,
    /// Whether that field repeats.
    collections: bool,
    /// The number of the field that tells the collection by its id, 0 for none.
    pub(super) id: u32,
    /// Every field that names something, and the fields within it.
    pub(super) names: &'static [&'static [u32]],
    /// Whether one side sends more than one message.
    pub(super) streaming: bool,
}

#[derive(Debug)]
struct OptionRow {
    object_type: u8,
    privilege: u8,
    /// The field, and the fields within it, that hold the object's name; empty for `*`.
    name: &'static [u32],
    /// Whether that field repeats: every name must be allowed then.
    many: bool,
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

/// A method with all that the gate must know.
#[derive(Debug)]
pub(super) struct Method {
    pub(super) row: &'static MethodRow,
    pub(super) access: Access,
    pub(super) answered: Answered,
    /// Whether it is also answered here while the Milvus behind the gate does not answer.
    pub(super) answered_while_down: bool,
    /// Whether it changes what is kept, where it is answered here.
    pub(super) changes: bool,
    /// Whether names may stand for other collections after it.
    pub(super) changes_names: bool,
    /// Whether the database of the connection is that of requests that name none. Calls that
    /// act on the instance take a database for their object, or not at all.
    pub(super) in_database: bool,
}

/// Who may call.
#[derive(Debug)]
pub(super) enum Access {
    /// Callers whose roles cover the privilege on the named objects.
    Privileged(Requirement),
    /// Callers who hold one of the privileges on at least one object.
    Anywhere(Vec<Privilege>),
    /// Every authenticated caller. What the answer shows may depend on the caller.
    Authenticated,
    /// `root` and holders of `admin`.
    Administrators,
}

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// This process.
    Here,
    /// This process where there is no Milvus behind it, else that Milvus.
    Alone,
    /// A Milvus.
    Upstream,
}

/// A privilege, and where the request names the objects on which it is needed.
#[derive(Debug)]
pub(super) struct Requirement {
    pub(super) privilege: Privilege,
    pub(super) object_type: ObjectType,
    /// The field that names the object, and the fields within it; empty for none. Of a call that
    /// concerns the database it names the collection, where the privilege can be held on one.
    pub(super) names: Vec<u32>,
    /// Whether that field repeats: every name must be allowed then.
    pub(super) many: bool,
    /// Whether the privilege is needed only if an object is named.
    pub(super) only_if_named: bool,
    /// Where the request names a role that its holders may ask about without the privilege.
    pub(super) own_role: &'static [u32],
    /// The field that names the database into which something is moved, 0 for none.
    pub(super) target_database: u32,
}

/// `SelectGrant`: `entity.role.name`.
const SELECT_GRANT_ROLE: &[u32] = &[2, 1, 1];

/// `RenameCollection`: `newDBName`.
const RENAME_NEW_DATABASE: u32 = 5;
/// `RestoreSnapshot`: `target_db_name`.
const RESTORE_TARGET_DATABASE: u32 = 6;

/// INVARIANT: a method that is neither annotated nor classified is not in the table, and what is
/// not in the table is refused.
static TABLE: LazyLock<HashMap<&'static str, Method>> =
    LazyLock::new(|| METHODS.iter().filter_map(|row| Some((row.path, Method::of(row)?))).collect());

/// The method of that path; none is known for what the protos do not declare.
pub(super) fn find(path: &str) -> Option<&'static Method> {
    TABLE.get(path)
}

impl Method {
    fn of(row: &'static MethodRow) -> Option<Self> {
        let access = match &row.option {
            Some(option) => Access::Privileged(Requirement::annotated(row, option)?),
            None => Access::classified(row)?,
        };
        let answered = match row.name {
            name if ANSWERED_HERE.contains(&name) => Answered::Here,
            name if ANSWERED_ALONE.contains(&name) => Answered::Alone,
            _ => Answered::Upstream,
        };
        let in_database = match &access {
            Access::Privileged(requirement) => {
                requirement.privilege.level() != Some(Level::Cluster)
            }
            Access::Authenticated => true,
            Access::Anywhere(_) | Access::Administrators => false,
        };
        Some(Self {
            row,
            access,
            in_database: in_database && row.database != 0,
            answered,
            answered_while_down: ANSWERED_WHILE_DOWN.contains(&row.name),
            changes: CHANGES.contains(&row.name),
            changes_names: CHANGE_NAMES.contains(&row.name),
        })
    }
}

impl Method {
    /// Whether something is read from the field of that number.
    pub(super) fn reads(&self, field: u32) -> bool {
        let row = self.row;
        let named = row.names.iter().filter_map(|path| path.first());
        let of_requirement = match &self.access {
            Access::Privileged(requirement) => {
                let Requirement { names, own_role, target_database, .. } = requirement;
                [names.first(), own_role.first(), Some(target_database)]
            }
            Access::Anywhere(_) | Access::Authenticated | Access::Administrators => [None; 3],
        };
        named
            .chain([&row.database, &row.collection, &row.id])
            .chain(of_requirement.into_iter().flatten())
            .any(|number| *number == field)
    }
}

impl Access {
    fn classified(row: &MethodRow) -> Option<Self> {
        let (_, class) = CLASSES.iter().find(|(name, _)| *name == row.name)?;
        Some(match class {
            Class::Authenticated => Self::Authenticated,
            Class::Administrators => Self::Administrators,
            Class::On(privilege) => Self::Privileged(Requirement::on(row, privilege, false)?),
            Class::OnIfNamed(privilege) => Self::Privileged(Requirement::on(row, privilege, true)?),
            Class::Anywhere(privileges) => Self::Anywhere(
                privileges.iter().map(|name| Privilege::named(name)).collect::<Option<_>>()?,
            ),
        })
    }
}

impl Requirement {
    /// What the protos say.
    fn annotated(row: &MethodRow, option: &OptionRow) -> Option<Self> {
        let privilege = Privilege::numbered(option.privilege)?;
        let object_type = match option.object_type {
            0 => ObjectType::Collection,
            1 => ObjectType::Global,
            2 => ObjectType::User,
            _ => return None,
        };
        let (names, many) = match object_type {
            ObjectType::Global => collections_of(row, privilege),
            ObjectType::Collection | ObjectType::User => (option.name.to_vec(), option.many),
        };
        Some(Self {
            privilege,
            object_type,
            names,
            many,
            only_if_named: false,
            own_role: if row.name == "SelectGrant" { SELECT_GRANT_ROLE } else { &[] },
            target_database: match row.name {
                "RenameCollection" => RENAME_NEW_DATABASE,
                "RestoreSnapshot" => RESTORE_TARGET_DATABASE,
                _ => 0,
            },
        })
    }

    /// What a class says.
    fn on(row: &MethodRow, privilege: &str, only_if_named: bool) -> Option<Self> {
        let privilege = Privilege::named(privilege)?;
        let (names, many) = collections_of(row, privilege);
        Some(Self {
            privilege,
            object_type: privilege.object_type(),
            names,
            many,
            only_if_named,
            own_role: &[],
            target_database: 0,
        })
    }
}

/// The field that names the collections on which `privilege` may be held.
fn collections_of(row: &MethodRow, privilege: Privilege) -> (Vec<u32>, bool) {
    if privilege.level() == Some(Level::Collection) && row.collection != 0 {
        (vec![row.collection], row.collections)
    } else {
        (Vec::new(), false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(service: &str) -> impl Iterator<Item = &'static MethodRow> {
        let prefix = format!("/milvus.proto.milvus.{service}/");
        METHODS.iter().filter(move |row| row.path.starts_with(&prefix))
    }

    fn requirement(name: &str) -> &'static Requirement {
        let path = format!("/milvus.proto.milvus.MilvusService/{name}");
        match &find(&path).unwrap().access {
            Access::Privileged(requirement) => requirement,
            other => panic!("{name}: {other:?}"),
        }
    }

    #[test]
    fn each_method_has_just_one_class() {
        assert_eq!(of("MilvusService").count(), 149);
        assert_eq!(of("ClientTelemetryService").count(), 4);
        let ours = METHODS.iter().filter(|m| m.path.starts_with("/milvus_rbac.v1.AccessService/"));
        assert_eq!(ours.count(), 11);
        assert_eq!(METHODS.len(), 164);
        for row in METHODS {
            assert!(find(row.path).is_some(), "{} has no class", row.name);
            let classes = CLASSES.iter().filter(|(name, _)| *name == row.name).count();
            assert_eq!(classes, usize::from(row.option.is_none()), "{}", row.name);
        }
        // 32 of Milvus' own, telemetry, and ours.
        assert_eq!(CLASSES.len(), 47);
    }

    #[test]
    fn every_list_names_methods_that_exist() {
        let lists =
            [&ANSWERED_HERE[..], &ANSWERED_ALONE, &ANSWERED_WHILE_DOWN, &CHANGES, &CHANGE_NAMES];
        for name in lists.into_iter().flatten() {
            assert!(METHODS.iter().any(|row| row.name == *name), "{name}");
        }
    }

    #[test]
    fn names_are_read_where_the_option_points() {
        assert_eq!(requirement("SelectUser").names, [2, 1]);
        assert_eq!(requirement("UpdateCredential").names, [2]);
        assert_eq!(requirement("CreateRole").names, [0u32; 0]);
        assert_eq!(requirement("SelectGrant").own_role, [2, 1, 1]);
        assert_eq!(requirement("CreateRowPolicy").privilege.name(), "ManageRLS");
        let flush = requirement("Flush");
        assert!(flush.many && flush.names == [3]);
        let batch = requirement("BatchDescribeCollection");
        assert!(batch.many && batch.names == [2]);
        assert_eq!(requirement("GetReplicas").names, [4]);
        assert_eq!(requirement("GetMetrics").names, [0u32; 0]);
    }
}
