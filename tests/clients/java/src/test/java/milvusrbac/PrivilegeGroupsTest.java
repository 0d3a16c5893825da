package milvusrbac;

import static milvusrbac.Refusals.allowed;
import static milvusrbac.Refusals.denied;
import static milvusrbac.Refusals.refused;
import static milvusrbac.Refusals.refusedWith;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.milvus.v2.service.rbac.PrivilegeGroup;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class PrivilegeGroupsTest extends WithServer {
    static final List<String> BUILT_IN = List.of(
            "ClusterReadOnly",
            "ClusterReadWrite",
            "ClusterAdmin",
            "DatabaseReadOnly",
            "DatabaseReadWrite",
            "DatabaseAdmin",
            "CollectionReadOnly",
            "CollectionReadWrite",
            "CollectionAdmin");

    private static final String CHECK = "failed to check if privilege group alterable: ";

    static Stream<Arguments> badNames() {
        String words = ": invalid privilege group name[privilegeGroup=the first character of ";
        return Stream.of(
                Arguments.of(
                        "",
                        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]"),
                Arguments.of("1g", "1g" + words),
                Arguments.of(" g", " g" + words),
                Arguments.of("*", "*" + words),
                Arguments.of("g".repeat(256), "->255: invalid privilege group name[privilegeGroup=the length of "));
    }

    private static String noGroup(String group) {
        return CHECK + "there is no privilege group name [" + group + "] defined in system to operate: "
                + "invalid parameter";
    }

    private static String noPrivilege(String privilege) {
        return CHECK + "there is no privilege name or privilege group name [" + privilege
                + "] defined in system to operate: invalid parameter";
    }

    private void check(String group, String... members) {
        assertEquals(List.of(members), root.groups().get(group));
    }

    @Nested
    @Tag("createPrivilegeGroup")
    class CreatePrivilegeGroup {
        @Test
        void creates() {
            root.createPrivilegeGroup("g1");
            check("g1");
        }

        @Test
        void duplicate() {
            root.createPrivilegeGroup("g1");
            refused(
                    1100,
                    58,
                    "failed to check if privilege group creatable: privilege group name [g1] is defined by "
                            + "users: invalid parameter",
                    () -> root.createPrivilegeGroup("g1"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"Search", "ClusterAdmin", "ReadOnly", "GroupReadOnly", "All"})
        void withAKnownName(String name) {
            refused(
                    1100,
                    58,
                    "failed to check if privilege group creatable: privilege group name [" + name
                            + "] is defined by built in privileges or privilege groups in system: invalid parameter",
                    () -> root.createPrivilegeGroup(name));
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.PrivilegeGroupsTest#badNames")
        void badName(String name, String words) {
            refusedWith(1402, 1, words, () -> root.createPrivilegeGroup(name));
        }

        @Test
        void badCharacter() {
            refused(
                    1100,
                    5,
                    "privilege group name g$1 can only contain numbers, letters and underscores: invalid parameter",
                    () -> root.createPrivilegeGroup("g$1"));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("CreatePrivilegeGroup", () -> stranger.createPrivilegeGroup("g1"));
            assertEquals(BUILT_IN, List.copyOf(root.groups().keySet()));
        }
    }

    @Nested
    @Tag("dropPrivilegeGroup")
    class DropPrivilegeGroup {
        @Test
        void drops() {
            root.createPrivilegeGroup("g1");
            root.dropPrivilegeGroup("g1");
            assertEquals(BUILT_IN, List.copyOf(root.groups().keySet()));
        }

        @Test
        void inUse() {
            root.createPrivilegeGroup("g1");
            for (String role : List.of("r2", "r1")) {
                root.createRole(role);
                root.grantPrivilegeV2(role, "g1", "*", "default");
            }
            refused(
                    1100,
                    59,
                    "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], "
                            + "Use REVOKE API to revoke it first: invalid parameter",
                    () -> root.dropPrivilegeGroup("g1"));
            check("g1");
            for (String role : List.of("r1", "r2")) {
                root.revokePrivilegeV2(role, "g1", "*", "default");
            }
            root.dropPrivilegeGroup("g1");
            assertFalse(root.groups().containsKey("g1"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"nope", "ClusterAdmin"})
        void missingOrBuiltIn(String group) {
            root.dropPrivilegeGroup(group);
            assertEquals(BUILT_IN, List.copyOf(root.groups().keySet()));
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.PrivilegeGroupsTest#badNames")
        void badName(String name, String words) {
            refusedWith(1402, 1, words, () -> root.dropPrivilegeGroup(name));
        }

        @Test
        void withoutPrivilege() {
            root.createPrivilegeGroup("g1");
            Client stranger = stranger();
            denied("DropPrivilegeGroup", () -> stranger.dropPrivilegeGroup("g1"));
            check("g1");
        }
    }

    @Nested
    @Tag("listPrivilegeGroups")
    class ListPrivilegeGroups {
        @Test
        void builtInOnes() {
            List<PrivilegeGroup> groups = root.listPrivilegeGroups();
            assertEquals(BUILT_IN, groups.stream().map(PrivilegeGroup::getGroupName).toList());
            Map<String, List<String>> members = Map.of(
                    "ClusterReadOnly",
                    List.of(
                            "ListDatabases",
                            "SelectOwnership",
                            "SelectUser",
                            "DescribeResourceGroup",
                            "ListResourceGroups",
                            "ListPrivilegeGroups",
                            "GetReplicateConfiguration",
                            "ListFileResources"),
                    "DatabaseReadOnly",
                    List.of("ShowCollections", "DescribeDatabase"),
                    "DatabaseReadWrite",
                    List.of("ShowCollections", "DescribeDatabase", "AlterDatabase"));
            members.forEach((name, privileges) ->
                    assertEquals(privileges, groups.get(BUILT_IN.indexOf(name)).getPrivileges()));
        }

        @Test
        void customOnesComeFirstInByteOrder() {
            for (String name : List.of("b", "B", "_a", "a")) {
                root.createPrivilegeGroup(name);
            }
            List<String> names = Stream.concat(Stream.of("B", "_a", "a", "b"), BUILT_IN.stream()).toList();
            assertEquals(names, List.copyOf(root.groups().keySet()));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("ListPrivilegeGroups", () -> stranger.listPrivilegeGroups());
        }
    }

    @Nested
    @Tag("addPrivilegesToGroup")
    class AddPrivilegesToGroup {
        @Test
        void adds() {
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search", "Query");
            check("g1", "Query", "Search");
            root.addPrivilegesToGroup("g1", "Search", "Insert");
            check("g1", "Insert", "Query", "Search");
        }

        @Test
        void groups() {
            root.createPrivilegeGroup("g1");
            root.createPrivilegeGroup("g2");
            root.addPrivilegesToGroup("g1", "g2", "ClusterReadOnly", "ReadOnly", "All");
            check("g1", "All", "ClusterReadOnly", "ReadOnly", "g2");
        }

        @Test
        void isInForceAtOnce() {
            root.createRole("r1");
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search");
            root.grantPrivilegeV2("r1", "g1", "c1", "default");
            denied("Query", "u1", "default", () -> u1.query("default", "c1"));
            root.addPrivilegesToGroup("g1", "Query");
            allowed("Query", () -> u1.query("default", "c1"));
            assertEquals(List.of(new Grant("Global", "default", "c1", "g1")), root.grants("r1"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"nope", "ClusterAdmin"})
        void missingOrBuiltIn(String group) {
            refused(1100, 61, noGroup(group), () -> root.addPrivilegesToGroup(group, "Search"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"Nonsense", "PrivilegeSearch", "*"})
        void unknownPrivilege(String privilege) {
            root.createPrivilegeGroup("g1");
            refused(1100, 61, noPrivilege(privilege), () -> root.addPrivilegesToGroup("g1", "Search", privilege));
            check("g1");
        }

        @Test
        void none() {
            root.createPrivilegeGroup("g1");
            refused(
                    1100,
                    61,
                    CHECK + "privileges is empty when alter the privilege group: invalid parameter",
                    () -> root.addPrivilegesToGroup("g1"));
        }

        @ParameterizedTest
        @CsvSource({
            "Search, CreateCollection",
            "Search, CreateDatabase",
            "CreateCollection, CreateDatabase",
            "Search, All",
            "Search, CollectionReadOnly",
        })
        void ofSeveralLevels(String first, String second) {
            String text = CHECK + "privileges are not the same privilege level: invalid parameter";
            root.createPrivilegeGroup("g1");
            refused(1100, 61, text, () -> root.addPrivilegesToGroup("g1", first, second));
            root.addPrivilegesToGroup("g1", first);
            refused(1100, 61, text, () -> root.addPrivilegesToGroup("g1", second));
            check("g1", first);
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.PrivilegeGroupsTest#badNames")
        void badName(String name, String words) {
            refusedWith(1402, 1, words, () -> root.addPrivilegesToGroup(name, "Search"));
        }

        @Test
        void withoutPrivilege() {
            root.createPrivilegeGroup("g1");
            Client stranger = stranger();
            denied("OperatePrivilegeGroup", () -> stranger.addPrivilegesToGroup("g1", "Search"));
            check("g1");
        }
    }

    @Nested
    @Tag("removePrivilegesFromGroup")
    class RemovePrivilegesFromGroup {
        @Test
        void removes() {
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search", "Query", "Insert");
            root.removePrivilegesFromGroup("g1", "Query", "Search");
            check("g1", "Insert");
            root.removePrivilegesFromGroup("g1", "Insert");
            check("g1");
        }

        @Test
        void notAMember() {
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search");
            root.removePrivilegesFromGroup("g1", "Query");
            check("g1", "Search");
        }

        @Test
        void isInForceAtOnce() {
            root.createRole("r1");
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search", "Query");
            root.grantPrivilegeV2("r1", "g1", "c1", "default");
            allowed("Query", () -> u1.query("default", "c1"));
            root.removePrivilegesFromGroup("g1", "Query");
            denied("Query", "u1", "default", () -> u1.query("default", "c1"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"nope", "ClusterAdmin"})
        void missingOrBuiltIn(String group) {
            refused(1100, 61, noGroup(group), () -> root.removePrivilegesFromGroup(group, "ListDatabases"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"Nonsense", "PrivilegeSearch", "*"})
        void unknownPrivilege(String privilege) {
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search");
            String text = noPrivilege(privilege);
            refused(1100, 61, text, () -> root.removePrivilegesFromGroup("g1", "Search", privilege));
            check("g1", "Search");
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.PrivilegeGroupsTest#badNames")
        void badName(String name, String words) {
            refusedWith(1402, 1, words, () -> root.removePrivilegesFromGroup(name, "Search"));
        }

        @Test
        void withoutPrivilege() {
            root.createPrivilegeGroup("g1");
            root.addPrivilegesToGroup("g1", "Search");
            Client stranger = stranger();
            denied("OperatePrivilegeGroup", () -> stranger.removePrivilegesFromGroup("g1", "Search"));
            check("g1", "Search");
        }
    }
}
