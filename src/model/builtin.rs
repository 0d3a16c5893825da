//! The privilege groups that exist without being created: the nine that are listed beside the custom
//! ones, and the three of the first grant generation.
//!
//! Read-write groups hold the read-only ones of their family, admin groups the read-write ones;
//! families do not hold each other.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::privilege::{Privilege, PrivilegeKind, PrivilegeSet};

#[rustfmt::skip]
mod members {
    pub(super) const CLUSTER_READ: &[&str] = &[
        "ListDatabases", "SelectOwnership", "SelectUser", "DescribeResourceGroup",
        "ListResourceGroups", "ListPrivilegeGroups", "GetReplicateConfiguration", "ListFileResources",
    ];
    pub(super) const CLUSTER_WRITE: &[&str] = &[
        "FlushAll", "TransferNode", "TransferReplica", "UpdateResourceGroups", "AddFileResource",
        "RemoveFileResource", "PinSnapshotData", "UnpinSnapshotData",
    ];
    pub(super) const CLUSTER_ADMIN: &[&str] = &[
        "BackupRBAC", "RestoreRBAC", "CreateDatabase", "DropDatabase", "CreateOwnership",
        "DropOwnership", "ManageOwnership", "CreateResourceGroup", "DropResourceGroup", "UpdateUser",
        "CreatePrivilegeGroup", "DropPrivilegeGroup", "OperatePrivilegeGroup",
        "UpdateReplicateConfiguration", "Expr", "RestoreExternalSnapshot", "ExportSnapshot",
        "ImportBinlog",
    ];
    pub(super) const DATABASE_READ: &[&str] = &[
        "ShowCollections", "DescribeDatabase",
    ];
    pub(super) const DATABASE_WRITE: &[&str] = &[
        "AlterDatabase",
    ];
    pub(super) const DATABASE_ADMIN: &[&str] = &[
        "CreateCollection", "DropCollection", "RenameCollection",
    ];
    pub(super) const COLLECTION_READ: &[&str] = &[
        "Query", "Search", "IndexDetail", "GetFlushState", "GetLoadState", "GetLoadingProgress",
        "HasPartition", "ShowPartitions", "DescribeCollection", "DescribeAlias", "GetStatistics",
        "ListAliases", "GetImportProgress", "ListImport", "DescribeSnapshot", "ListSnapshots",
    ];
    pub(super) const COLLECTION_WRITE: &[&str] = &[
        "Load", "Release", "Insert", "Delete", "Upsert", "Import", "Flush", "Compaction",
        "LoadBalance", "CreateIndex", "DropIndex", "CreatePartition", "DropPartition",
        "AddCollectionField", "AlterCollectionSchema", "RefreshExternalCollection", "CreateSnapshot",
        "DropSnapshot",
    ];
    pub(super) const COLLECTION_ADMIN: &[&str] = &[
        "CreateAlias", "DropAlias", "RestoreSnapshot", "ViewRLS", "SkipRLS", "ManageRLS",
    ];
    pub(super) const LEGACY_READ: &[&str] = &[
        "Query", "Search", "IndexDetail", "GetFlushState", "GetLoadState", "GetLoadingProgress",
        "HasPartition", "ShowPartitions", "ShowCollections", "ListAliases", "ListDatabases",
        "DescribeCollection", "DescribeDatabase", "DescribeAlias", "GetStatistics", "DescribeSnapshot",
        "ListSnapshots",
    ];
    pub(super) const LEGACY_WRITE: &[&str] = &[
        "CreateIndex", "DropIndex", "CreatePartition", "DropPartition", "Load", "Release", "Insert",
        "Delete", "Upsert", "Import", "Flush", "Compaction", "LoadBalance", "CreateAlias", "DropAlias",
        "CreateSnapshot", "DropSnapshot", "RefreshExternalCollection",
    ];
    pub(super) const LEGACY_ADMIN: &[&str] = &[
        "CreateCollection", "DropCollection", "RenameCollection", "ViewRLS", "SkipRLS", "ManageRLS",
        "CreateOwnership", "DropOwnership", "SelectOwnership", "ManageOwnership", "SelectUser",
        "UpdateUser", "BackupRBAC", "RestoreRBAC", "CreateResourceGroup", "UpdateResourceGroups",
        "DropResourceGroup", "DescribeResourceGroup", "ListResourceGroups", "TransferReplica",
        "TransferNode", "CreateDatabase", "DropDatabase", "AlterDatabase",
        "UpdateReplicateConfiguration", "RestoreSnapshot", "ExportSnapshot", "RestoreExternalSnapshot",
        "PinSnapshotData", "UnpinSnapshotData", "ImportBinlog",
    ];
}

use members::{
    CLUSTER_ADMIN, CLUSTER_READ, CLUSTER_WRITE, COLLECTION_ADMIN, COLLECTION_READ,
    COLLECTION_WRITE, DATABASE_ADMIN, DATABASE_READ, DATABASE_WRITE, LEGACY_ADMIN, LEGACY_READ,
    LEGACY_WRITE,
};

