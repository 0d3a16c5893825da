//! The routes of Milvus' REST v2 that a Milvus answers, each with the gRPC call whose rules hold
//! for it.

use super::super::routes::{BASE, method};

/// A route; all are `POST`.
#[derive(Debug)]
pub(in crate::rest) struct DataRoute {
    /// The path below [`BASE`].
    pub(in crate::rest) path: &'static str,
    /// The path with [`BASE`].
    pub(super) whole: &'static str,
    /// The path of the gRPC call.
    pub(super) method: &'static str,
    pub(super) kind: Kind,
}

/// What is special about a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing: checked by its names, answered as the upstream answers.
    Plain,
    /// Its answer is shortened to the collections that the caller may see.
    List,
    /// Its answer tells what other calls have rules for.
    Describe,
    /// The grants on the collection go with it.
    Drop,
    /// The grants on the collection move with it.
    Rename,
    /// It may also build an index and load.
    Create,
    /// Its only name is a number that anybody can guess, and what it does cannot be undone: the
    /// privilege is needed on everything.
    Everywhere,
}

impl Kind {
    /// Whether the upstream's answer goes on unread.
    pub(super) fn is_shown_whole(self) -> bool {
        matches!(self, Self::Plain | Self::Create | Self::Everywhere)
    }
}

macro_rules! routes {
    ($($path:literal $method:literal $kind:ident;)*) => {
        &[$(DataRoute {
            path: $path,
            whole: concat!("/v2/vectordb", $path),
            method: method!($method),
            kind: Kind::$kind,
        }),*]
    };
}

/// All of them.
pub(super) const ROUTES: &[DataRoute] = routes! {
    "/collections/list" "ShowCollections" List;
    "/collections/has" "HasCollection" Plain;
    "/collections/describe" "DescribeCollection" Describe;
    "/collections/get_stats" "GetCollectionStatistics" Plain;
    "/collections/get_load_state" "GetLoadState" Plain;
    "/collections/create" "CreateCollection" Create;
    "/collections/drop" "DropCollection" Drop;
    "/collections/truncate" "TruncateCollection" Plain;
    "/collections/rename" "RenameCollection" Rename;
    "/collections/load" "LoadCollection" Plain;
    "/collections/refresh_load" "LoadCollection" Plain;
    "/collections/release" "ReleaseCollection" Plain;
    "/collections/alter_properties" "AlterCollection" Plain;
    "/collections/drop_properties" "AlterCollection" Plain;
    "/collections/add_function" "AddCollectionFunction" Plain;
    "/collections/alter_function" "AlterCollectionFunction" Plain;
    "/collections/drop_function" "DropCollectionFunction" Plain;
    "/collections/add_function_field" "AlterCollectionSchema" Plain;
    "/collections/drop_function_field" "AlterCollectionSchema" Plain;
    "/collections/compact" "ManualCompaction" Plain;
    "/collections/get_compaction_state" "GetCompactionState" Plain;
    "/collections/flush" "Flush" Plain;
    "/collections/fields/alter_properties" "AlterCollectionField" Plain;
    "/collections/fields/add" "AlterCollectionSchema" Plain;
    "/collections/fields/drop" "AlterCollectionSchema" Plain;
    "/collections/struct_fields/add" "AddCollectionStructField" Plain;

    "/entities/query" "Query" Plain;
    "/entities/get" "Query" Plain;
    "/entities/delete" "Delete" Plain;
    "/entities/insert" "Insert" Plain;
    "/entities/upsert" "Upsert" Plain;
    "/entities/search" "Search" Plain;
    "/entities/hybrid_search" "HybridSearch" Plain;
    "/entities/advanced_search" "HybridSearch" Plain;

    "/partitions/list" "ShowPartitions" Plain;
    "/partitions/has" "HasPartition" Plain;
    "/partitions/get_stats" "GetPartitionStatistics" Plain;
    "/partitions/create" "CreatePartition" Plain;
    "/partitions/drop" "DropPartition" Plain;
    "/partitions/load" "LoadPartitions" Plain;
    "/partitions/release" "ReleasePartitions" Plain;

    "/indexes/list" "DescribeIndex" Plain;
    "/indexes/describe" "DescribeIndex" Plain;
    "/indexes/create" "CreateIndex" Plain;
    "/indexes/drop" "DropIndex" Plain;
    "/indexes/alter_properties" "AlterIndex" Plain;
    "/indexes/drop_properties" "AlterIndex" Plain;

    "/aliases/list" "ListAliases" Plain;
    "/aliases/describe" "DescribeAlias" Plain;
    "/aliases/create" "CreateAlias" Plain;
    "/aliases/drop" "DropAlias" Plain;
    "/aliases/alter" "AlterAlias" Plain;

    "/jobs/import/list" "ListImportTasks" Plain;
    "/jobs/import/create" "Import" Plain;
    "/jobs/import/describe" "GetImportState" Plain;
    "/jobs/import/get_progress" "GetImportState" Plain;
    "/jobs/import/commit" "Import" Everywhere;
    "/jobs/import/abort" "Import" Everywhere;
    "/jobs/snapshot/restore_external" "RestoreExternalSnapshot" Plain;
    "/jobs/snapshot/export" "ExportSnapshot" Plain;
    "/jobs/snapshot/describe" "GetRestoreSnapshotState" Plain;
    "/jobs/snapshot/list" "ListRestoreSnapshotJobs" Plain;
    "/jobs/external_collection/refresh" "RefreshExternalCollection" Plain;
    "/jobs/external_collection/describe" "GetRefreshExternalCollectionProgress" Plain;
    "/jobs/external_collection/list" "ListRefreshExternalCollectionJobs" Plain;

    "/resource_groups/create" "CreateResourceGroup" Plain;
    "/resource_groups/drop" "DropResourceGroup" Plain;
    "/resource_groups/alter" "UpdateResourceGroups" Plain;
    "/resource_groups/describe" "DescribeResourceGroup" Plain;
    "/resource_groups/list" "ListResourceGroups" Plain;
    "/resource_groups/transfer_replica" "TransferReplica" Plain;

    "/file_resources/add" "AddFileResource" Plain;
    "/file_resources/remove" "RemoveFileResource" Plain;
    "/file_resources/list" "ListFileResources" Plain;

    // gRPC has no such calls; the one named here is for administrators too.
    "/segments/describe" "DescribeSegmentIndexData" Plain;
    "/quotacenter/describe" "DescribeSegmentIndexData" Plain;

    "/common/run_analyzer" "RunAnalyzer" Plain;
};

/// The route of a whole path.
pub(in crate::rest) fn find(path: &str) -> Option<&'static DataRoute> {
    let path = path.strip_prefix(BASE)?;
    ROUTES.iter().find(|route| route.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_there_once_and_below_the_base() {
        let paths: std::collections::HashSet<_> = ROUTES.iter().map(|route| route.path).collect();
        assert_eq!(paths.len(), ROUTES.len());
        for route in ROUTES {
            assert_eq!(route.whole, format!("{BASE}{}", route.path));
            assert_eq!(find(route.whole).unwrap().path, route.path);
        }
    }
}
