//! The privilege catalogue: every name Milvus knows, the object type it acts on, and the level it
//! belongs to. Source: Milvus' proto enum `ObjectPrivilege` and its privilege tables (3.x).

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use ObjectType::{Collection, Global, User};
use PrivilegeKind::{BuiltInGroup, Everything, LegacyGroup, Single};

/// The wildcard for databases, object names and privileges.
pub const ANY: &str = "*";

/// What kind of object a grant names. Byte order of the names equals the derived order, which is
/// the order in which grants are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectType {
    /// A collection, by name.
    Collection,
    /// The database or the whole instance.
    Global,
    /// A user, by name.
    User,
}

impl ObjectType {
    /// All object types in listing order.
    pub const ALL: [Self; 3] = [Collection, Global, User];

    /// The name that clients send and see.
    pub const fn name(self) -> &'static str {
        match self {
            Collection => "Collection",
            Global => "Global",
            User => "User",
        }
    }

    /// The object type of that name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.name() == name)
    }
}

/// How far a privilege reaches: the whole instance, one database, or one collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The instance.
    Cluster,
    /// One database.
    Database,
    /// One collection.
    Collection,
}

/// What a catalogue entry stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivilegeKind {
    /// One privilege that some call asks for.
    Single,
    /// `All`: every privilege of the database.
    Everything,
    /// One of the nine groups that are listed with the custom ones.
    BuiltInGroup,
    /// `ReadOnly`, `ReadWrite` and `Admin` of the first grant generation.
    LegacyGroup,
}

#[derive(Debug)]
struct Row {
    number: u8,
    name: &'static str,
    stored_name: &'static str,
    v1_object_type: Option<ObjectType>,
    level: Option<Level>,
    kind: PrivilegeKind,
}

const fn row(
    number: u8,
    name: &'static str,
    stored_name: &'static str,
    v1_object_type: Option<ObjectType>,
    level: Option<Level>,
    kind: PrivilegeKind,
) -> Row {
    Row { number, name, stored_name, v1_object_type, level, kind }
}

