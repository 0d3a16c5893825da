package milvusrbac;

import static milvusrbac.Refusals.denied;
import static milvusrbac.Refusals.refused;
import static milvusrbac.Refusals.refusedWith;
import static milvusrbac.Refusals.thrown;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.milvus.v2.exception.MilvusClientException;
import io.milvus.v2.service.rbac.response.DescribeRoleResp;
import io.milvus.v2.service.rbac.response.DescribeRoleResp.GrantInfo;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Roles, and who has them. */
class RolesTest extends WithServer {
    private static final String MISSING =
            "not found the role, maybe the role isn't existed or internal system error: invalid parameter";
    private static final String LONG_DESCRIPTION =
            "the length of role description must be not greater than limit: invalid parameter"
                    + "[1025 out of range 0 <= value <= 1024]";

    private static String exists(String role) {
        return "role [name:\"" + role + "\"] already exists: invalid parameter";
    }

    private static String isDefault(String role, String done) {
        return "the role[" + role + "] is a default role, which can't be " + done + ": privilege not permitted";
    }

    static Stream<Arguments> badNames() {
        return Stream.of(
                Arguments.of("", "role name should be not empty: invalid parameter[expected=not empty][actual=]"),
                Arguments.of("  ", "role name should be not empty: invalid parameter[expected=not empty][actual=]"),
                Arguments.of(
                        "r".repeat(256),
                        "the length of role name must be not greater than limit: invalid parameter"
                                + "[256 out of range 0 <= value <= 255]"),
                Arguments.of(
                        "1r",
                        "the first character of role name must be an underscore or letter: invalid parameter"
                                + "[expected=95][actual=49]"),
                Arguments.of(
                        "*",
                        "the first character of role name must be an underscore or letter: invalid parameter"
                                + "[expected=95][actual=42]"),
                Arguments.of(
                        "r/1",
                        "role name can only contain numbers, letters, underscores, and allowed characters ($), "
                                + "found / at 1: invalid parameter"));
    }

    @Nested
    @Tag("createRole")
    class CreateRole {
        @Test
        void creates() {
            root.createRole("r1");
            assertEquals(List.of("admin", "public", "r1"), root.listRoles());
            assertEquals("", root.describeRole("r1").getDescription());
            assertEquals(List.of(), root.grants("r1", "*"));
        }

        @Test
        void withDescription() {
            root.createRole("r1", "the first");
            assertEquals("the first", root.describeRole("r1").getDescription());
        }

        @Test
        void withTheLongestOfAll() {
            root.createRole("r".repeat(255), "d".repeat(1024));
            assertEquals("d".repeat(1024), root.describeRole("r".repeat(255)).getDescription());
        }

        @ParameterizedTest
        @ValueSource(strings = {"r1", "admin", "public"})
        void duplicate(String role) {
            root.createRole("r1");
            refused(1100, 35, exists(role), () -> root.createRole(role));
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.RolesTest#badNames")
        void badName(String name, String text) {
            refused(1100, 5, text, () -> root.createRole(name));
        }

        @Test
        void longDescription() {
            refused(1100, 5, LONG_DESCRIPTION, () -> root.createRole("r1", "d".repeat(1025)));
        }

        @Test
        void asManyAsMilvusAllows() {
            for (int i = 0; i < 8; i++) {
                root.createRole("r" + i);
            }
            String words = "unable to create role because the number of roles has reached the limit";
            refusedWith(9, 35, words, () -> root.createRole("one_more"));
            assertEquals(10, root.listRoles().size());
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("CreateOwnership", () -> stranger.createRole("r1"));
            assertEquals(List.of("admin", "public"), root.listRoles());
        }
    }

    @Nested
    @Tag("alterRole")
    class AlterRole {
        @Test
        void setsTheDescription() {
            root.createRole("r1", "old");
            root.grantPrivilegeV2("r1", "Search", "c1", "default");
            addUser("u1", "r1");
            root.alterRole("r1", "new");
            assertEquals("new", root.describeRole("r1").getDescription());
            assertEquals(List.of(new Grant("Collection", "default", "c1", "Search")), root.grants("r1"));
            assertEquals(List.of("r1"), root.rolesOf("u1"));
        }

        @Test
        void clearsTheDescription() {
            root.createRole("r1", "old");
            root.alterRole("r1", "");
            assertEquals("", root.describeRole("r1").getDescription());
        }

        @Test
        void missing() {
            refusedWith(65535, 1, "role not exists", () -> root.alterRole("nope", "d"));
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.RolesTest#badNames")
        void badName(String name, String text) {
            refused(1100, 5, text, () -> root.alterRole(name, "d"));
        }

        @Test
        void longDescription() {
            root.createRole("r1");
            refused(1100, 5, LONG_DESCRIPTION, () -> root.alterRole("r1", "d".repeat(1025)));
        }

        @ParameterizedTest
        @ValueSource(strings = {"admin", "public"})
        void defaultRolesStay(String role) {
            refused(1401, 1, isDefault(role, "altered"), () -> root.alterRole(role, "d"));
        }

        @Test
        void withoutPrivilege() {
            root.createRole("r1");
            Client stranger = stranger();
            denied("CreateOwnership", () -> stranger.alterRole("r1", "d"));
        }
    }

