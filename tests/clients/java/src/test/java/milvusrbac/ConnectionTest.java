package milvusrbac;

import static milvusrbac.Refusals.noConnection;
import static milvusrbac.Refusals.notLoggedIn;
import static milvusrbac.Refusals.thrown;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.milvus.shaded.io.grpc.Status;
import io.milvus.v2.client.ConnectConfig.ConnectConfigBuilder;
import io.milvus.v2.service.utility.request.GetServerVersionReq;
import io.milvus.v2.service.utility.response.CheckHealthResp;
import io.milvus.v2.service.utility.response.GetServerVersionResp;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who may connect and how, and what clients learn of the server. */
class ConnectionTest extends WithServer {
    @Nested
    @Tag("connect")
    class Connect {
        @Test
        void withToken() {
            assertTrue(server.connect(server.config().token("root:Milvus")).sdk().clientIsReady());
        }

        @Test
        void withUsernameAndPassword() {
            Client client = server.connect(server.config().username("root").password("Milvus"));
            assertEquals(List.of("root"), client.listUsers());
        }

        @Test
        void withPrecheck() {
            Client client = server.connect(server.config().token("root:Milvus").enablePrecheck(true));
            assertEquals(List.of("root"), client.listUsers());
        }

        @Test
        void withRequestIds() {
            ThreadLocal<String> id = ThreadLocal.withInitial(() -> "0123456789abcdef0123456789abcdef");
            Client client = server.connect(server.config().token("root:Milvus").clientRequestId(id));
            assertEquals(List.of("root"), client.listUsers());
            id.remove();
        }

        @Test
        void withDeadlines() {
            Client client = server.connect(server.config().token("root:Milvus").rpcDeadlineMs(10_000));
            assertEquals(List.of("root"), client.listUsers());
            client.sdk().withTimeout(20, TimeUnit.SECONDS);
            assertEquals(List.of("root"), client.listUsers());
        }

        @Test
        void manyTimes() {
            for (int i = 0; i < 20; i++) {
                server.root().sdk().close();
            }
            assertEquals(List.of("root"), root.listUsers());
        }

        @Test
        void aClosedClientIsNotReady() {
            Client client = server.root();
            client.sdk().close();
            assertFalse(client.sdk().clientIsReady());
        }

        @ParameterizedTest
        @ValueSource(strings = {"root:wrong password", "root:", "root:milvus", "nobody:password", ":Milvus"})
        void withWrongCredentials(String token) {
            noConnection(Refusals.WRONG_LOGIN, () -> server.connect(server.config().token(token)));
            // One call, and none of its repetitions.
            assertEquals(1, server.calls("Connect", Status.Code.UNAUTHENTICATED));
        }

        @Test
        void withWrongPassword() {
            ConnectConfigBuilder config = server.config().username("root").password("wrong password");
            noConnection(Refusals.WRONG_LOGIN, () -> server.connect(config));
        }

        @Test
        void withApiKey() {
            noConnection(
                    "auth check failure, please check api key is correct",
                    () -> server.connect(server.config().token("some_api_key")));
        }

        @Test
        void withoutCredentials() {
            noConnection("missing authorization in header", () -> server.connect(server.config()));
        }

        @Test
        void theLoginEndsWithTheUser() {
            addUser("u1");
            Client u1 = server.client("u1");
            assertEquals("u1", u1.describeUser("u1").getUserName());
            root.dropUser("u1");
            notLoggedIn(() -> u1.describeUser("u1"));
            assertEquals(1, server.calls("SelectUser", Status.Code.UNAUTHENTICATED));
            noConnection(Refusals.WRONG_LOGIN, () -> server.client("u1"));
        }
    }

    @Nested
    @Tag("connect")
    class ConnectToDatabase {
        @Test
        void byName() {
            root.createDatabase("db1");
            root.createRole("r1");
            Client client = server.connect(server.config().token("root:Milvus").dbName("db1"));
            assertEquals("db1", client.sdk().currentUsedDatabase());
            client.grantPrivilege("r1", "Collection", "Search", "c1");
            assertEquals(List.of(new Grant("Collection", "db1", "c1", "Search")), root.grants("r1", "*"));
        }

        @Test
        void byAddress() {
            root.createDatabase("db1");
            root.createRole("r1");
            Client client = server.connect(server.config().uri(server.uri() + "/db1").token("root:Milvus"));
            assertEquals("db1", client.sdk().currentUsedDatabase());
            client.grantPrivilegeV2("r1", "Search", "c1", "");
            assertEquals(List.of(new Grant("Collection", "db1", "c1", "Search")), root.grants("r1", "*"));
        }

        @Test
        void theDefaultOne() {
            Client client = server.connect(server.config().token("root:Milvus").dbName("default"));
            assertEquals("default", client.sdk().currentUsedDatabase());
            assertEquals(List.of("root"), client.listUsers());
        }

        @Test
        void whereTheUserHasAPrivilege() {
            root.createDatabase("db1");
            root.createRole("r1");
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            addUser("u1", "r1");
            Client client = server.connect(server.config().token("u1:password").dbName("db1"));
            assertEquals(List.of("db1"), client.listDatabases());
        }

        @Test
        void missing() {
            ConnectConfigBuilder config = server.config().token("root:Milvus").dbName("nope");
            RuntimeException error = thrown(RuntimeException.class, () -> server.connect(config));
            assertEquals(
                    "Failed to initialize connection. Error: database not found[database=nope]",
                    error.getMessage());
        }

        /** The SDK looks for the database among those that the user sees. */
        @ParameterizedTest
        @ValueSource(strings = {"db1", "default"})
        void whereTheUserHasNoPrivilege(String database) {
            root.createDatabase("db1");
            addUser("u1");
            ConnectConfigBuilder config = server.config().token("u1:password").dbName(database);
            IllegalArgumentException error =
                    thrown(IllegalArgumentException.class, () -> server.connect(config));
            assertEquals("Database " + database + " not exist", error.getMessage());
        }
    }

    @Nested
    @Tag("getServerVersion")
    class GetServerVersion {
        @Test
        void isGiven() {
            assertNotEquals("", root.sdk().getServerVersion());
        }

        @Test
        void isForEverybody() {
            assertEquals(root.sdk().getServerVersion(), stranger().sdk().getServerVersion());
        }
    }

    @Nested
    @Tag("getServerVersionV2")
    class GetServerVersionV2 {
        @Test
        void brief() {
            GetServerVersionReq request = GetServerVersionReq.builder().build();
            assertEquals(root.sdk().getServerVersion(), root.sdk().getServerVersionV2(request).getVersion());
        }

        @Test
        void detailed() {
            GetServerVersionReq request = GetServerVersionReq.builder().detail(true).build();
            GetServerVersionResp version = stranger().sdk().getServerVersionV2(request);
            assertEquals(root.sdk().getServerVersion(), version.getVersion());
            assertEquals(version.toString(), root.sdk().getServerVersionV2(request).toString());
        }
    }

    @Nested
    @Tag("checkHealth")
    class CheckHealth {
        @Test
        void isGood() {
            for (Client client : List.of(root, stranger())) {
                CheckHealthResp health = client.sdk().checkHealth();
                assertTrue(health.getIsHealthy());
                assertEquals(List.of(), health.getReasons());
                assertEquals(List.of(), health.getQuotaStates());
            }
        }
    }
}
