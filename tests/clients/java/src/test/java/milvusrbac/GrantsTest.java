package milvusrbac;

import static milvusrbac.Refusals.allowed;
import static milvusrbac.Refusals.denied;
import static milvusrbac.Refusals.refused;
import static milvusrbac.Refusals.thrown;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.milvus.v2.exception.ErrorCode;
import io.milvus.v2.exception.MilvusClientException;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Grants of both generations to the role r1: what is stored, what is refused. */
class GrantsTest extends WithServer {
    private static final List<Grant> LOAD = List.of(
            new Grant("Collection", "default", "c1", "GetLoadState"),
            new Grant("Collection", "default", "c1", "GetLoadingProgress"),
            new Grant("Collection", "default", "c1", "Load"));
    private static final String MISSING =
            "failed to operate privilege common check: the role \"nope\" does not exist: invalid parameter";

    @BeforeEach
    void createRole() {
        root.createRole("r1");
    }

    private void check(Grant... grants) {
        assertEquals(List.of(grants), root.grants("r1", "*"));
    }

    @Nested
    @Tag("grantPrivilege")
    class GrantPrivilege {
        @Test
        void isStored() {
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            check(new Grant("Collection", "default", "c1", "Search"));
            assertEquals("root", root.describeRole("r1").getGrantInfos().get(0).getGrantor());
        }

        @ParameterizedTest
        @CsvSource({
            "Collection, Search, *, *",
            "Collection, *, c1, c1",
            "Global, CreateCollection, *, *",
            "Global, CreateCollection, c1, *",
            "Global, Admin, c1, c1",
            "Global, *, *, *",
            "User, UpdateUser, *, *",
        })
        void ofEachKind(String objectType, String privilege, String object, String stored) {
            root.grantPrivilege("r1", objectType, privilege, object);
            check(new Grant(objectType, "default", stored, privilege));
        }

        @Test
        void bringsRelatedOnes() {
            root.grantPrivilege("r1", "Collection", "Load", "c1");
            assertEquals(LOAD, root.grants("r1"));
        }

        @Test
        void twice() {
            addUser("u1", "admin");
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            server.client("u1").grantPrivilege("r1", "Collection", "Search", "c1");
            check(new Grant("Collection", "default", "c1", "Search"));
            assertEquals("root", root.describeRole("r1").getGrantInfos().get(0).getGrantor());
        }

        @Test
        void isInForceAtOnce() {
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            denied("Query", "u1", "default", () -> u1.query("default", "c1"));
            root.grantPrivilege("r1", "Collection", "Query", "c1");
            allowed("Query", () -> u1.query("default", "c1"));
            denied("Query", "u1", "default", () -> u1.query("default", "c2"));
        }

        @ParameterizedTest
        @CsvSource({
            "Collection, Nonsense",
            "Collection, PrivilegeSearch",
            "Collection, search",
            "Collection, CreateCollection",
            "Global, Search",
            "User, Search",
        })
        void unknownPrivilege(String objectType, String privilege) {
            String text =
                    "not found the privilege name[" + privilege + "] in object[" + objectType + "]: invalid parameter";
            refused(1100, 41, text, () -> root.grantPrivilege("r1", objectType, privilege, "c1"));
            check();
        }

        @Test
        void groupsNeedV2() {
            root.createPrivilegeGroup("g1");
            refused(
                    1100,
                    41,
                    "can not operate the custom privilege group [g1]: invalid parameter",
                    () -> root.grantPrivilege("r1", "Collection", "g1", "c1"));
            refused(
                    1100,
                    41,
                    "can not operate the built-in privilege group [CollectionAdmin]: invalid parameter",
                    () -> root.grantPrivilege("r1", "Collection", "CollectionAdmin", "c1"));
        }

        @Test
        void unknownObjectType() {
            refused(
                    1100,
                    41,
                    "failed to operate privilege common check: the object entity in the request is nil or "
                            + "invalid: invalid parameter",
                    () -> root.grantPrivilege("r1", "Database", "Search", "c1"));
        }

        @Test
        void badObjectName() {
            refused(
                    1100,
                    5,
                    "object name can only contain numbers, letters, underscores, and allowed characters ($), "
                            + "found . at 1: invalid parameter",
                    () -> root.grantPrivilege("r1", "Collection", "Search", "c.1"));
        }

