package milvusrbac;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.milvus.v2.client.ConnectConfig;
import io.milvus.v2.client.MilvusClientV2;
import io.milvus.v2.service.rbac.PrivilegeGroup;
import io.milvus.v2.service.rbac.request.AddPrivilegesToGroupReq;
import io.milvus.v2.service.rbac.request.CreatePrivilegeGroupReq;
import io.milvus.v2.service.rbac.request.CreateRoleReq;
import io.milvus.v2.service.rbac.request.DescribeRoleReq;
import io.milvus.v2.service.rbac.request.DropPrivilegeGroupReq;
import io.milvus.v2.service.rbac.request.GrantPrivilegeReqV2;
import io.milvus.v2.service.rbac.request.ListPrivilegeGroupsReq;
import io.milvus.v2.service.rbac.request.RemovePrivilegesFromGroupReq;
import io.milvus.v2.service.rbac.request.RevokePrivilegeReqV2;
import io.milvus.v2.service.rbac.response.DescribeRoleResp;
import io.milvus.v2.service.rbac.response.ListPrivilegeGroupsResp;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The Java examples of Milvus' user documentation, as they are written there. */
class DocumentedTest extends WithServer {
    private MilvusClientV2 client;

    @BeforeEach
    void connect() {
        client = new MilvusClientV2(
                ConnectConfig.builder().uri(server.uri()).token("root:Milvus").build());
    }

    @AfterEach
    void close() {
        client.close();
    }

    /** privilege_group.md */
    private void createPrivilegeGroup() {
        client.createPrivilegeGroup(CreatePrivilegeGroupReq.builder()
                .groupName("privilege_group_1")
                .build());
    }

    /** privilege_group.md */
    private void addPrivilegesToGroup() {
        client.addPrivilegesToGroup(AddPrivilegesToGroupReq.builder()
                .groupName("privilege_group_1")
                .privileges(Arrays.asList("Query", "Search"))
                .build());
    }

    /** privilege_group.md */
    private List<PrivilegeGroup> listPrivilegeGroups() {
        ListPrivilegeGroupsResp resp = client.listPrivilegeGroups(ListPrivilegeGroupsReq.builder()
                .build());
        List<PrivilegeGroup> groups = resp.getPrivilegeGroups();
        return groups;
    }

    /** grant_privileges.md */
    private void grant() {
        client.grantPrivilegeV2(GrantPrivilegeReqV2.builder()
                .roleName("role_a")
                .privilege("Search")
                .collectionName("collection_01")
                .dbName("default")
                .build());
        client.grantPrivilegeV2(GrantPrivilegeReqV2.builder()
                .roleName("role_a")
                .privilege("privilege_group_1")
                .collectionName("collection_01")
                .dbName("default")
                .build());
        client.grantPrivilegeV2(GrantPrivilegeReqV2.builder()
                .roleName("role_a")
                .privilege("ClusterReadOnly")
                .collectionName("*")
                .dbName("*")
                .build());
    }

    /** grant_privileges.md */
    private List<DescribeRoleResp.GrantInfo> describeRole() {
        DescribeRoleReq describeRoleReq = DescribeRoleReq.builder()
                .roleName("role_a")
                .build();
        DescribeRoleResp resp = client.describeRole(describeRoleReq);
        List<DescribeRoleResp.GrantInfo> infos = resp.getGrantInfos();
        return infos;
    }

    /** grant_privileges.md */
    private void revoke() {
        client.revokePrivilegeV2(RevokePrivilegeReqV2.builder()
                .roleName("role_a")
                .privilege("Search")
                .collectionName("collection_01")
                .dbName("default")
                .build());
        client.revokePrivilegeV2(RevokePrivilegeReqV2.builder()
                .roleName("role_a")
                .privilege("privilege_group_1")
                .collectionName("collection_01")
                .dbName("default")
                .build());
        client.revokePrivilegeV2(RevokePrivilegeReqV2.builder()
                .roleName("role_a")
                .privilege("ClusterReadOnly")
                .collectionName("*")
                .dbName("*")
                .build());
    }

    /** What both pages take for given. */
    private void prepare() {
        client.createRole(CreateRoleReq.builder().roleName("role_a").build());
        createPrivilegeGroup();
        addPrivilegesToGroup();
    }

    @Nested
    class PrivilegeGroups {
        @Test
        @Tag("createPrivilegeGroup")
        void create() {
            createPrivilegeGroup();
            assertEquals(List.of(), root.groups().get("privilege_group_1"));
        }

        @Test
        @Tag("addPrivilegesToGroup")
        @Tag("listPrivilegeGroups")
        void addAndList() {
            createPrivilegeGroup();
            addPrivilegesToGroup();
            List<PrivilegeGroup> groups = listPrivilegeGroups();
            assertEquals("privilege_group_1", groups.get(0).getGroupName());
            assertEquals(Set.of("Search", "Query"), new HashSet<>(groups.get(0).getPrivileges()));
            assertEquals(2, groups.get(0).getPrivileges().size());
            assertEquals(
                    PrivilegeGroupsTest.BUILT_IN,
                    groups.stream().skip(1).map(PrivilegeGroup::getGroupName).toList());
        }