    @Nested
    @Tag("dropRole")
    class DropRole {
        @Test
        void drops() {
            root.createRole("r1");
            root.dropRole("r1");
            assertEquals(List.of("admin", "public"), root.listRoles());
        }

        @Test
        void inUse() {
            root.createRole("r1");
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            refused(
                    1100,
                    36,
                    "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE "
                            + "API to revoke privileges: invalid parameter",
                    () -> root.dropRole("r1"));
            assertEquals(List.of(new Grant("Collection", "db1", "c1", "Search")), root.grants("r1", "*"));
        }

        @Test
        void inUseByForce() {
            root.createRole("r1");
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            root.forceDropRole("r1");
            assertEquals(List.of("admin", "public"), root.listRoles());
            root.createRole("r1");
            assertEquals(List.of(), root.grants("r1", "*"));
        }

        @Test
        void withUsers() {
            root.createRole("r1");
            addUser("u1", "r1");
            root.dropRole("r1");
            assertEquals(List.of(), root.rolesOf("u1"));
            root.createRole("r1");
            assertEquals(List.of(), root.rolesOf("u1"));
        }

        @Test
        void missing() {
            refused(1100, 36, MISSING, () -> root.dropRole("nope"));
            refused(1100, 36, MISSING, () -> root.forceDropRole("nope"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"admin", "public"})
        void defaultRolesStay(String role) {
            refused(1401, 1, isDefault(role, "dropped"), () -> root.dropRole(role));
            refused(1401, 1, isDefault(role, "dropped"), () -> root.forceDropRole(role));
            assertEquals(List.of("admin", "public"), root.listRoles());
        }

        @Test
        void withoutPrivilege() {
            root.createRole("r1");
            Client stranger = stranger();
            denied("DropOwnership", () -> stranger.dropRole("r1"));
            denied("DropOwnership", () -> stranger.forceDropRole("r1"));
            assertEquals(List.of("admin", "public", "r1"), root.listRoles());
        }
    }

    @Nested
    @Tag("listRoles")
    class ListRoles {
        @Test
        void atFirstThereAreTwo() {
            assertEquals(List.of("admin", "public"), root.listRoles());
        }

        @Test
        void inByteOrder() {
            for (String name : List.of("b", "B", "a$b", "a_b", "_a", "a")) {
                root.createRole(name);
            }
            assertEquals(List.of("B", "_a", "a", "a$b", "a_b", "admin", "b", "public"), root.listRoles());
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("SelectOwnership", () -> stranger.listRoles());
        }
    }

    @Nested
    @Tag("describeRole")
    class DescribeRole {
        @Test
        void adminNeedsNoGrants() {
            DescribeRoleResp admin = root.describeRole("admin");
            assertEquals("admin", admin.getRoleName());
            assertEquals("", admin.getDescription());
            assertEquals(List.of(), admin.getGrantInfos());
        }

        @Test
        void publicHoldsThreePrivileges() {
            assertEquals(
                    List.of(
                            new Grant("Collection", "*", "*", "IndexDetail"),
                            new Grant("Global", "*", "*", "DescribeCollection"),
                            new Grant("Global", "*", "*", "ListAliases")),
                    root.grants("public"));
        }

        @Test
        void fillsAllFields() {
            root.createRole("r1", "the first");
            addUser("u1", "admin");
            server.client("u1").grantPrivilegeV2("r1", "Search", "c1", "default");
            DescribeRoleResp role = root.describeRole("r1");
            assertEquals("r1", role.getRoleName());
            assertEquals("the first", role.getDescription());
            assertEquals(1, role.getGrantInfos().size());
            GrantInfo grant = role.getGrantInfos().get(0);
            assertEquals("Collection", grant.getObjectType());
            assertEquals("c1", grant.getObjectName());
            assertEquals("default", grant.getDbName());
            assertEquals("Search", grant.getPrivilege());
            assertEquals("u1", grant.getGrantor());
        }