/// `Expr` has no number in the proto enum; it takes the last one that a [`PrivilegeSet`] can hold.
#[rustfmt::skip]
static CATALOGUE: [Row; 93] = [
    row(0, "All", "PrivilegeAll", Some(Global), None, Everything),
    row(1, "CreateCollection", "PrivilegeCreateCollection", Some(Global), Some(Level::Database), Single),
    row(2, "DropCollection", "PrivilegeDropCollection", Some(Global), Some(Level::Database), Single),
    row(3, "DescribeCollection", "PrivilegeDescribeCollection", Some(Global), Some(Level::Collection), Single),
    row(4, "ShowCollections", "PrivilegeShowCollections", Some(Global), Some(Level::Database), Single),
    row(5, "Load", "PrivilegeLoad", Some(Collection), Some(Level::Collection), Single),
    row(6, "Release", "PrivilegeRelease", Some(Collection), Some(Level::Collection), Single),
    row(7, "Compaction", "PrivilegeCompaction", Some(Collection), Some(Level::Collection), Single),
    row(8, "Insert", "PrivilegeInsert", Some(Collection), Some(Level::Collection), Single),
    row(9, "Delete", "PrivilegeDelete", Some(Collection), Some(Level::Collection), Single),
    row(10, "GetStatistics", "PrivilegeGetStatistics", Some(Collection), Some(Level::Collection), Single),
    row(11, "CreateIndex", "PrivilegeCreateIndex", Some(Collection), Some(Level::Collection), Single),
    row(12, "IndexDetail", "PrivilegeIndexDetail", Some(Collection), Some(Level::Collection), Single),
    row(13, "DropIndex", "PrivilegeDropIndex", Some(Collection), Some(Level::Collection), Single),
    row(14, "Search", "PrivilegeSearch", Some(Collection), Some(Level::Collection), Single),
    row(15, "Flush", "PrivilegeFlush", Some(Collection), Some(Level::Collection), Single),
    row(16, "Query", "PrivilegeQuery", Some(Collection), Some(Level::Collection), Single),
    row(17, "LoadBalance", "PrivilegeLoadBalance", Some(Collection), Some(Level::Collection), Single),
    row(18, "Import", "PrivilegeImport", Some(Collection), Some(Level::Collection), Single),
    row(19, "CreateOwnership", "PrivilegeCreateOwnership", Some(Global), Some(Level::Cluster), Single),
    row(20, "UpdateUser", "PrivilegeUpdateUser", Some(User), Some(Level::Cluster), Single),
    row(21, "DropOwnership", "PrivilegeDropOwnership", Some(Global), Some(Level::Cluster), Single),
    row(22, "SelectOwnership", "PrivilegeSelectOwnership", Some(Global), Some(Level::Cluster), Single),
    row(23, "ManageOwnership", "PrivilegeManageOwnership", Some(Global), Some(Level::Cluster), Single),
    row(24, "SelectUser", "PrivilegeSelectUser", Some(User), Some(Level::Cluster), Single),
    row(25, "Upsert", "PrivilegeUpsert", Some(Collection), Some(Level::Collection), Single),
    row(26, "CreateResourceGroup", "PrivilegeCreateResourceGroup", Some(Global), Some(Level::Cluster), Single),
    row(27, "DropResourceGroup", "PrivilegeDropResourceGroup", Some(Global), Some(Level::Cluster), Single),
    row(28, "DescribeResourceGroup", "PrivilegeDescribeResourceGroup", Some(Global), Some(Level::Cluster), Single),
    row(29, "ListResourceGroups", "PrivilegeListResourceGroups", Some(Global), Some(Level::Cluster), Single),
    row(30, "TransferNode", "PrivilegeTransferNode", Some(Global), Some(Level::Cluster), Single),
    row(31, "TransferReplica", "PrivilegeTransferReplica", Some(Global), Some(Level::Cluster), Single),
    row(32, "GetLoadingProgress", "PrivilegeGetLoadingProgress", Some(Collection), Some(Level::Collection), Single),
    row(33, "GetLoadState", "PrivilegeGetLoadState", Some(Collection), Some(Level::Collection), Single),
    row(34, "RenameCollection", "PrivilegeRenameCollection", Some(Global), Some(Level::Database), Single),
    row(35, "CreateDatabase", "PrivilegeCreateDatabase", Some(Global), Some(Level::Cluster), Single),
    row(36, "DropDatabase", "PrivilegeDropDatabase", Some(Global), Some(Level::Cluster), Single),
    row(37, "ListDatabases", "PrivilegeListDatabases", Some(Global), Some(Level::Cluster), Single),
    row(38, "FlushAll", "PrivilegeFlushAll", Some(Global), Some(Level::Cluster), Single),
    row(39, "CreatePartition", "PrivilegeCreatePartition", Some(Collection), Some(Level::Collection), Single),
    row(40, "DropPartition", "PrivilegeDropPartition", Some(Collection), Some(Level::Collection), Single),
    row(41, "ShowPartitions", "PrivilegeShowPartitions", Some(Collection), Some(Level::Collection), Single),
    row(42, "HasPartition", "PrivilegeHasPartition", Some(Collection), Some(Level::Collection), Single),
    row(43, "GetFlushState", "PrivilegeGetFlushState", Some(Collection), Some(Level::Collection), Single),
    row(44, "CreateAlias", "PrivilegeCreateAlias", Some(Global), Some(Level::Collection), Single),
    row(45, "DropAlias", "PrivilegeDropAlias", Some(Global), Some(Level::Collection), Single),
    row(46, "DescribeAlias", "PrivilegeDescribeAlias", Some(Global), Some(Level::Collection), Single),
    row(47, "ListAliases", "PrivilegeListAliases", Some(Global), Some(Level::Collection), Single),
    row(48, "UpdateResourceGroups", "PrivilegeUpdateResourceGroups", Some(Global), Some(Level::Cluster), Single),
    row(49, "AlterDatabase", "PrivilegeAlterDatabase", Some(Global), Some(Level::Database), Single),
    row(50, "DescribeDatabase", "PrivilegeDescribeDatabase", Some(Global), Some(Level::Database), Single),
    row(51, "BackupRBAC", "PrivilegeBackupRBAC", Some(Global), Some(Level::Cluster), Single),
    row(52, "RestoreRBAC", "PrivilegeRestoreRBAC", Some(Global), Some(Level::Cluster), Single),
    row(53, "ReadOnly", "PrivilegeGroupReadOnly", Some(Collection), None, LegacyGroup),
    row(54, "ReadWrite", "PrivilegeGroupReadWrite", Some(Collection), None, LegacyGroup),
    row(55, "Admin", "PrivilegeGroupAdmin", Some(Global), None, LegacyGroup),
    row(56, "CreatePrivilegeGroup", "PrivilegeCreatePrivilegeGroup", Some(Global), Some(Level::Cluster), Single),
    row(57, "DropPrivilegeGroup", "PrivilegeDropPrivilegeGroup", Some(Global), Some(Level::Cluster), Single),
    row(58, "ListPrivilegeGroups", "PrivilegeListPrivilegeGroups", Some(Global), Some(Level::Cluster), Single),
    row(59, "OperatePrivilegeGroup", "PrivilegeOperatePrivilegeGroup", Some(Global), Some(Level::Cluster), Single),
    row(60, "ClusterReadOnly", "PrivilegeGroupClusterReadOnly", Some(Global), None, BuiltInGroup),
    row(61, "ClusterReadWrite", "PrivilegeGroupClusterReadWrite", Some(Global), None, BuiltInGroup),
    row(62, "ClusterAdmin", "PrivilegeGroupClusterAdmin", Some(Global), None, BuiltInGroup),
    row(63, "DatabaseReadOnly", "PrivilegeGroupDatabaseReadOnly", Some(Global), None, BuiltInGroup),
    row(64, "DatabaseReadWrite", "PrivilegeGroupDatabaseReadWrite", Some(Global), None, BuiltInGroup),
    row(65, "DatabaseAdmin", "PrivilegeGroupDatabaseAdmin", Some(Global), None, BuiltInGroup),
    row(66, "CollectionReadOnly", "PrivilegeGroupCollectionReadOnly", Some(Global), None, BuiltInGroup),
    row(67, "CollectionReadWrite", "PrivilegeGroupCollectionReadWrite", Some(Global), None, BuiltInGroup),
    row(68, "CollectionAdmin", "PrivilegeGroupCollectionAdmin", Some(Global), None, BuiltInGroup),
    row(69, "GetImportProgress", "PrivilegeGetImportProgress", Some(Collection), Some(Level::Collection), Single),
    row(70, "ListImport", "PrivilegeListImport", Some(Collection), Some(Level::Collection), Single),
    row(71, "AddCollectionField", "PrivilegeAddCollectionField", Some(Collection), Some(Level::Collection), Single),
    row(72, "AddFileResource", "PrivilegeAddFileResource", None, Some(Level::Cluster), Single),
    row(73, "RemoveFileResource", "PrivilegeRemoveFileResource", None, Some(Level::Cluster), Single),
    row(74, "ListFileResources", "PrivilegeListFileResources", None, Some(Level::Cluster), Single),
    row(78, "UpdateReplicateConfiguration", "PrivilegeUpdateReplicateConfiguration", Some(Global), Some(Level::Cluster), Single),
    row(79, "CreateSnapshot", "PrivilegeCreateSnapshot", Some(Collection), Some(Level::Collection), Single),
    row(80, "DropSnapshot", "PrivilegeDropSnapshot", Some(Collection), Some(Level::Collection), Single),
    row(81, "DescribeSnapshot", "PrivilegeDescribeSnapshot", Some(Collection), Some(Level::Collection), Single),
    row(82, "ListSnapshots", "PrivilegeListSnapshots", Some(Collection), Some(Level::Collection), Single),
    row(83, "RestoreSnapshot", "PrivilegeRestoreSnapshot", Some(Collection), Some(Level::Collection), Single),
    row(84, "AlterCollectionSchema", "PrivilegeAlterCollectionSchema", Some(Collection), Some(Level::Collection), Single),
    row(85, "GetReplicateConfiguration", "PrivilegeGetReplicateConfiguration", None, Some(Level::Cluster), Single),
    row(86, "RefreshExternalCollection", "PrivilegeRefreshExternalCollection", Some(Collection), Some(Level::Collection), Single),
    row(87, "PinSnapshotData", "PrivilegePinSnapshotData", Some(Global), Some(Level::Cluster), Single),
    row(88, "UnpinSnapshotData", "PrivilegeUnpinSnapshotData", Some(Global), Some(Level::Cluster), Single),
    row(89, "RestoreExternalSnapshot", "PrivilegeRestoreExternalSnapshot", Some(Global), Some(Level::Cluster), Single),
    row(90, "ExportSnapshot", "PrivilegeExportSnapshot", Some(Global), Some(Level::Cluster), Single),
    row(91, "SkipRLS", "PrivilegeSkipRLS", Some(Collection), Some(Level::Collection), Single),
    row(92, "ViewRLS", "PrivilegeViewRLS", Some(Collection), Some(Level::Collection), Single),
    row(93, "ManageRLS", "PrivilegeManageRLS", Some(Collection), Some(Level::Collection), Single),
    row(94, "ImportBinlog", "PrivilegeImportBinlog", Some(Global), Some(Level::Cluster), Single),
    row(127, "Expr", "PrivilegeExpr", Some(Global), Some(Level::Cluster), Single),
];

