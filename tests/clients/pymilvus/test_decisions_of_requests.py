"""How a decision depends on the request: its database, its several names, its caller."""

import itertools

from decisions import decision
from harness import add_user, denial


def test_the_union_of_roles_decides(server, prepared):
    prepared.create_role("r2")
    prepared.grant_role("u1", "r2")
    prepared.grant_privilege_v2("r1", "Flush", "c1")
    prepared.grant_privilege_v2("r2", "Flush", "c2")
    wire = server.wire("u1")
    assert decision(wire, "Flush", collection_names=["c1", "c2"]) is None
    assert decision(wire, "Flush", collection_names=["c1", "c3"]) == denial("Flush", database="default")


DB1, DB2, EMPTY = ((("dbname", name),) for name in ("db1", "db2", ""))


def test_the_database_of_the_call(server, prepared):
    """That of the request, else that of the connection, else the default."""
    prepared.grant_privilege_v2("r1", "AlterDatabase", "*", db_name="db1")
    wire = server.wire("u1")
    assert decision(wire, "AlterDatabase", db_name="db1") is None
    assert decision(wire, "AlterDatabase", metadata=DB2, db_name="db1") is None
    assert decision(wire, "AlterDatabase", metadata=DB1) is None
    for metadata, fields, database in [
        ((), {}, "default"),
        (EMPTY, {}, "default"),
        (DB2, {}, "db2"),
        (DB1, {"db_name": "db2"}, "db2"),
        (DB1, {"db_name": "default"}, "default"),
    ]:
        refusal = decision(wire, "AlterDatabase", metadata=metadata, **fields)
        assert refusal == denial("AlterDatabase", database=database)


def test_the_database_of_a_call_on_a_collection(server, prepared):
    prepared.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
    wire = server.wire("u1")
    on_c1 = {"collection_name": "c1"}
    assert decision(wire, "Search", metadata=DB1, **on_c1) is None
    assert decision(wire, "Search", metadata=DB2, db_name="db1", **on_c1) is None
    for metadata, fields, database in [
        (EMPTY, on_c1, "default"),
        (DB2, on_c1, "db2"),
        (DB1, on_c1 | {"db_name": "db2"}, "db2"),
    ]:
        refusal = decision(wire, "Search", metadata=metadata, **fields)
        assert refusal == denial("Search", database=database)


def test_renaming_into_another_database(server, prepared):
    prepared.grant_privilege_v2("r1", "DatabaseAdmin", "*", db_name="db1")
    wire = server.wire("u1")
    move = {"db_name": "db1", "oldName": "c1", "newName": "c1", "newDBName": "db2"}
    assert decision(wire, "RenameCollection", **move) == denial("RenameCollection")
    prepared.grant_privilege_v2("r1", "DatabaseAdmin", "*", db_name="*")
    assert decision(wire, "RenameCollection", **move) is None


def test_restoring_a_snapshot_into_another_database(server, prepared):
    prepared.grant_privilege_v2("r1", "CollectionAdmin", "*", db_name="db1")
    wire = server.wire("u1")
    copy = {"db_name": "db1", "collection_name": "c1", "target_db_name": "db1"}
    assert decision(wire, "RestoreSnapshot", **copy) is None
    move = copy | {"target_db_name": "db2"}
    assert decision(wire, "RestoreSnapshot", **move) == denial("RestoreSnapshot")
    prepared.grant_privilege_v2("r1", "CollectionAdmin", "*", db_name="*")
    assert decision(wire, "RestoreSnapshot", **move) is None


def test_grants_may_be_escalated_by_their_manager(server, prepared):
    """ManageOwnership is as good as everything, as in Milvus; nobody should be surprised by it."""
    prepared.grant_privilege_v2("r1", "ManageOwnership", "*", db_name="*")
    client = server.client("u1")
    client.grant_role("u1", "admin")
    assert "u1" in list(client.list_users())


def test_the_grantor_is_the_caller(server, prepared):
    prepared.grant_role("u1", "admin")
    wire = server.wire("u1")
    entity = {
        "role": {"name": "r1"},
        "object": {"name": "Collection"},
        "object_name": "c1",
        "grantor": {"user": {"name": "root"}, "privilege": {"name": "Search"}},
    }
    wire.ok("OperatePrivilege", entity=entity)
    (granted,) = wire.ok("SelectGrant", entity={"role": {"name": "r1"}}).entities
    assert granted.grantor.user.name == "u1"


def test_many_users_side_by_side(server, prepared):
    """Decisions about one user say nothing about another."""
    names = [f"v{number}" for number in range(12)]
    for name in names:
        add_user(prepared, name)
    wires = {name: server.wire(name) for name in names}
    for name in names[::2]:
        prepared.grant_role(name, "admin")
    for name, _ in itertools.product(names, range(3)):
        allowed = names.index(name) % 2 == 0
        assert (decision(wires[name], "ListCredUsers") is None) == allowed, name
