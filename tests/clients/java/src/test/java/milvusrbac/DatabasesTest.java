package milvusrbac;

import static milvusrbac.Refusals.denied;
import static milvusrbac.Refusals.refused;
import static milvusrbac.Refusals.refusedWith;
import static milvusrbac.Refusals.thrown;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.milvus.v2.service.collection.request.ListCollectionsReq;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Databases, and who sees which. */
class DatabasesTest extends WithServer {
    private static final String MISSING = "database not found[database=nope]";

    private Map<String, String> properties(String database) {
        return root.describeDatabase(database).getProperties();
    }

    @Nested
    @Tag("createDatabase")
    class CreateDatabase {
        @Test
        void creates() {
            root.createDatabase("db1");
            assertEquals(List.of("db1", "default"), root.listDatabases());
            assertEquals("db1", root.describeDatabase("db1").getDatabaseName());
            assertEquals(Map.of(), properties("db1"));
        }

        @Test
        void withProperties() {
            root.createDatabase("db1", Map.of("a", "1", "b", "2"));
            assertEquals(Map.of("a", "1", "b", "2"), properties("db1"));
        }

        @Test
        void duplicate() {
            root.createDatabase("db1");
            refusedWith(1100, 5, "already exist", () -> root.createDatabase("db1"));
        }

        @ParameterizedTest
        @ValueSource(strings = {"1db", "a-b", "a/b", "*"})
        void badName(String name) {
            String words = "invalid database name[database=" + name + "]";
            refusedWith(802, 1, words, () -> root.createDatabase(name));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("CreateDatabase", () -> stranger.createDatabase("db1"));
            assertEquals(List.of("default"), root.listDatabases());
        }
    }

    @Nested
    @Tag("dropDatabase")
    class DropDatabase {
        @Test
        void drops() {
            root.createDatabase("db1");
            root.dropDatabase("db1");
            assertEquals(List.of("default"), root.listDatabases());
        }

        @Test
        void theDefaultOneStays() {
            Exception error = thrown(Exception.class, () -> root.dropDatabase("default"));
            assertTrue(error.getMessage().contains("default database"), error.getMessage());
            assertEquals(List.of("default"), root.listDatabases());
        }

        @Test
        void withoutPrivilege() {
            root.createDatabase("db1");
            Client stranger = stranger();
            denied("DropDatabase", () -> stranger.dropDatabase("db1"));
            assertEquals(List.of("db1", "default"), root.listDatabases());
        }
    }

    @Nested
    @Tag("listDatabases")
    class ListDatabases {
        @Test
        void atFirstThereIsOne() {
            assertEquals(List.of("default"), root.listDatabases());
        }

        @Test
        void ofAUser() {
            root.createDatabase("db1");
            root.createDatabase("db2");
            root.createRole("r1");
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            assertEquals(List.of(), u1.listDatabases());
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            assertEquals(List.of("db1"), u1.listDatabases());
            root.grantPrivilegeV2("r1", "Search", "c1", "*");
            assertEquals(List.of("db1", "db2", "default"), u1.listDatabases());
        }

        @Test
        void ofAnAdmin() {
            root.createDatabase("db1");
            addUser("u1", "admin");
            assertEquals(List.of("db1", "default"), server.client("u1").listDatabases());
        }
    }

    @Nested
    @Tag("describeDatabase")
    class DescribeDatabase {
        @Test
        void theDefaultOne() {
            assertEquals("default", root.describeDatabase("default").getDatabaseName());
        }

        @Test
        void missing() {
            refusedWith(800, 1, MISSING, () -> root.describeDatabase("nope"));
        }

        @Test
        void withoutPrivilege() {
            root.createDatabase("db1");
            Client stranger = stranger();
            denied("DescribeDatabase", "stranger", "db1", () -> stranger.describeDatabase("db1"));
        }
    }

    @Nested
    @Tag("alterDatabaseProperties")
    class AlterDatabaseProperties {
        @Test
        void sets() {
            root.createDatabase("db1", Map.of("a", "1", "b", "2"));
            root.alterDatabaseProperties("db1", Map.of("b", "3", "c", "4"));
            assertEquals(Map.of("a", "1", "b", "3", "c", "4"), properties("db1"));
        }

        @Test
        void missing() {
            refusedWith(800, 1, MISSING, () -> root.alterDatabaseProperties("nope", Map.of("a", "1")));
        }

        @Test
        void withoutPrivilege() {
            root.createDatabase("db1");
            Client stranger = stranger();
            denied(
                    "AlterDatabase",
                    "stranger",
                    "db1",
                    () -> stranger.alterDatabaseProperties("db1", Map.of("a", "1")));
        }
    }

