"""What Milvus states about privileges, and which calls are answered here: written down apart from the
server."""

# The built-in privilege groups, in the order in which they are listed.
COLLECTION_READ_ONLY = """
    Query Search IndexDetail GetFlushState GetLoadState GetLoadingProgress HasPartition ShowPartitions
    DescribeCollection DescribeAlias GetStatistics ListAliases GetImportProgress ListImport
    DescribeSnapshot ListSnapshots
""".split()
COLLECTION_READ_WRITE = [
    *COLLECTION_READ_ONLY,
    *"""
    Load Release Insert Delete Upsert Import Flush Compaction LoadBalance CreateIndex DropIndex
    CreatePartition DropPartition AddCollectionField AlterCollectionSchema RefreshExternalCollection
    CreateSnapshot DropSnapshot
    """.split(),
]
COLLECTION_ADMIN = [
    *COLLECTION_READ_WRITE,
    *"""
    CreateAlias DropAlias RestoreSnapshot ViewRLS SkipRLS ManageRLS
    """.split(),
]
DATABASE_READ_ONLY = ["ShowCollections", "DescribeDatabase"]
DATABASE_READ_WRITE = [*DATABASE_READ_ONLY, "AlterDatabase"]
DATABASE_ADMIN = [*DATABASE_READ_WRITE, "CreateCollection", "DropCollection", "RenameCollection"]
CLUSTER_READ_ONLY = """
    ListDatabases SelectOwnership SelectUser DescribeResourceGroup ListResourceGroups
    ListPrivilegeGroups GetReplicateConfiguration ListFileResources
""".split()
CLUSTER_READ_WRITE = [
    *CLUSTER_READ_ONLY,
    *"""
    FlushAll TransferNode TransferReplica UpdateResourceGroups AddFileResource RemoveFileResource
    PinSnapshotData UnpinSnapshotData
    """.split(),
]
CLUSTER_ADMIN = [
    *CLUSTER_READ_WRITE,
    *"""
    BackupRBAC RestoreRBAC CreateDatabase DropDatabase CreateOwnership DropOwnership ManageOwnership
    CreateResourceGroup DropResourceGroup UpdateUser CreatePrivilegeGroup DropPrivilegeGroup
    OperatePrivilegeGroup UpdateReplicateConfiguration Expr RestoreExternalSnapshot ExportSnapshot
    ImportBinlog
    """.split(),
]
BUILT_IN_GROUPS = {
    "ClusterReadOnly": CLUSTER_READ_ONLY,
    "ClusterReadWrite": CLUSTER_READ_WRITE,
    "ClusterAdmin": CLUSTER_ADMIN,
    "DatabaseReadOnly": DATABASE_READ_ONLY,
    "DatabaseReadWrite": DATABASE_READ_WRITE,
    "DatabaseAdmin": DATABASE_ADMIN,
    "CollectionReadOnly": COLLECTION_READ_ONLY,
    "CollectionReadWrite": COLLECTION_READ_WRITE,
    "CollectionAdmin": COLLECTION_ADMIN,
}

# Privileges on the whole instance; a refusal for lack of one names the database `*`.
CLUSTER_LEVEL = frozenset(CLUSTER_ADMIN)

# What every user holds by the role `public`, in every database.
PUBLIC_GRANTS = [
    ("Collection", "*", "*", "IndexDetail"),
    ("Global", "*", "*", "DescribeCollection"),
    ("Global", "*", "*", "ListAliases"),
]

# The calls that are answered here.
SERVED = """
    CreateCredential UpdateCredential DeleteCredential ListCredUsers CreateRole AlterRole DropRole
    OperateUserRole SelectRole SelectUser OperatePrivilege OperatePrivilegeV2 SelectGrant
    CreatePrivilegeGroup DropPrivilegeGroup ListPrivilegeGroups OperatePrivilegeGroup BackupRBAC
    RestoreRBAC Connect GetVersion CheckHealth GetComponentStates AllocTimestamp CreateDatabase
    DropDatabase AlterDatabase ListDatabases DescribeDatabase ShowCollections
""".split()
# Answered with a refusal: not served by Milvus either, or not yet. A client has to notice it.
REFUSED = """
    AddUserTags DeleteUserTags GetUserTags ListUsersWithTag CreateRowPolicy DropRowPolicy ListRowPolicies
""".split()

NO_ROLE = "not found the role, maybe the role isn't existed or internal system error: invalid parameter"
GROUP_TAKEN = (
    "failed to check if privilege group creatable: privilege group name [{}] is defined by built in "
    "privileges or privilege groups in system: invalid parameter"
)
GRANT_CHECK = "failed to operate privilege common check: "
GROUP_CHECK = "failed to check if privilege group alterable: "
RESTORE_CHECK = "failed to check if rbac restorable: "
