"""Databases by MilvusClient and AsyncMilvusClient, and who sees which."""

import pytest
from pymilvus import MilvusException

from decisions import group, v1, v2
from harness import denied, grants, refused


class TestDatabases:
    def test_at_first_there_is_default(self, client):
        assert client.list_databases() == ["default"]
        assert client.describe_database("default")["name"] == "default"

    def test_create_and_drop(self, client):
        assert client.create_database("db1") is None
        assert sorted(client.list_databases()) == ["db1", "default"]
        assert client.drop_database("db1") is None
        assert client.list_databases() == ["default"]

    def test_properties(self, client):
        client.create_database("db1", properties={"a": "1", "b": 2})
        assert client.describe_database("db1") == {"name": "db1", "a": "1", "b": "2"}
        client.alter_database_properties("db1", {"b": "3", "c": "4"})
        client.drop_database_properties("db1", ["a"])
        assert client.describe_database("db1") == {"name": "db1", "b": "3", "c": "4"}

    def test_create_twice(self, client):
        client.create_database("db1")
        with refused(1100, containing="already exist"):
            client.create_database("db1")

    @pytest.mark.parametrize("name", ["1db", "a-b", "a/b", "*"])
    def test_bad_name(self, client, name):
        with refused(802, containing=f"invalid database name[database={name}]"):
            client.create_database(name)

    def test_default_stays(self, client):
        with pytest.raises(MilvusException, match="default database"):
            client.drop_database("default")
        assert client.list_databases() == ["default"]

    @pytest.mark.parametrize(
        "call",
        [
            lambda c: c.describe_database("nope"),
            lambda c: c.use_database("nope"),
            lambda c: c.alter_database_properties("nope", {"a": "1"}),
        ],
        ids=["describe", "use", "alter"],
    )
    def test_missing(self, client, call):
        with refused(800, containing="database not found[database=nope]"):
            call(client)

    @pytest.mark.parametrize("method", ["use_database", "using_database"])
    def test_use(self, client, method):
        client.create_database("db1")
        getattr(client, method)("db1")
        assert sorted(client.list_databases()) == ["db1", "default"]


class TestVisibleDatabases:
    VISIBLE = {
        "no grant": ([], []),
        "a privilege on a collection": ([v2("Search", "c1", "db1")], ["db1"]),
        "a privilege of v1, without a database": ([v1("Collection", "Search", "c1")], ["default"]),
        "a group on a database": ([v2("DatabaseReadOnly", "*", "db2")], ["db2"]),
        "a custom group": ([group("Search", on=("c1", "db1"))], ["db1"]),
        "several databases": ([v2("Search", "c1", "db1"), v2("Insert", "c2", "db2")], ["db1", "db2"]),
        "all databases": ([v2("Search", "c1", "*")], ["db1", "db2", "default"]),
        "the instance": ([v2("ClusterReadOnly", "*", "*")], ["db1", "db2", "default"]),
        "a database that does not exist": ([v2("Search", "c1", "db9")], []),
        "the role admin": (
            [lambda root: root.grant_role("u1", "admin")],
            ["db1", "db2", "default"],
        ),
        "the role public": ([lambda root: root.grant_role("u1", "public")], []),
    }

    @pytest.mark.parametrize("case", VISIBLE)
    def test_list_databases(self, server, prepared, case):
        given, visible = self.VISIBLE[case]
        for grant in given:
            grant(prepared)
        assert sorted(server.client("u1").list_databases()) == visible

    def test_list_databases_of_root(self, prepared):
        assert sorted(prepared.list_databases()) == ["db1", "db2", "default"]

    def test_describe_database(self, server, prepared):
        """Its privilege alone is not enough, if it comes from the role public."""
        prepared.grant_privilege_v2("public", "DescribeDatabase", "*", db_name="*")
        client = server.client("u1")
        text = "not allowed to access database, db name: db1: privilege not permitted"
        with refused(1401, text):
            client.describe_database("db1")
        prepared.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
        assert client.describe_database("db1")["name"] == "db1"
        with refused(1401):
            client.describe_database("db2")

    def test_a_missing_database(self, server, prepared):
        prepared.grant_privilege_v2("r1", "DescribeDatabase", "*", db_name="*")
        with refused(800, containing="database not found[database=db9]"):
            server.client("u1").describe_database("db9")

    def test_use_database(self, server, prepared):
        prepared.grant_privilege_v2("r1", "DatabaseReadOnly", "*", db_name="db1")
        prepared.grant_privilege_v2("r1", "ManageOwnership", "*", db_name="*")
        prepared.create_role("r2")
        client = server.client("u1")
        client.use_database("db1")
        with denied("DescribeDatabase", database="db2"):
            client.use_database("db2")
        # The used database stays the one before.
        client.grant_privilege_v2("r2", "Search", "c1")
        assert grants(prepared, "r2", db_name="*") == [("Collection", "db1", "c1", "Search")]

    def test_connecting_with_a_database(self, server, prepared):
        server.client(db_name="db1").grant_privilege_v2("r1", "Search", "c1")
        assert grants(prepared, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]

    def test_dropping_a_database_hides_it(self, server, prepared):
        prepared.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
        client = server.client("u1")
        assert client.list_databases() == ["db1"]
        prepared.drop_database("db1")
        assert client.list_databases() == []