/// The groups in listing order, each with the lists that make it up.
const BUILT_IN: [(&str, &[&[&str]]); 9] = [
    ("ClusterReadOnly", &[CLUSTER_READ]),
    ("ClusterReadWrite", &[CLUSTER_READ, CLUSTER_WRITE]),
    ("ClusterAdmin", &[CLUSTER_READ, CLUSTER_WRITE, CLUSTER_ADMIN]),
    ("DatabaseReadOnly", &[DATABASE_READ]),
    ("DatabaseReadWrite", &[DATABASE_READ, DATABASE_WRITE]),
    ("DatabaseAdmin", &[DATABASE_READ, DATABASE_WRITE, DATABASE_ADMIN]),
    ("CollectionReadOnly", &[COLLECTION_READ]),
    ("CollectionReadWrite", &[COLLECTION_READ, COLLECTION_WRITE]),
    ("CollectionAdmin", &[COLLECTION_READ, COLLECTION_WRITE, COLLECTION_ADMIN]),
];

/// The nine built-in groups with their members.
#[derive(Debug, Clone)]
pub struct BuiltInGroups(Vec<(&'static str, Vec<Privilege>)>);

impl Default for BuiltInGroups {
    fn default() -> Self {
        Self(BUILT_IN.iter().map(|(name, lists)| (*name, resolve(lists))).collect())
    }
}

impl BuiltInGroups {
    /// The default lists with some replaced. `lists` holds group names and the names of single
    /// privileges.
    ///
    /// # Errors
    /// A text that names the group or privilege that does not exist.
    pub fn overridden(lists: &BTreeMap<String, Vec<String>>) -> Result<Self, String> {
        let mut groups = Self::default();
        for (name, members) in lists {
            let Some((_, list)) = groups.0.iter_mut().find(|(n, _)| n == name) else {
                return Err(format!("`{name}` is not a built-in privilege group"));
            };
            *list = members
                .iter()
                .map(|member| {
                    Privilege::named(member)
                        .filter(|p| p.kind() == PrivilegeKind::Single)
                        .ok_or_else(|| format!("`{member}` in group `{name}` is not a privilege"))
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(groups)
    }

    /// The groups in listing order.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &[Privilege])> {
        self.0.iter().map(|(name, members)| (*name, members.as_slice()))
    }

    /// The members of the group of that name, in listing order.
    pub fn members(&self, name: &str) -> Option<&[Privilege]> {
        self.iter().find(|(n, _)| *n == name).map(|(_, members)| members)
    }
}

/// What a legacy group permits; empty for other entries.
pub fn legacy_members(group: Privilege) -> PrivilegeSet {
    static SETS: LazyLock<[(&str, PrivilegeSet); 3]> = LazyLock::new(|| {
        [
            ("ReadOnly", resolve(&[LEGACY_READ]).into_iter().collect()),
            ("ReadWrite", resolve(&[LEGACY_READ, LEGACY_WRITE]).into_iter().collect()),
            ("Admin", resolve(&[LEGACY_READ, LEGACY_WRITE, LEGACY_ADMIN]).into_iter().collect()),
        ]
    });
    SETS.iter().find(|(name, _)| *name == group.name()).map_or(PrivilegeSet::EMPTY, |(_, set)| *set)
}

fn resolve(lists: &[&[&str]]) -> Vec<Privilege> {
    lists.iter().flat_map(|list| list.iter()).filter_map(|name| Privilege::named(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_listed_name_is_in_the_catalogue() {
        let sizes: Vec<_> =
            BuiltInGroups::default().iter().map(|(_, members)| members.len()).collect();
        assert_eq!(sizes, [8, 16, 34, 2, 3, 6, 16, 34, 40]);
        let legacy = [LEGACY_READ, LEGACY_WRITE, LEGACY_ADMIN];
        assert!(legacy.iter().flat_map(|l| l.iter()).all(|n| Privilege::named(n).is_some()));
    }

    #[test]
    fn an_override_replaces_one_list_and_checks_its_names() {
        let lists = |group: &str, member: &str| {
            BTreeMap::from([(group.to_owned(), vec![member.to_owned()])])
        };
        let groups = BuiltInGroups::overridden(&lists("ClusterAdmin", "Search")).unwrap();
        assert_eq!(groups.members("ClusterAdmin").unwrap(), [Privilege::named("Search").unwrap()]);
        assert_eq!(groups.members("ClusterReadOnly").unwrap().len(), 8);
        assert!(BuiltInGroups::overridden(&lists("Nope", "Search")).unwrap_err().contains("Nope"));
        assert!(BuiltInGroups::overridden(&lists("ClusterAdmin", "ReadOnly")).is_err());
    }
}
