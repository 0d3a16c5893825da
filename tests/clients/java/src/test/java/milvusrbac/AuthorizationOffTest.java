package milvusrbac;

import static milvusrbac.Refusals.refused;
import static milvusrbac.Server.PASSWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.milvus.v2.client.ConnectConfig.ConnectConfigBuilder;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.NullSource;
import org.junit.jupiter.params.provider.ValueSource;

/** With authorization off, everything works for everybody, whatever the credentials; the rules stay. */
@AllMethods
class AuthorizationOffTest extends WithServer {
    @Override
    String[] flags() {
        return new String[] {"--authorization", "off"};
    }

    @ParameterizedTest
    @NullSource
    @ValueSource(strings = {"root:Milvus", "root:wrong password", "nobody:password", "some_api_key"})
    void everythingWorks(String token) throws Exception {
        ConnectConfigBuilder config = server.config();
        Client client = server.connect(token == null ? config : config.token(token));

        client.createUser("u1", PASSWORD, "d");
        client.updateUser("u1", "new");
        client.updatePassword("u1", PASSWORD, "new password");
        assertEquals(List.of("root", "u1"), client.listUsers());
        client.createRole("r1");
        client.alterRole("r1", "new");
        assertEquals(List.of("admin", "public", "r1"), client.listRoles());
        client.grantRole("u1", "r1");
        assertEquals(List.of("r1"), client.rolesOf("u1"));

        client.createPrivilegeGroup("g1");
        client.addPrivilegesToGroup("g1", "Search", "Query");
        client.removePrivilegesFromGroup("g1", "Query");
        assertEquals(List.of("Search"), client.groups().get("g1"));
        client.grantPrivilege("r1", "Collection", "Search", "c1");
        client.grantPrivilegeV2("r1", "Query", "c1", "default");
        client.grantPrivilegeV2("r1", "g1", "c1", "default");
        assertEquals(
                List.of(
                        new Grant("Collection", "default", "c1", "Query"),
                        new Grant("Collection", "default", "c1", "Search"),
                        new Grant("Global", "default", "c1", "g1")),
                client.grants("r1"));

        client.createDatabase("db1");
        assertEquals(List.of("db1", "default"), client.listDatabases());
        client.useDatabase("db1");
        client.useDatabase("default");

        refused(
                1400,
                1,
                "old password not correct for root: not authenticated",
                () -> client.updatePassword("root", "wrong password", "new password"));
        refused(
                1401,
                1,
                "root user cannot be deleted: privilege not permitted",
                () -> client.dropUser("root"));

        client.revokePrivilege("r1", "Collection", "Search", "c1");
        client.revokePrivilegeV2("r1", "Query", "c1", "default");
        client.revokePrivilegeV2("r1", "g1", "c1", "default");
        client.dropPrivilegeGroup("g1");
        assertFalse(client.groups().containsKey("g1"));
        client.revokeRole("u1", "r1");
        client.dropRole("r1");
        client.dropUser("u1");
        assertEquals(List.of("root"), client.listUsers());
        assertTrue(client.sdk().checkHealth().getIsHealthy());
    }
}
