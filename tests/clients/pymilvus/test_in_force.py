"""What was acknowledged is in force for the very next call, on another connection, time after time."""

from decisions import decision
from harness import denial

TIMES = 200


def check(server, allow, forbid, rpc="ListCredUsers", **fields):
    wire = server.wire("u1")
    for _ in range(TIMES):
        allow()
        assert decision(wire, rpc, **fields) is None
        forbid()
        assert decision(wire, rpc, **fields) is not None


def test_grants(server, prepared):
    check(
        server,
        lambda: prepared.grant_privilege_v2("r1", "SelectOwnership", "*", db_name="*"),
        lambda: prepared.revoke_privilege_v2("r1", "SelectOwnership", "*", db_name="*"),
    )


def test_grants_on_a_database(server, prepared):
    check(
        server,
        lambda: prepared.grant_privilege("r1", "Global", "DescribeDatabase", "*", "db1"),
        lambda: prepared.revoke_privilege("r1", "Global", "DescribeDatabase", "*", "db1"),
        "DescribeDatabase",
        db_name="db1",
    )


def test_grants_on_a_collection(server, prepared):
    check(
        server,
        lambda: prepared.grant_privilege("r1", "Collection", "Search", "c1", "db1"),
        lambda: prepared.revoke_privilege("r1", "Collection", "Search", "c1", "db1"),
        "Search",
        db_name="db1",
        collection_name="c1",
    )


def test_bindings(server, prepared):
    check(
        server,
        lambda: prepared.grant_role("u1", "admin"),
        lambda: prepared.revoke_role("u1", "admin"),
    )


def test_members_of_groups(server, prepared):
    prepared.create_privilege_group("g1")
    prepared.grant_privilege_v2("r1", "g1", "*", db_name="*")
    check(
        server,
        lambda: prepared.add_privileges_to_group("g1", ["SelectOwnership"]),
        lambda: prepared.remove_privileges_from_group("g1", ["SelectOwnership"]),
    )


def test_dropped_roles(server, prepared):
    def allow():
        prepared.create_role("r2")
        prepared.grant_privilege_v2("r2", "SelectOwnership", "*", db_name="*")
        prepared.grant_role("u1", "r2")

    check(server, allow, lambda: prepared.drop_role("r2", force_drop=True))


def test_grants_kept_by_another_way(server, prepared):
    """A revoke takes no more than it says."""
    prepared.grant_privilege_v2("r1", "ClusterReadOnly", "*", db_name="*")
    prepared.grant_privilege_v2("r1", "SelectOwnership", "*", db_name="*")
    wire = server.wire("u1")
    prepared.revoke_privilege_v2("r1", "SelectOwnership", "*", db_name="*")
    assert decision(wire, "ListCredUsers") is None
    prepared.revoke_privilege_v2("r1", "ClusterReadOnly", "*", db_name="*")
    assert decision(wire, "ListCredUsers") == denial("SelectOwnership")


def test_of_the_role_public(server, prepared):
    wire = server.wire("u1")
    prepared.grant_privilege_v2("public", "SelectOwnership", "*", db_name="*")
    assert decision(wire, "ListCredUsers") is None
    prepared.revoke_privilege_v2("public", "SelectOwnership", "*", db_name="*")
    assert decision(wire, "ListCredUsers") == denial("SelectOwnership")


def test_of_what_public_had_at_first(server, prepared):
    wire = server.wire("u1")
    assert decision(wire, "DescribeCollection", collection_name="c1") is None
    prepared.revoke_privilege("public", "Global", "DescribeCollection", "*", db_name="*")
    refusal = decision(wire, "DescribeCollection", collection_name="c1")
    assert refusal == denial("DescribeCollection", database="default")