        @Test
        void ofADatabase() {
            root.createRole("r1");
            root.grantPrivilegeV2("r1", "Search", "c1", "default");
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            root.grantPrivilegeV2("r1", "DatabaseReadOnly", "*", "db1");
            root.grantPrivilegeV2("r1", "Query", "*", "*");
            root.grantPrivilegeV2("r1", "UpdateUser", "*", "*");
            Grant onAll = new Grant("Collection", "*", "*", "Query");
            Grant onDb1 = new Grant("Collection", "db1", "c1", "Search");
            Grant onDefault = new Grant("Collection", "default", "c1", "Search");
            Grant group = new Grant("Global", "db1", "*", "DatabaseReadOnly");
            Grant user = new Grant("User", "*", "*", "UpdateUser");
            assertEquals(List.of(onAll, onDefault, user), root.grants("r1"));
            assertEquals(List.of(onAll, onDefault, user), root.grants("r1", "default"));
            assertEquals(List.of(onAll, onDb1, group, user), root.grants("r1", "db1"));
            assertEquals(List.of(onAll, user), root.grants("r1", "db2"));
            assertEquals(List.of(onAll, onDb1, onDefault, group, user), root.grants("r1", "*"));
        }

        @Test
        void missing() {
            refused(
                    1100,
                    42,
                    "the role \"nope\" does not exist: invalid parameter",
                    () -> root.describeRole("nope"));
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.RolesTest#badNames")
        void badName(String name, String text) {
            refused(1100, 5, text, () -> root.describeRole(name));
        }

        /** The grants of one's own roles may be read, the roles not, and the SDK reads both. */
        @ParameterizedTest
        @ValueSource(strings = {"admin", "public", "nope"})
        void withoutPrivilege(String role, TestReporter reporter) {
            Client stranger = stranger();
            denied("SelectOwnership", () -> stranger.describeRole(role));
            reporter.publishEntry(
                    "describeRole",
                    "works; on one's own role it needs SelectOwnership, since it also calls SelectRole");
        }
    }

    @Nested
    @Tag("grantRole")
    class GrantRole {
        @Test
        void isInForceAtOnce() {
            Client stranger = stranger();
            denied("SelectOwnership", () -> stranger.listUsers());
            root.grantRole("stranger", "admin");
            assertEquals(List.of("admin"), root.rolesOf("stranger"));
            assertEquals(List.of("root", "stranger"), stranger.listUsers());
        }

        @Test
        void twice() {
            root.createRole("r1");
            addUser("u1", "r1");
            root.grantRole("u1", "r1");
            assertEquals(List.of("r1"), root.rolesOf("u1"));
        }

        @Test
        void toRoot() {
            root.grantRole("root", "admin");
            assertEquals(List.of("admin"), root.rolesOf("root"));
        }

        @Test
        void missingRole() {
            addUser("u1");
            refused(1100, 37, MISSING, () -> root.grantRole("u1", "nope"));
        }

        @Test
        void missingUser() {
            root.createRole("r1");
            refused(
                    1100,
                    37,
                    "failed to check if operate user role: user \"nobody\" not found: invalid parameter",
                    () -> root.grantRole("nobody", "r1"));
        }

        @ParameterizedTest
        @MethodSource("milvusrbac.RolesTest#badNames")
        void badName(String name, String text) {
            refused(1100, 5, text, () -> root.grantRole("root", name));
        }

        @Test
        void badUserName() {
            refusedWith(1100, 5, "invalid user name u/1, ", () -> root.grantRole("u/1", "admin"));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("ManageOwnership", () -> stranger.grantRole("stranger", "admin"));
            assertEquals(List.of(), root.rolesOf("stranger"));
        }
    }

    @Nested
    @Tag("revokeRole")
    class RevokeRole {
        @Test
        void isInForceAtOnce() {
            Client stranger = stranger();
            root.grantRole("stranger", "admin");
            assertEquals(List.of("root", "stranger"), stranger.listUsers());
            root.revokeRole("stranger", "admin");
            assertEquals(List.of(), root.rolesOf("stranger"));
            denied("SelectOwnership", () -> stranger.listUsers());
        }

        @Test
        void notHeld() {
            root.createRole("r1");
            String before = root.everything();
            root.revokeRole("root", "r1");
            root.revokeRole("nobody", "r1");
            assertEquals(before, root.everything());
        }

        @Test
        void missingRole() {
            addUser("u1");
            refused(1100, 37, MISSING, () -> root.revokeRole("u1", "nope"));
        }

        @Test
        void badUserName() {
            refusedWith(1100, 5, "invalid user name u/1, ", () -> root.revokeRole("u/1", "admin"));
        }

        @Test
        void withoutPrivilege() {
            root.createRole("r1");
            addUser("u1", "r1");
            Client stranger = stranger();
            denied("ManageOwnership", () -> stranger.revokeRole("u1", "r1"));
            assertEquals(List.of("r1"), root.rolesOf("u1"));
        }
    }

    /** The text may have one blank or two, as it has in Milvus. */
    @Test
    @Tag("createRole")
    void duplicateWithDescription() {
        root.createRole("r1");
        MilvusClientException error =
                thrown(MilvusClientException.class, () -> root.createRole("r1", "d"));
        assertEquals(1100, error.getServerErrCode());
        assertTrue(
                error.getMessage()
                        .matches("role \\[name:\"r1\" {1,2}description:\"d\"] already exists: invalid parameter"),
                error.getMessage());
    }
}