        @Test
        void missingRole() {
            refused(1100, 41, MISSING, () -> root.grantPrivilege("nope", "Collection", "Search", "c1"));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("ManageOwnership", () -> stranger.grantPrivilege("public", "Global", "All", "*"));
        }
    }

    @Nested
    @Tag("revokePrivilege")
    class RevokePrivilege {
        @Test
        void takesOne() {
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            root.grantPrivilege("r1", "Collection", "Search", "c2");
            root.revokePrivilege("r1", "Collection", "Search", "c1");
            check(new Grant("Collection", "default", "c2", "Search"));
        }

        @Test
        void takesRelatedOnes() {
            root.grantPrivilege("r1", "Collection", "Load", "c1");
            root.revokePrivilege("r1", "Collection", "Load", "c1");
            check();
        }

        @Test
        void ofV2() {
            root.grantPrivilegeV2("r1", "Search", "c1", "default");
            root.revokePrivilege("r1", "Collection", "Search", "c1");
            check();
        }

        @Test
        void takesNoWildcards() {
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            root.revokePrivilege("r1", "Collection", "Search", "*");
            root.revokePrivilege("r1", "Collection", "*", "c1");
            check(new Grant("Collection", "default", "c1", "Search"));
        }

        @Test
        void isInForceAtOnce() {
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            root.grantPrivilege("r1", "Collection", "Query", "c1");
            allowed("Query", () -> u1.query("default", "c1"));
            root.revokePrivilege("r1", "Collection", "Query", "c1");
            denied("Query", "u1", "default", () -> u1.query("default", "c1"));
        }

        @Test
        void unknownPrivilege() {
            refused(
                    1100,
                    41,
                    "not found the privilege name[Nonsense] in object[Collection]: invalid parameter",
                    () -> root.revokePrivilege("r1", "Collection", "Nonsense", "c1"));
        }

        @Test
        void missingRole() {
            refused(1100, 41, MISSING, () -> root.revokePrivilege("nope", "Collection", "Search", "c1"));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("ManageOwnership", () -> stranger.revokePrivilege("public", "Global", "ListAliases", "*"));
            assertEquals(3, root.grants("public").size());
        }
    }

    @Nested
    @Tag("grantPrivilegeV2")
    class GrantPrivilegeV2 {
        @ParameterizedTest
        @CsvSource({
            "Search, c1, Collection",
            "Search, *, Collection",
            "UpdateUser, *, User",
            "CreateDatabase, c1, Global",
            "All, *, Global",
            "*, c1, Global",
            "ReadOnly, c1, Collection",
            "Admin, *, Global",
            "CollectionReadOnly, c1, Global",
            "DatabaseAdmin, *, Global",
        })
        void ofEachKind(String privilege, String collection, String objectType) {
            root.grantPrivilegeV2("r1", privilege, collection, "db1");
            check(new Grant(objectType, "db1", collection, privilege));
        }

        @Test
        void bringsRelatedOnes() {
            root.grantPrivilegeV2("r1", "Load", "c1", "default");
            assertEquals(LOAD, root.grants("r1"));
        }

        @Test
        void anEmptyDatabaseIsTheDefaultOne() {
            root.grantPrivilegeV2("r1", "Search", "c1", "");
            check(new Grant("Collection", "default", "c1", "Search"));
        }

        /** The SDK cannot send a request without a database; nothing reaches the server. */
        @Test
        void needsADatabase() {
            MilvusClientException error =
                    thrown(MilvusClientException.class, () -> root.grantPrivilegeV2("r1", "Search", "c1", null));
            assertEquals(ErrorCode.CLIENT_ERROR, error.getErrorCode());
            check();
        }

        @Test
        void twice() {
            addUser("u1", "admin");
            root.grantPrivilegeV2("r1", "Search", "c1", "default");
            server.client("u1").grantPrivilegeV2("r1", "Search", "c1", "default");
            check(new Grant("Collection", "default", "c1", "Search"));
            assertEquals("root", root.describeRole("r1").getGrantInfos().get(0).getGrantor());
        }

        @Test
        void toDefaultRoles() {
            root.grantPrivilegeV2("public", "SelectOwnership", "*", "*");
            assertEquals(List.of("root", "stranger"), stranger().listUsers());
        }

        @ParameterizedTest
        @ValueSource(strings = {"Nonsense", "PrivilegeSearch", "search"})
        void unknownPrivilege(String privilege) {
            String text = "not found the privilege name[" + privilege + "]: invalid parameter";
            refused(1100, 41, text, () -> root.grantPrivilegeV2("r1", privilege, "c1", "default"));
        }