static BY_NAME: LazyLock<HashMap<&'static str, Privilege>> =
    LazyLock::new(|| CATALOGUE.iter().map(|row| (row.name, Privilege(row))).collect());

static BY_STORED_NAME: LazyLock<HashMap<&'static str, Privilege>> =
    LazyLock::new(|| CATALOGUE.iter().map(|row| (row.stored_name, Privilege(row))).collect());

/// A privilege or privilege group of the catalogue.
#[derive(Clone, Copy)]
pub struct Privilege(&'static Row);

impl Privilege {
    /// The entry that clients call `name` (`Search`, `CollectionReadOnly`, …); case matters.
    pub fn named(name: &str) -> Option<Self> {
        BY_NAME.get(name).copied()
    }

    /// The entry stored under `stored_name` (`PrivilegeSearch`, `PrivilegeGroupReadOnly`, …).
    pub fn stored_as(stored_name: &str) -> Option<Self> {
        BY_STORED_NAME.get(stored_name).copied()
    }

    /// The entry with that number in the proto enum.
    pub fn numbered(number: u8) -> Option<Self> {
        CATALOGUE.iter().find(|row| row.number == number).map(Privilege)
    }

    /// Every entry, in the order of the proto enum, `Expr` last.
    pub fn all() -> impl Iterator<Item = Self> {
        CATALOGUE.iter().map(Privilege)
    }

    /// The name that clients use.
    pub fn name(self) -> &'static str {
        self.0.name
    }

    /// The name in storage and in refusals; the spelling of the proto enum.
    pub fn stored_name(self) -> &'static str {
        self.0.stored_name
    }

    /// The object type whose v1 grants may name this privilege; none for those that v1 refuses.
    pub fn v1_object_type(self) -> Option<ObjectType> {
        self.0.v1_object_type
    }

    /// The object type on which this privilege acts.
    pub fn object_type(self) -> ObjectType {
        self.0.v1_object_type.unwrap_or(Global)
    }

    /// The level, which groups may not mix; groups and `All` have none.
    pub fn level(self) -> Option<Level> {
        self.0.level
    }

    /// What the entry stands for.
    pub fn kind(self) -> PrivilegeKind {
        self.0.kind
    }

    /// Whether new grants are refused. `Expr` is listed and revoked only.
    pub fn is_deprecated(self) -> bool {
        self.0.name == "Expr"
    }
}

