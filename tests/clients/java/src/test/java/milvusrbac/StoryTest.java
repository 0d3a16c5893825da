package milvusrbac;

import static milvusrbac.Refusals.allowed;
import static milvusrbac.Refusals.denied;
import static milvusrbac.Refusals.notLoggedIn;
import static milvusrbac.Server.PASSWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.Test;

/** A role is given access on each level, its user tries it out, and all is taken away again. */
@AllMethods
class StoryTest extends WithServer {
    @Test
    void works() {
        String before = root.everything();
        root.createDatabase("db1");
        root.createPrivilegeGroup("privilege_group_1");
        root.addPrivilegesToGroup("privilege_group_1", "Query", "Search", "Insert");
        root.removePrivilegesFromGroup("privilege_group_1", "Insert");
        root.createRole("role_a");
        root.alterRole("role_a", "reads");
        root.createUser("user_1", PASSWORD);
        root.updateUser("user_1", "a reader");
        root.grantRole("user_1", "role_a");
        Client user = server.client("user_1");

        denied("Query", "user_1", "db1", () -> user.query("db1", "collection_01"));
        denied("DescribeDatabase", "user_1", "db1", () -> user.describeDatabase("db1"));
        denied("SelectOwnership", "user_1", "*", () -> user.listRoles());

        root.grantPrivilegeV2("role_a", "privilege_group_1", "collection_01", "db1");
        root.grantPrivilegeV2("role_a", "DatabaseReadOnly", "*", "db1");
        root.grantPrivilegeV2("role_a", "ClusterReadOnly", "*", "*");
        root.grantPrivilege("role_a", "Collection", "Query", "collection_02");
        assertEquals(
                List.of(
                        new Grant("Collection", "default", "collection_02", "Query"),
                        new Grant("Global", "*", "*", "ClusterReadOnly"),
                        new Grant("Global", "db1", "*", "DatabaseReadOnly"),
                        new Grant("Global", "db1", "collection_01", "privilege_group_1")),
                root.grants("role_a", "*"));
        assertEquals(List.of("role_a"), root.rolesOf("user_1"));

        allowed("Query", () -> user.query("db1", "collection_01"));
        allowed("Query", () -> user.query("default", "collection_02"));
        denied("Query", "user_1", "db1", () -> user.query("db1", "collection_02"));
        denied("Query", "user_1", "default", () -> user.query("default", "collection_01"));
        denied("DropCollection", "user_1", "db1", () -> user.dropCollection("db1", "collection_01"));
        assertEquals("db1", user.describeDatabase("db1").getDatabaseName());
        assertEquals(List.of("admin", "public", "role_a"), user.listRoles());
        assertEquals(List.of("root", "user_1"), user.listUsers());
        assertEquals("reads", user.describeRole("role_a").getDescription());
        assertEquals("a reader", user.describeUser("user_1").getDescription());
        denied("CreateOwnership", "user_1", "*", () -> user.createRole("role_b"));

        root.revokePrivilegeV2("role_a", "privilege_group_1", "collection_01", "db1");
        denied("Query", "user_1", "db1", () -> user.query("db1", "collection_01"));
        root.revokePrivilegeV2("role_a", "DatabaseReadOnly", "*", "db1");
        denied("DescribeDatabase", "user_1", "db1", () -> user.describeDatabase("db1"));
        root.revokePrivilegeV2("role_a", "ClusterReadOnly", "*", "*");
        denied("SelectOwnership", "user_1", "*", () -> user.listRoles());
        root.revokePrivilege("role_a", "Collection", "Query", "collection_02");
        denied("Query", "user_1", "default", () -> user.query("default", "collection_02"));
        assertEquals(List.of(), root.grants("role_a", "*"));

        user.updatePassword("user_1", PASSWORD, "new password");
        Client again = server.client("user_1", "new password");
        root.revokeRole("user_1", "role_a");
        assertEquals(List.of(), again.rolesOf("user_1"));
        root.dropUser("user_1");
        notLoggedIn(() -> again.rolesOf("user_1"));
        root.dropRole("role_a");
        root.dropPrivilegeGroup("privilege_group_1");
        root.dropDatabase("db1");
        assertEquals(before, root.everything());
    }
}
