//! What the protos do not say about calls: where each is answered, and who may make those whose
//! requests carry no privilege option.

/// Who may make a call that the protos leave open.
#[derive(Debug, Clone, Copy)]
pub(super) enum Class {
    /// Every authenticated caller.
    Authenticated,
    /// `root` and holders of `admin`.
    Administrators,
    /// Holders of the privilege on the collection that the request names, on all of them where it
    /// names none; a cluster-level privilege looks at no collection.
    On(&'static str),
    /// The same, but where no collection is named every authenticated caller.
    OnIfNamed(&'static str),
    /// Holders of one of the privileges on at least one object: the request has nothing but an id.
    Anywhere(&'static [&'static str]),
}
use Class::{Administrators, Anywhere, Authenticated, On, OnIfNamed};

/// Each method without a privilege option. One that is neither here nor annotated is refused.
pub(super) const CLASSES: &[(&str, Class)] = &[
    ("Connect", Authenticated),
    ("GetVersion", Authenticated),
    ("CheckHealth", Authenticated),
    ("GetComponentStates", Authenticated),
    ("AllocTimestamp", Authenticated),
    ("CalcDistance", Authenticated),
    ("ComputePhraseMatchSlop", Authenticated),
    ("RunAnalyzer", OnIfNamed("Search")),
    // What these show is filtered.
    ("ListDatabases", Authenticated),
    ("ShowCollections", Authenticated),
    ("HasCollection", On("DescribeCollection")),
    ("GetReplicas", On("GetLoadState")),
    ("GetPersistentSegmentInfo", On("GetStatistics")),
    ("GetQuerySegmentInfo", On("GetStatistics")),
    ("ListImportTasks", On("ListImport")),
    ("GetImportState", Anywhere(&["Import"])),
    ("GetCompactionState", Anywhere(&["Compaction"])),
    ("GetCompactionStateWithPlans", Anywhere(&["Compaction"])),
    ("GetFlushAllState", Anywhere(&["Flush", "FlushAll"])),
    ("DescribePrewarmTask", Anywhere(&["Load"])),
    ("GetRestoreSnapshotState", Anywhere(&["RestoreSnapshot"])),
    ("GetRefreshExternalCollectionProgress", Anywhere(&["RefreshExternalCollection"])),
    ("ListRefreshExternalCollectionJobs", On("RefreshExternalCollection")),
    ("GetMetrics", On("ListResourceGroups")),
    ("ReplicateMessage", On("UpdateReplicateConfiguration")),
    ("GetReplicateInfo", On("UpdateReplicateConfiguration")),
    ("CreateReplicateStream", On("UpdateReplicateConfiguration")),
    ("DumpMessages", On("ManageOwnership")),
    ("Dummy", Administrators),
    ("RegisterLink", Administrators),
    ("ListIndexedSegment", Administrators),
    ("DescribeSegmentIndexData", Administrators),
    ("ClientHeartbeat", Authenticated),
    ("GetClientTelemetry", Administrators),
    ("PushClientCommand", Administrators),
    ("DeleteClientCommand", Administrators),
    // It shows what a backup shows.
    ("WatchChanges", On("BackupRBAC")),
    // What it does can be done one by one.
    ("MoveGrants", On("ManageOwnership")),
    // About others they ask for SelectOwnership themselves.
    ("Check", Authenticated),
    ("Explain", Authenticated),
    ("WhatCan", Authenticated),
    ("WhoCan", On("SelectOwnership")),
    ("GrantPrivilegesToRole", On("ManageOwnership")),
    ("RevokePrivilegesFromRole", On("ManageOwnership")),
    // Each step is decided as the call that it is.
    ("Transact", Authenticated),
    ("ListAuditEvents", On("BackupRBAC")),
    ("SetLogLevel", Administrators),
];

/// Always answered here, whether there is a Milvus behind the gate or not.
pub(super) const ANSWERED_HERE: [&str; 46] = [
    "CreateCredential",
    "UpdateCredential",
    "DeleteCredential",
    "ListCredUsers",
    "SelectUser",
    "CreateRole",
    "AlterRole",
    "DropRole",
    "OperateUserRole",
    "SelectRole",
    "OperatePrivilege",
    "OperatePrivilegeV2",
    "SelectGrant",
    "CreatePrivilegeGroup",
    "DropPrivilegeGroup",
    "ListPrivilegeGroups",
    "OperatePrivilegeGroup",
    "BackupRBAC",
    "RestoreRBAC",
    "AddUserTags",
    "DeleteUserTags",
    "GetUserTags",
    "ListUsersWithTag",
    // Row policies are about users, whom a Milvus behind the gate does not know.
    "CreateRowPolicy",
    "UpdateRowPolicy",
    "DropRowPolicy",
    "ListRowPolicies",
    "SetRLSPrincipalTags",
    "GetRLSPrincipalTags",
    "ListRLSPrincipals",
    "DeleteRLSPrincipalTags",
    "ClientHeartbeat",
    "GetClientTelemetry",
    "PushClientCommand",
    "DeleteClientCommand",
    "WatchChanges",
    "MoveGrants",
    "Check",
    "Explain",
    "WhatCan",
    "WhoCan",
    "GrantPrivilegesToRole",
    "RevokePrivilegesFromRole",
    "Transact",
    "ListAuditEvents",
    "SetLogLevel",
];

/// Change what is kept, where they are answered here: a follower sends them to its centre.
pub(super) const CHANGES: [&str; 20] = [
    "CreateCredential",
    "UpdateCredential",
    "DeleteCredential",
    "CreateRole",
    "AlterRole",
    "DropRole",
    "OperateUserRole",
    "OperatePrivilege",
    "OperatePrivilegeV2",
    "CreatePrivilegeGroup",
    "DropPrivilegeGroup",
    "OperatePrivilegeGroup",
    "RestoreRBAC",
    "CreateDatabase",
    "DropDatabase",
    "AlterDatabase",
    "MoveGrants",
    "GrantPrivilegesToRole",
    "RevokePrivilegesFromRole",
    "Transact",
];

/// Answered here where there is no Milvus behind the gate. All other calls are a Milvus' alone.
pub(super) const ANSWERED_ALONE: [&str; 11] = [
    "Connect",
    "GetVersion",
    "CheckHealth",
    "GetComponentStates",
    "AllocTimestamp",
    "CreateDatabase",
    "DropDatabase",
    "AlterDatabase",
    "ListDatabases",
    "DescribeDatabase",
    "ShowCollections",
];

/// Answered here too while the Milvus behind the gate does not answer: without them no client would
/// get as far as changing a role.
pub(super) const ANSWERED_WHILE_DOWN: [&str; 2] = ["Connect", "CheckHealth"];

/// After these a name may stand for another collection.
pub(super) const CHANGE_NAMES: [&str; 9] = [
    "CreateAlias",
    "DropAlias",
    "AlterAlias",
    "CreateCollection",
    "DropCollection",
    "RenameCollection",
    "DropDatabase",
    "RestoreSnapshot",
    "RestoreExternalSnapshot",
];