impl PartialEq for Privilege {
    fn eq(&self, other: &Self) -> bool {
        self.0.number == other.0.number
    }
}

impl Eq for Privilege {}

impl fmt::Debug for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether `name` is taken by the system: a catalogue name, or the odd spelling of a group's stored
/// name without its `Privilege` prefix (`GroupReadOnly`), which Milvus takes for defined as well.
pub fn is_defined(name: &str) -> bool {
    defined(name).is_some()
}

/// The catalogue entry that a client means by `name`; see [`is_defined`].
pub fn defined(name: &str) -> Option<Privilege> {
    Privilege::named(name).or_else(|| Privilege::stored_as(&format!("Privilege{name}")))
}

/// The object type under which a v2 grant of `name` is stored. Custom groups, `*` and names that
/// the v1 tables lack are `Global`.
pub fn object_type_of(name: &str) -> ObjectType {
    Privilege::named(name).map_or(Global, Privilege::object_type)
}

/// The stored form of a privilege or group name: `PrivilegeX` for what the catalogue knows,
/// `PrivilegeGroupX` for a custom group, `*` as it is.
pub fn stored_name(name: &str) -> String {
    match name {
        ANY => ANY.to_owned(),
        _ => defined(name)
            .map_or_else(|| format!("{GROUP_PREFIX}{name}"), |p| p.stored_name().to_owned()),
    }
}