        @Test
        @Tag("removePrivilegesFromGroup")
        void remove() {
            createPrivilegeGroup();
            addPrivilegesToGroup();
            client.removePrivilegesFromGroup(RemovePrivilegesFromGroupReq.builder()
                    .groupName("privilege_group_1")
                    .privileges(Collections.singletonList("Search"))
                    .build());
            assertEquals(List.of("Query"), root.groups().get("privilege_group_1"));
        }

        @Test
        @Tag("dropPrivilegeGroup")
        void drop() {
            createPrivilegeGroup();
            addPrivilegesToGroup();
            client.dropPrivilegeGroup(DropPrivilegeGroupReq.builder()
                    .groupName("privilege_group_1")
                    .build());
            assertEquals(PrivilegeGroupsTest.BUILT_IN, List.copyOf(root.groups().keySet()));
        }
    }

    /** The ticks of the tables of privilege_group.md. */
    @Nested
    @Tag("listPrivilegeGroups")
    class BuiltInGroups {
        private static final Map<String, String> OF_ONE_MORE = Map.of(
                "CollectionReadOnly",
                "Query Search IndexDetail GetFlushState GetLoadState GetLoadingProgress HasPartition ShowPartitions "
                        + "ListAliases DescribeCollection DescribeAlias GetStatistics",
                "CollectionReadWrite",
                "CreateIndex DropIndex CreatePartition DropPartition Load Release Insert Delete Upsert Import Flush "
                        + "Compaction LoadBalance",
                "CollectionAdmin",
                "CreateAlias DropAlias",
                "DatabaseReadOnly",
                "ShowCollections DescribeDatabase CreateCollection",
                "DatabaseReadWrite",
                "AlterDatabase",
                "DatabaseAdmin",
                "DropCollection",
                "ClusterReadOnly",
                "ListDatabases SelectOwnership SelectUser DescribeResourceGroup ListResourceGroups",
                "ClusterReadWrite",
                "UpdateResourceGroups TransferNode TransferReplica FlushAll",
                "ClusterAdmin",
                "RenameCollection CreateOwnership UpdateUser DropOwnership ManageOwnership BackupRBAC RestoreRBAC "
                        + "CreateResourceGroup DropResourceGroup CreateDatabase DropDatabase CreatePrivilegeGroup "
                        + "DropPrivilegeGroup ListPrivilegeGroups OperatePrivilegeGroup");

        /** Ticked on the page, but not in Milvus' lists, which are followed here. */
        private static final Map<String, String> NOT_THERE = Map.of(
                "DatabaseReadOnly", "CreateCollection",
                "DatabaseReadWrite", "CreateCollection",
                "ClusterAdmin", "RenameCollection");

        @ParameterizedTest
        @ValueSource(strings = {"Collection", "Database", "Cluster"})
        void holdWhatIsTicked(String level) {
            Set<String> ticked = new TreeSet<>();
            for (String kind : List.of("ReadOnly", "ReadWrite", "Admin")) {
                String group = level + kind;
                ticked.addAll(List.of(OF_ONE_MORE.get(group).split(" ")));
                Set<String> missing = new TreeSet<>(ticked);
                missing.removeAll(root.groups().get(group));
                assertEquals(Stream.ofNullable(NOT_THERE.get(group)).toList(), List.copyOf(missing), group);
            }
        }
    }

    @Nested
    class Grants {
        @Test
        @Tag("grantPrivilegeV2")
        @Tag("describeRole")
        void grantAndDescribe() {
            prepare();
            grant();
            List<DescribeRoleResp.GrantInfo> infos = describeRole();
            assertEquals(
                    List.of(
                            new Grant("Collection", "default", "collection_01", "Search"),
                            new Grant("Global", "*", "*", "ClusterReadOnly"),
                            new Grant("Global", "default", "collection_01", "privilege_group_1")),
                    infos.stream().map(Grant::of).toList());
            for (DescribeRoleResp.GrantInfo info : infos) {
                assertEquals("root", info.getGrantor());
            }
        }

        @Test
        @Tag("revokePrivilegeV2")
        void revokeAgain() {
            prepare();
            grant();
            revoke();
            assertEquals(List.of(), describeRole());
            root.dropRole("role_a");
        }

        /** The table of levels, first in Python there. */
        @ParameterizedTest
        @CsvSource({
            "CollectionAdmin, col1, db1",
            "CollectionAdmin, *, db1",
            "DatabaseAdmin, *, db1",
            "DatabaseAdmin, *, *",
            "ClusterAdmin, *, *",
        })
        @Tag("grantPrivilegeV2")
        void onEachLevel(String privilege, String collection, String database) {
            root.createRole("roleA");
            root.grantPrivilegeV2("roleA", privilege, collection, database);
            assertEquals(
                    List.of(new Grant("Global", database, collection, privilege)), root.grants("roleA", database));
        }
    }
}