        @Test
        void noCollection() {
            refused(
                    1100,
                    5,
                    "collection name should be not empty: invalid parameter[expected=not empty][actual=]",
                    () -> root.grantPrivilegeV2("r1", "Search", "", "default"));
        }

        @Test
        void badCollectionName() {
            refused(
                    1100,
                    5,
                    "collection name can only contain numbers, letters, underscores, and allowed characters ($), "
                            + "found . at 1: invalid parameter",
                    () -> root.grantPrivilegeV2("r1", "Search", "c.1", "default"));
        }

        @ParameterizedTest
        @CsvSource({
            "1db, the first character of a database name must be an underscore or letter",
            "a-b, 'database name can only contain numbers, letters and underscores'",
        })
        void badDatabaseName(String database, String words) {
            String text = words + ": invalid database name[database=" + database + "]";
            refused(802, 1, text, () -> root.grantPrivilegeV2("r1", "Search", "c1", database));
        }

        @ParameterizedTest
        @CsvSource({
            "ClusterReadOnly, *, default, dbName and collectionName should be * for the cluster level privilege",
            "ClusterReadOnly, c1, *, dbName and collectionName should be * for the cluster level privilege",
            "DatabaseReadOnly, c1, db1, collectionName should be * for the database level privilege",
            "CollectionReadOnly, c1, *, please specify database name for the collection level privilege",
        })
        void levelOfAGroup(String group, String collection, String database, String words) {
            String text = words + ": " + group + ": invalid parameter";
            refused(1100, 41, text, () -> root.grantPrivilegeV2("r1", group, collection, database));
        }

        @Test
        void missingRole() {
            refused(1100, 41, MISSING, () -> root.grantPrivilegeV2("nope", "Search", "c1", "default"));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("ManageOwnership", () -> stranger.grantPrivilegeV2("public", "All", "*", "*"));
            assertEquals(3, root.grants("public").size());
        }
    }

    @Nested
    @Tag("revokePrivilegeV2")
    class RevokePrivilegeV2 {
        @Test
        void takesOne() {
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            root.grantPrivilegeV2("r1", "Search", "c1", "db2");
            root.revokePrivilegeV2("r1", "Search", "c1", "db1");
            check(new Grant("Collection", "db2", "c1", "Search"));
        }

        @Test
        void takesRelatedOnes() {
            root.grantPrivilegeV2("r1", "Load", "c1", "default");
            root.revokePrivilegeV2("r1", "Load", "c1", "default");
            check();
        }

        @Test
        void ofV1() {
            root.grantPrivilege("r1", "Collection", "Search", "c1");
            root.revokePrivilegeV2("r1", "Search", "c1", "default");
            check();
        }

        @Test
        void takesNoWildcards() {
            root.grantPrivilegeV2("r1", "Search", "c1", "db1");
            root.revokePrivilegeV2("r1", "Search", "*", "db1");
            root.revokePrivilegeV2("r1", "*", "c1", "db1");
            root.revokePrivilegeV2("r1", "Search", "c1", "*");
            check(new Grant("Collection", "db1", "c1", "Search"));
        }

        @Test
        void isInForceAtOnce() {
            addUser("u1", "r1");
            Client u1 = server.client("u1");
            for (int i = 0; i < 20; i++) {
                root.grantPrivilegeV2("r1", "SelectOwnership", "*", "*");
                assertEquals(List.of("root", "u1"), u1.listUsers());
                root.revokePrivilegeV2("r1", "SelectOwnership", "*", "*");
                denied("SelectOwnership", "u1", "*", () -> u1.listUsers());
            }
        }

        @Test
        void unknownPrivilege() {
            refused(
                    1100,
                    41,
                    "not found the privilege name[Nonsense]: invalid parameter",
                    () -> root.revokePrivilegeV2("r1", "Nonsense", "c1", "default"));
        }

        @Test
        void missingRole() {
            refused(1100, 41, MISSING, () -> root.revokePrivilegeV2("nope", "Search", "c1", "default"));
        }

        @Test
        void withoutPrivilege() {
            Client stranger = stranger();
            denied("ManageOwnership", () -> stranger.revokePrivilegeV2("public", "ListAliases", "*", "*"));
            assertEquals(3, root.grants("public").size());
        }
    }
}