    @Nested
    @Tag("alterDatabase")
    class AlterDatabase {
        @Test
        @SuppressWarnings("deprecation")
        void sets() {
            root.createDatabase("db1");
            root.sdk().alterDatabase(io.milvus.v2.service.database.request.AlterDatabaseReq.builder()
                    .databaseName("db1")
                    .properties(Map.of("a", "1"))
                    .build());
            assertEquals(Map.of("a", "1"), properties("db1"));
        }
    }

    @Nested
    @Tag("dropDatabaseProperties")
    class DropDatabaseProperties {
        @Test
        void removes() {
            root.createDatabase("db1", Map.of("a", "1", "b", "2"));
            root.dropDatabaseProperties("db1", "a", "nope");
            assertEquals(Map.of("b", "2"), properties("db1"));
        }

        @Test
        void missing() {
            refusedWith(800, 1, MISSING, () -> root.dropDatabaseProperties("nope", "a"));
        }

        @Test
        void withoutPrivilege() {
            root.createDatabase("db1", Map.of("a", "1"));
            Client stranger = stranger();
            denied("AlterDatabase", "stranger", "db1", () -> stranger.dropDatabaseProperties("db1", "a"));
        }
    }

    @Nested
    @Tag("useDatabase")
    @Tag("currentUsedDatabase")
    class UseDatabase {
        @Test
        void isThatOfLaterCalls() throws Exception {
            root.createDatabase("db1");
            root.createRole("r1");
            assertEquals("default", root.sdk().currentUsedDatabase());
            root.useDatabase("db1");
            assertEquals("db1", root.sdk().currentUsedDatabase());
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            root.grantPrivilegeV2("r1", "Query", "c1", "");
            List<Grant> onDb1 = List.of(
                    new Grant("Collection", "db1", "c1", "Query"),
                    new Grant("Collection", "db1", "c1", "Search"));
            assertEquals(onDb1, root.grants("r1"));
            root.useDatabase("default");
            assertEquals(List.of(), root.grants("r1"));
            assertEquals(onDb1, root.grants("r1", "db1"));
        }

        @Test
        void missing() {
            root.createRole("r1");
            IllegalArgumentException error =
                    thrown(IllegalArgumentException.class, () -> root.useDatabase("nope"));
            assertEquals("Database nope not exist", error.getMessage());
            assertEquals("default", root.sdk().currentUsedDatabase());
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            assertEquals(List.of(new Grant("Collection", "default", "c1", "Search")), root.grants("r1"));
        }

        /** The SDK looks for the database among those that the user sees. */
        @Test
        void ofAUser() throws Exception {
            root.createDatabase("db1");
            root.createDatabase("db2");
            root.createRole("r1");
            root.grantPrivilegeV2("r1", "DatabaseReadOnly", "*", "db1");
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            u1.useDatabase("db1");
            assertEquals("db1", u1.describeDatabase("db1").getDatabaseName());
            IllegalArgumentException error =
                    thrown(IllegalArgumentException.class, () -> u1.useDatabase("db2"));
            assertEquals("Database db2 not exist", error.getMessage());
            assertEquals("db1", u1.sdk().currentUsedDatabase());
        }
    }

    @Nested
    @Tag("listCollections")
    class ListCollections {
        @Test
        void thereAreNone() {
            assertEquals(List.of(), root.sdk().listCollections().getCollectionNames());
            assertEquals(List.of(), root.sdk().listCollections().getCollectionInfos());
        }

        @Test
        void isForEverybody() {
            assertEquals(List.of(), stranger().sdk().listCollections().getCollectionNames());
        }
    }

    @Nested
    @Tag("listCollectionsV2")
    class ListCollectionsV2 {
        @Test
        void thereAreNone() {
            root.createDatabase("db1");
            ListCollectionsReq request = ListCollectionsReq.builder().databaseName("db1").build();
            assertEquals(List.of(), root.sdk().listCollectionsV2(request).getCollectionNames());
        }
    }

    @Test
    @Tag("describeDatabase")
    void thePrivilegeAloneIsNotEnoughIfItIsOfThePublic() {
        root.createDatabase("db1");
        root.grantPrivilegeV2("public", "DescribeDatabase", "*", "*");
        Client stranger = stranger();
        refused(
                1401,
                1,
                "not allowed to access database, db name: db1: privilege not permitted",
                () -> stranger.describeDatabase("db1"));
    }
}
