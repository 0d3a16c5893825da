package milvusrbac;

import static milvusrbac.Refusals.allowed;
import static milvusrbac.Refusals.denied;
import static milvusrbac.Server.PASSWORD;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** The levels of grant_privileges.md, each tried out by the user u1, who has the role r1. */
@Tag("grantPrivilegeV2")
class LevelsTest extends WithServer {
    private Client u1;

    @BeforeEach
    void connect() {
        root.createDatabase("db1");
        root.createDatabase("db2");
        root.createRole("r1");
        addUser("u1", "r1");
        u1 = server.client("u1");
    }

    private void denies(String privilege, String database, Executable call) {
        denied(privilege, "u1", database, call);
    }

    @Test
    void collection() {
        root.grantPrivilegeV2("r1", "CollectionAdmin", "c1", "db1");
        allowed("Query", () -> u1.query("db1", "c1"));
        denies("Query", "db1", () -> u1.query("db1", "c2"));
        denies("Query", "db2", () -> u1.query("db2", "c1"));
        denies("Query", "default", () -> u1.query("default", "c1"));
        denies("DropCollection", "db1", () -> u1.dropCollection("db1", "c1"));
        denies("DescribeDatabase", "db1", () -> u1.describeDatabase("db1"));
    }

    @Test
    void allCollectionsOfADatabase() {
        root.grantPrivilegeV2("r1", "CollectionAdmin", "*", "db1");
        allowed("Query", () -> u1.query("db1", "c1"));
        allowed("Query", () -> u1.query("db1", "c2"));
        denies("Query", "db2", () -> u1.query("db2", "c1"));
        denies("DescribeDatabase", "db1", () -> u1.describeDatabase("db1"));
    }

    @Test
    void database() {
        root.grantPrivilegeV2("r1", "DatabaseAdmin", "*", "db1");
        assertEquals("db1", u1.describeDatabase("db1").getDatabaseName());
        allowed("DropCollection", () -> u1.dropCollection("db1", "c1"));
        denies("DescribeDatabase", "db2", () -> u1.describeDatabase("db2"));
        denies("DropCollection", "db2", () -> u1.dropCollection("db2", "c1"));
        denies("Query", "db1", () -> u1.query("db1", "c1"));
        denies("DropDatabase", "*", () -> u1.dropDatabase("db1"));
    }

    @Test
    void allDatabases() {
        root.grantPrivilegeV2("r1", "DatabaseAdmin", "*", "*");
        for (String database : List.of("db1", "db2", "default")) {
            assertEquals(database, u1.describeDatabase(database).getDatabaseName());
            allowed("DropCollection", () -> u1.dropCollection(database, "c1"));
            denies("Query", database, () -> u1.query(database, "c1"));
        }
        denies("DropDatabase", "*", () -> u1.dropDatabase("db1"));
    }

    @Test
    void instance() {
        root.grantPrivilegeV2("r1", "ClusterAdmin", "*", "*");
        u1.createUser("u2", PASSWORD);
        u1.createRole("r2");
        u1.createPrivilegeGroup("g1");
        u1.dropDatabase("db2");
        assertEquals(List.of("db1", "default"), u1.listDatabases());
        denies("Query", "db1", () -> u1.query("db1", "c1"));
        denies("DropCollection", "db1", () -> u1.dropCollection("db1", "c1"));
        denies("DescribeDatabase", "db1", () -> u1.describeDatabase("db1"));
    }
}