/// The name that clients see for a stored name; empty for what cannot have been stored.
pub fn api_name(stored: &str) -> &str {
    if stored == ANY {
        return ANY;
    }
    match Privilege::stored_as(stored) {
        Some(privilege) => privilege.name(),
        None => custom_group(stored).unwrap_or_default(),
    }
}

/// The custom group that a stored name stands for.
pub fn custom_group(stored: &str) -> Option<&str> {
    let group = stored.strip_prefix(GROUP_PREFIX)?;
    if Privilege::stored_as(stored).is_some() { None } else { Some(group) }
}

/// What stands before a custom group's name in storage.
pub const GROUP_PREFIX: &str = "PrivilegeGroup";

/// A set of catalogue entries.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct PrivilegeSet(u128);

impl PrivilegeSet {
    /// The set without members.
    pub const EMPTY: Self = Self(0);

    /// Whether the set has no member.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The members, in the order of the catalogue.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::all().filter(move |privilege| self.contains(*privilege))
    }

    /// Whether `privilege` is in the set.
    pub fn contains(self, privilege: Privilege) -> bool {
        self.0 >> privilege.0.number & 1 == 1
    }

    /// The members of both sets.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The members that both sets have.
    #[must_use]
    pub fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The members that one of the sets has.
    #[must_use]
    pub fn symmetric_difference(self, other: Self) -> Self {
        Self(self.0 ^ other.0)
    }

    /// The members that `other` lacks.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl From<Privilege> for PrivilegeSet {
    fn from(privilege: Privilege) -> Self {
        Self(1 << privilege.0.number)
    }
}

impl FromIterator<Privilege> for PrivilegeSet {
    fn from_iter<I: IntoIterator<Item = Privilege>>(privileges: I) -> Self {
        privileges.into_iter().fold(Self::EMPTY, |set, p| set.union(p.into()))
    }
}

impl fmt::Debug for PrivilegeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
