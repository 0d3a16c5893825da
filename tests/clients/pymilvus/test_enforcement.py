"""Who may do what.

Calls of the data plane are decided where they are forwarded, so their decisions are tested with an upstream
behind the server. Without one they end in UNIMPLEMENTED for everybody."""

import itertools

import grpc
import pytest
from pymilvus.grpc_gen import common_pb2

from facts import CLUSTER_LEVEL
from harness import (
    PASSWORD,
    SERVICE,
    add_user,
    base64_text,
    denial,
    denied,
    grants,
    refused,
    rpc_error,
)

PERMISSION_DENIED = grpc.StatusCode.PERMISSION_DENIED
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED


# Calls that are answered here, among those of the tests below.
SERVED = frozenset(
    """
    CreateCredential UpdateCredential DeleteCredential ListCredUsers CreateRole AlterRole DropRole
    OperateUserRole SelectRole SelectUser OperatePrivilege OperatePrivilegeV2 SelectGrant
    CreatePrivilegeGroup DropPrivilegeGroup ListPrivilegeGroups OperatePrivilegeGroup BackupRBAC
    RestoreRBAC Connect GetVersion CheckHealth GetComponentStates AllocTimestamp CreateDatabase
    DropDatabase AlterDatabase ListDatabases DescribeDatabase ShowCollections AddUserTags DeleteUserTags
    GetUserTags ListUsersWithTag CreateRowPolicy DropRowPolicy ListRowPolicies
    """.split()
)


def decision(wire, rpc, metadata=(), **fields):
    """None if the caller may, else the text of the refusal."""
    try:
        wire.call(rpc, metadata=metadata, **fields)
    except grpc.RpcError as error:
        assert error.code() == PERMISSION_DENIED, error
        return error.details()
    return None


def v1(object_type, privilege, object_name, db_name=""):
    return lambda root: root.grant_privilege("r1", object_type, privilege, object_name, db_name)


def v2(privilege, collection_name, db_name="default"):
    return lambda root: root.grant_privilege_v2("r1", privilege, collection_name, db_name=db_name)


def group(*privileges, on=("*", "default")):
    def grant(root):
        root.create_privilege_group("g1")
        root.add_privileges_to_group("g1", list(privileges))
        root.grant_privilege_v2("r1", "g1", on[0], db_name=on[1])

    return grant


def may(rpc, db_name=None, collection_name=None, **fields):
    """A call, with the database and the collection where they are given."""
    given = {"db_name": db_name, "collection_name": collection_name}
    return rpc, {k: v for k, v in given.items() if v is not None} | fields, None


def may_not(rpc, privilege, db_name=None, collection_name=None, *, told="default", **fields):
    """A call that is refused; `told` is the database of the refusal, by default that of the call."""
    name, fields, _ = may(rpc, db_name, collection_name, **fields)
    return name, fields, denial(privilege, database=db_name if db_name else told)


def cluster_may_not(rpc, privilege, **fields):
    return rpc, fields, denial(privilege, database="*")


OTHER_USER = {"user": {"name": "u2"}}
NEW_USER = {"username": "u3", "password": base64_text(PASSWORD)}

# By kind of grant: the grants of a role, and what its user may and may not.
DECISIONS = {
    "nothing": (
        [],
        [
            # By the role public.
            may("DescribeCollection", "db1", "c1"),
            may("DescribeIndex", "db1", "c1"),
            may("ListAliases", "db1", "c1"),
            may("HasCollection", "db1", "c1"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("Search", "Search", None, "c1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
            cluster_may_not("CreateDatabase", "CreateDatabase", db_name="db1"),
        ],
    ),
    "a privilege on a collection": (
        [v2("Search", "c1", "db1")],
        [
            may("Search", "db1", "c1"),
            may("HybridSearch", "db1", "c1"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db1", "c"),
            may_not("Search", "Search", "db1", "c11"),
            may_not("Search", "Search", "db1", "*"),
            may_not("Search", "Search", "db1", ""),
            may_not("Search", "Search", "db2", "c1"),
            may_not("Search", "Search", "default", "c1"),
            may_not("Search", "Search", None, "c1"),
            may_not("Query", "Query", "db1", "c1"),
            may_not("Insert", "Insert", "db1", "c1"),
        ],
    ),
    "a privilege on a collection, v1": (
        [v1("Collection", "Insert", "c1", "db1")],
        [
            may("Insert", "db1", "c1"),
            may_not("Insert", "Insert", "db1", "c2"),
            may_not("Insert", "Insert", "db2", "c1"),
            may_not("Delete", "Delete", "db1", "c1"),
        ],
    ),
    "a privilege on all collections of a database": (
        [v2("Search", "*", "db1")],
        [
            may("Search", "db1", "c1"),
            may("Search", "db1", "any_other"),
            may("Search", "db1", ""),
            may_not("Search", "Search", "db2", "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a privilege everywhere": (
        [v2("Search", "*", "*")],
        [
            may("Search", "db1", "c1"),
            may("Search", "no_such_database", "c1"),
            may("Search", None, "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a privilege on collections of several databases": (
        [v2("Search", "c1", "db1"), v2("Search", "c2", "db2")],
        [
            may("Search", "db1", "c1"),
            may("Search", "db2", "c2"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db2", "c1"),
        ],
    ),
    "related privileges": (
        [v2("Load", "c1"), v2("Flush", "c1")],
        [
            may("LoadCollection", "default", "c1"),
            may("GetLoadState", "default", "c1"),
            may("GetLoadingProgress", "default", "c1"),
            may("Flush", "default", collection_names=["c1"]),
            may("GetFlushState", "default", "c1"),
            may_not("ReleaseCollection", "Release", "default", "c1"),
        ],
    ),
    "a privilege on several collections of one request": (
        [v2("Flush", "c1"), v2("Flush", "c2")],
        [
            may("Flush", "default", collection_names=["c1"]),
            may("Flush", "default", collection_names=["c1", "c2"]),
            may_not("Flush", "Flush", "default", collection_names=["c1", "c2", "c3"]),
            may_not("Flush", "Flush", "db1", collection_names=["c1"]),
        ],
    ),
    "CollectionReadOnly": (
        [v2("CollectionReadOnly", "c1")],
        [
            may("Query", "default", "c1"),
            may("Search", "default", "c1"),
            may("GetLoadState", "default", "c1"),
            may("HasPartition", "default", "c1"),
            may("GetCollectionStatistics", "default", "c1"),
            may("ListSnapshots", "default", "c1"),
            may_not("Query", "Query", "default", "c2"),
            may_not("Query", "Query", "db1", "c1"),
            may_not("Insert", "Insert", "default", "c1"),
            may_not("LoadCollection", "Load", "default", "c1"),
            may_not("CreateIndex", "CreateIndex", "default", "c1"),
        ],
    ),
    "CollectionReadWrite": (
        [v2("CollectionReadWrite", "c1")],
        [
            may("Insert", "default", "c1"),
            may("Upsert", "default", "c1"),
            may("Delete", "default", "c1"),
            may("CreateIndex", "default", "c1"),
            may("DropIndex", "default", "c1"),
            may("LoadCollection", "default", "c1"),
            may("CreatePartition", "default", "c1"),
            may("ManualCompaction", "default", "c1"),
            may("AddCollectionField", "default", "c1"),
            may_not("Insert", "Insert", "default", "c2"),
            may_not("CreateAlias", "CreateAlias", "default", "c1"),
            may_not("DropCollection", "DropCollection", "default", "c1"),
        ],
    ),
    "CollectionAdmin": (
        [v2("CollectionAdmin", "c1")],
        [
            may("Insert", "default", "c1"),
            may("CreateAlias", "default", "c1", alias="a1"),
            may("DropAlias", "default", alias="a1"),
            may("RestoreSnapshot", "default", "c1"),
            may_not("Insert", "Insert", "default", "c2"),
            may_not("DropCollection", "DropCollection", "default", "c1"),
            may_not("CreateCollection", "CreateCollection", "default", "c1"),
        ],
    ),
    "CollectionAdmin on all collections": (
        [v2("CollectionAdmin", "*", "*")],
        [
            may("Insert", "default", "c1"),
            may("Insert", "db1", "c2"),
            may_not("CreateCollection", "CreateCollection", "db1", "c2"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "DatabaseReadOnly": (
        [v2("DatabaseReadOnly", "*", "db1")],
        [
            may("DescribeDatabase", "db1"),
            may_not("DescribeDatabase", "DescribeDatabase", "db2"),
            may_not("DescribeDatabase", "DescribeDatabase", "default"),
            may_not("AlterDatabase", "AlterDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
        ],
    ),
    "DatabaseReadWrite": (
        [v2("DatabaseReadWrite", "*", "db1")],
        [
            may("DescribeDatabase", "db1"),
            may("AlterDatabase", "db1"),
            may_not("AlterDatabase", "AlterDatabase", "db2"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
        ],
    ),
    "DatabaseAdmin": (
        [v2("DatabaseAdmin", "*", "db1")],
        [
            may("CreateCollection", "db1", "c1"),
            may("DropCollection", "db1", "c1"),
            may("RenameCollection", "db1", oldName="c1", newName="c2", newDBName="db1"),
            may("AlterDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db2", "c1"),
            may_not("Insert", "Insert", "db1", "c1"),
            cluster_may_not("DropDatabase", "DropDatabase", db_name="db1"),
        ],
    ),
    "DatabaseAdmin everywhere": (
        [v2("DatabaseAdmin", "*", "*")],
        [
            may("CreateCollection", "db1", "c1"),
            may("DescribeDatabase", "db2"),
            may_not("Insert", "Insert", "db1", "c1"),
            cluster_may_not("CreateDatabase", "CreateDatabase", db_name="db3"),
        ],
    ),
    "ClusterReadOnly": (
        [v2("ClusterReadOnly", "*", "*")],
        [
            may("ListCredUsers"),
            may("SelectRole"),
            may("SelectUser", **OTHER_USER),
            may("SelectGrant", entity={"role": {"name": "admin"}}),
            may("ListPrivilegeGroups"),
            may("ListResourceGroups"),
            cluster_may_not("CreateCredential", "CreateOwnership", **NEW_USER),
            cluster_may_not("UpdateCredential", "UpdateUser", username="u2", description="d"),
            cluster_may_not("FlushAll", "FlushAll"),
            cluster_may_not("BackupRBAC", "BackupRBAC"),
            may_not("DescribeDatabase", "DescribeDatabase", "db1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "ClusterReadWrite": (
        [v2("ClusterReadWrite", "*", "*")],
        [
            may("ListCredUsers"),
            may("FlushAll"),
            may("TransferNode"),
            cluster_may_not("CreateRole", "CreateOwnership", entity={"name": "r9"}),
            cluster_may_not("DropResourceGroup", "DropResourceGroup"),
        ],
    ),
    "ClusterAdmin": (
        [v2("ClusterAdmin", "*", "*")],
        [
            may("CreateCredential", **NEW_USER),
            may("UpdateCredential", username="u2", description="d"),
            may("DeleteCredential", username="u3"),
            may("CreateRole", entity={"name": "r9"}),
            may("AlterRole", role_name="r9", description="d"),
            may("OperateUserRole", username="u2", role_name="r9"),
            may("DropRole", role_name="r9"),
            may("CreatePrivilegeGroup", group_name="g9"),
            may("DropPrivilegeGroup", group_name="g9"),
            may("CreateDatabase", db_name="db9"),
            may("DropDatabase", db_name="db9"),
            may("BackupRBAC"),
            may("RestoreRBAC"),
            may("CreateResourceGroup"),
            may_not("DescribeDatabase", "DescribeDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a cluster privilege granted under default": (
        [v1("Global", "SelectOwnership", "*")],
        [
            may("ListCredUsers"),
            may("SelectRole"),
            cluster_may_not("SelectUser", "SelectUser", **OTHER_USER),
        ],
    ),
    "a cluster privilege granted under a database": (
        [v2("CreateDatabase", "*", "db1")],
        [
            may("CreateDatabase", db_name="db9"),
            cluster_may_not("DropDatabase", "DropDatabase", db_name="db9"),
        ],
    ),
    "a database privilege": (
        [v1("Global", "CreateCollection", "*", "db1")],
        [
            may("CreateCollection", "db1", "c1"),
            may("AlterCollection", "db1", "c1"),
            may_not("CreateCollection", "CreateCollection", "db2", "c1"),
            may_not("CreateCollection", "CreateCollection", None, "c1"),
            may_not("DropCollection", "DropCollection", "db1", "c1"),
        ],
    ),
    "SelectUser on one user": (
        [v1("User", "SelectUser", "u2")],
        [
            may("SelectUser", **OTHER_USER),
            cluster_may_not("SelectUser", "SelectUser", user={"name": "root"}),
            cluster_may_not("SelectUser", "SelectUser"),
            cluster_may_not("UpdateCredential", "UpdateUser", username="u2", description="d"),
        ],
    ),
    "UpdateUser on one user": (
        [v1("User", "UpdateUser", "u2")],
        [
            may("UpdateCredential", username="u2", description="d"),
            cluster_may_not("UpdateCredential", "UpdateUser", username="root", description="d"),
            cluster_may_not("SelectUser", "SelectUser", **OTHER_USER),
        ],
    ),
    "SelectUser on all users": (
        [v2("SelectUser", "*", "*")],
        [
            may("SelectUser", **OTHER_USER),
            may("SelectUser"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "everything on a collection, v1": (
        [v1("Collection", "*", "c1")],
        [
            may("Search", "default", "c1"),
            may("Insert", "default", "c1"),
            may("LoadCollection", "default", "c1"),
            may_not("Search", "Search", "default", "c2"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("CreateCollection", "CreateCollection", "default", "c1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "everything global of a database, v1": (
        [v1("Global", "*", "*", "db1")],
        [
            may("CreateCollection", "db1", "c1"),
            may("AlterDatabase", "db1"),
            may_not("CreateCollection", "CreateCollection", "db2", "c1"),
            may_not("Search", "Search", "db1", "c1"),
        ],
    ),
    "everything global, v1": (
        [v1("Global", "*", "*", "*")],
        [
            may("CreateCollection", "db1", "c1"),
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            may_not("Search", "Search", "db1", "c1"),
        ],
    ),
    "everything on a collection, v2": (
        [v2("*", "c1", "db1")],
        [
            may("Search", "db1", "c1"),
            may("Insert", "db1", "c1"),
            may("CreateAlias", "db1", "c1", alias="a1"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db2", "c1"),
            may_not("CreateAlias", "CreateAlias", "db1", "c2", alias="a1"),
            may_not("CreateCollection", "CreateCollection", "db1", "c1"),
            cluster_may_not("ListCredUsers", "SelectOwnership"),
        ],
    ),
    "All on a database": (
        [v1("Global", "All", "*")],
        [
            may("Search", "default", "c1"),
            may("CreateCollection", "default", "c1"),
            may("DescribeDatabase", "default"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("DescribeDatabase", "DescribeDatabase", "db1"),
        ],
    ),
    "All on all databases": (
        [v2("All", "*", "*")],
        [
            may("Search", "default", "c1"),
            may("Search", "db1", "c1"),
            may("CreateCollection", "db1", "c1"),
            may("DescribeDatabase", "db1"),
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            may("SelectUser", **OTHER_USER),
        ],
    ),
    "ReadOnly, v1": (
        [v1("Collection", "ReadOnly", "c1")],
        [
            may("Search", "default", "c1"),
            may("Query", "default", "c1"),
            may_not("Search", "Search", "default", "c2"),
            may_not("Search", "Search", "db1", "c1"),
            may_not("Insert", "Insert", "default", "c1"),
        ],
    ),
    "ReadWrite, v1": (
        [v1("Collection", "ReadWrite", "c1")],
        [
            may("Search", "default", "c1"),
            may("Insert", "default", "c1"),
            may("CreateIndex", "default", "c1"),
            may_not("Insert", "Insert", "default", "c2"),
            may_not("CreateCollection", "CreateCollection", "default", "c1"),
        ],
    ),
    "Admin, v1": (
        [v1("Global", "Admin", "*")],
        [
            may("Insert", "default", "c1"),
            may("CreateCollection", "default", "c1"),
            may("CreateCredential", **NEW_USER),
            may("DescribeDatabase", "default"),
            may_not("Insert", "Insert", "db1", "c1"),
            cluster_may_not("FlushAll", "FlushAll"),
            cluster_may_not("CreatePrivilegeGroup", "CreatePrivilegeGroup", group_name="g9"),
        ],
    ),
    "a group on a collection": (
        [group("Search", "Insert", on=("c1", "db1"))],
        [
            may("Search", "db1", "c1"),
            may("Insert", "db1", "c1"),
            may_not("Search", "Search", "db1", "c2"),
            may_not("Search", "Search", "db2", "c1"),
            may_not("Query", "Query", "db1", "c1"),
        ],
    ),
    "a group on the instance": (
        [group("SelectOwnership", "CreateDatabase", on=("*", "*"))],
        [
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            cluster_may_not("DropDatabase", "DropDatabase", db_name="db9"),
        ],
    ),
    "a group within a group": (
        # It gives nothing. A nested group can only get in after the grant, since it has no level.
        [
            lambda root: root.create_privilege_group("g1"),
            v2("g1", "c1", "db1"),
            lambda root: root.add_privileges_to_group("g1", ["CollectionReadOnly"]),
        ],
        [may_not("Search", "Search", "db1", "c1")],
    ),
    "the role admin": (
        [lambda root: root.grant_role("u1", "admin")],
        [
            may("Search", "db1", "c1"),
            may("CreateCollection", "db1", "c1"),
            may("ListCredUsers"),
            may("CreateDatabase", db_name="db9"),
            may("DescribeDatabase", "db1"),
            may("SelectUser", **OTHER_USER),
            may("Dummy"),
        ],
    ),
}


def prepare(root):
    """Two databases and two users, u1 with the role r1."""
    for database in ("db1", "db2"):
        root.create_database(database)
    root.create_role("r1")
    add_user(root, "u1", "r1")
    add_user(root, "u2")
    return root


@pytest.fixture
def prepared(root):
    return prepare(root)


@pytest.fixture
def gateway(start, upstream):
    """A server with an upstream."""
    return start("--upstream", f"http://127.0.0.1:{upstream.port}")


@pytest.fixture
def behind(gateway):
    """The client of root, after the same preparation."""
    return prepare(gateway.client())


def check_decisions(root, wire, case, served):
    given, calls = DECISIONS[case]
    for grant in given:
        grant(root)
    calls = [call for call in calls if (call[0] in SERVED) == served]
    got = [(rpc, fields, decision(wire, rpc, **fields)) for rpc, fields, _ in calls]
    assert got == calls


def cases(served):
    """The cases that have such calls."""
    return [
        case
        for case, (_, calls) in DECISIONS.items()
        if any((rpc in SERVED) == served for rpc, _, _ in calls)
    ]


@pytest.mark.parametrize("case", cases(served=True))
def test_decisions(server, prepared, case):
    check_decisions(prepared, server.wire("u1"), case, served=True)


@pytest.mark.parametrize("case", cases(served=False))
def test_decisions_of_the_data_plane(gateway, behind, case):
    check_decisions(behind, gateway.wire("u1"), case, served=False)


def test_only_what_is_allowed_is_forwarded(gateway, behind, upstream):
    behind.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
    wire = gateway.wire("u1")
    assert decision(wire, "Search", db_name="db1", collection_name="c1") is None
    assert decision(wire, "Query", db_name="db1", collection_name="c1") is not None
    assert decision(wire, "ListCredUsers") is not None
    assert upstream.called == ["Search"]


def test_the_union_of_roles_decides(gateway, behind):
    behind.create_role("r2")
    behind.grant_role("u1", "r2")
    behind.grant_privilege_v2("r1", "Flush", "c1")
    behind.grant_privilege_v2("r2", "Flush", "c2")
    wire = gateway.wire("u1")
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


def test_the_database_of_a_forwarded_call(gateway, behind):
    behind.grant_privilege_v2("r1", "Search", "c1", db_name="db1")
    wire = gateway.wire("u1")
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


def test_renaming_into_another_database(gateway, behind):
    behind.grant_privilege_v2("r1", "DatabaseAdmin", "*", db_name="db1")
    wire = gateway.wire("u1")
    move = {"db_name": "db1", "oldName": "c1", "newName": "c1", "newDBName": "db2"}
    assert decision(wire, "RenameCollection", **move) == denial("RenameCollection")
    behind.grant_privilege_v2("r1", "DatabaseAdmin", "*", db_name="*")
    assert decision(wire, "RenameCollection", **move) is None


class TestEveryRpc:
    """For a user without privileges."""

    # What the role public grants to everyone.
    PUBLIC = {"DescribeCollection", "ListAliases", "IndexDetail"}
    # Row policies have privileges of their own in interfaces newer than that of pymilvus 3.0.2.
    NEWER = {"CreateRowPolicy": "ManageRLS", "DropRowPolicy": "ManageRLS", "ListRowPolicies": "ViewRLS"}

    @staticmethod
    def privilege(method):
        options = method.input_type.GetOptions()
        if not options.HasExtension(common_pb2.privilege_ext_obj):
            return None
        number = options.Extensions[common_pb2.privilege_ext_obj].object_privilege
        name = common_pb2.ObjectPrivilege.Name(number)
        return name.removeprefix("Privilege")

    def check(self, wire, served):
        wrong, checked = {}, 0
        for method in SERVICE.methods:
            privilege = self.NEWER.get(method.name, self.privilege(method))
            if privilege is None or (method.name in SERVED) != served:
                continue
            database = "*" if privilege in CLUSTER_LEVEL else "default"
            want = None if privilege in self.PUBLIC else denial(privilege, database=database)
            got = decision(wire, method.name)
            checked += 1
            if got != want:
                wrong[method.name] = (got, want)
        assert wrong == {}
        return checked

    def test_that_is_served(self, server, prepared):
        assert self.check(server.wire("u1"), served=True) == 30

    def test_that_is_forwarded(self, gateway, behind):
        assert self.check(gateway.wire("u1"), served=False) > 75

    OPEN = """
        Connect GetVersion CheckHealth GetComponentStates AllocTimestamp ListDatabases ShowCollections
    """.split()
    OPEN_BEHIND = ["CalcDistance", "ComputePhraseMatchSlop", "RunAnalyzer", "HasCollection"]

    @pytest.mark.parametrize("rpc", OPEN)
    def test_open_to_users(self, server, prepared, rpc):
        assert decision(server.wire("u1"), rpc) is None

    @pytest.mark.parametrize("rpc", OPEN_BEHIND)
    def test_forwarded_for_users(self, gateway, behind, rpc):
        assert decision(gateway.wire("u1"), rpc) is None

    # The RPCs without an annotation that are not open, with what they need.
    CLASSIFIED = {
        "GetReplicas": "GetLoadState",
        "GetPersistentSegmentInfo": "GetStatistics",
        "GetQuerySegmentInfo": "GetStatistics",
        "ListImportTasks": "ListImport",
        "GetImportState": "Import",
        "GetCompactionState": "Compaction",
        "GetCompactionStateWithPlans": "Compaction",
        "GetFlushAllState": "Flush",
        "DescribePrewarmTask": "Load",
        "GetRestoreSnapshotState": "RestoreSnapshot",
        "GetRefreshExternalCollectionProgress": "RefreshExternalCollection",
        "ListRefreshExternalCollectionJobs": "RefreshExternalCollection",
        "GetMetrics": "ListResourceGroups",
        "ReplicateMessage": "UpdateReplicateConfiguration",
        "GetReplicateInfo": "UpdateReplicateConfiguration",
    }

    @pytest.mark.parametrize("rpc", [rpc for rpc in CLASSIFIED if rpc in SERVICE.methods_by_name])
    def test_without_an_annotation(self, gateway, behind, rpc):
        wire = gateway.wire("u1")
        refusal = decision(wire, rpc)
        assert refusal is not None and "permission deny to u1" in refusal
        behind.grant_privilege_v2("r1", self.CLASSIFIED[rpc], "*", db_name="*")
        assert decision(wire, rpc) is None

    ROOT_ONLY = ["Dummy", "RegisterLink", "ListIndexedSegment", "DescribeSegmentIndexData"]

    @pytest.mark.parametrize("rpc", ROOT_ONLY)
    def test_of_root_alone(self, gateway, behind, rpc):
        behind.grant_privilege_v2("r1", "All", "*", db_name="*")
        refusal = decision(gateway.wire("u1"), rpc)
        assert refusal is not None and "permission deny to u1" in refusal
        assert decision(gateway.wire(), rpc) is None
        behind.grant_role("u1", "admin")
        assert decision(gateway.wire("u1"), rpc) is None

    def test_of_telemetry(self, server, prepared):
        service = "/milvus.proto.milvus.ClientTelemetryService"
        for rpc in ("GetClientTelemetry", "PushClientCommand", "DeleteClientCommand"):
            with pytest.raises(grpc.RpcError) as caught:
                server.wire("u1").raw(f"{service}/{rpc}", b"")
            assert caught.value.code() in (PERMISSION_DENIED, UNIMPLEMENTED)

    STREAMS = {
        "CreateReplicateStream": "UpdateReplicateConfiguration",
        "DumpMessages": "ManageOwnership",
    }

    @staticmethod
    def stream(wire, rpc):
        stream = wire.channel.stream_stream(f"/{SERVICE.full_name}/{rpc}")
        return list(stream(iter([b""]), metadata=wire._metadata(()), timeout=10))

    @pytest.mark.parametrize("rpc", STREAMS)
    def test_streams(self, wire, rpc):
        with rpc_error(UNIMPLEMENTED, containing=[rpc, "--upstream"]):
            self.stream(wire, rpc)

    @pytest.mark.parametrize("rpc", STREAMS)
    def test_forwarded_streams(self, gateway, behind, rpc):
        privilege = self.STREAMS[rpc]
        words = [f"Privilege{privilege}: permission deny to u1"]
        with rpc_error(PERMISSION_DENIED, containing=words):
            self.stream(gateway.wire("u1"), rpc)
        behind.grant_privilege_v2("r1", privilege, "*", db_name="*")
        assert self.stream(gateway.wire("u1"), rpc) == [b""]

    def test_without_an_upstream(self, wire):
        """The refusal says which call it was, and what is missing."""
        for rpc in ("Search", "Query", "Insert", "CreateCollection", "DescribeCollection", "Flush"):
            with rpc_error(UNIMPLEMENTED, containing=[rpc, "--upstream"]):
                wire.call(rpc)


class TestClientOfADeniedUser:
    """What a user without privileges reads in pymilvus."""

    CALLS = {
        "create_user": (lambda c: c.create_user("u3", PASSWORD), "CreateOwnership"),
        "drop_user": (lambda c: c.drop_user("u2"), "DropOwnership"),
        "update_password": (lambda c: c.update_password("u2", PASSWORD, "new one"), "UpdateUser"),
        "update_user": (lambda c: c.update_user("u2", description="d"), "UpdateUser"),
        "list_users": (lambda c: c.list_users(), "SelectOwnership"),
        "describe_user": (lambda c: c.describe_user("u2"), "SelectUser"),
        "create_role": (lambda c: c.create_role("r9"), "CreateOwnership"),
        "alter_role": (lambda c: c.alter_role("r1", "d"), "CreateOwnership"),
        "drop_role": (lambda c: c.drop_role("r1"), "DropOwnership"),
        "list_roles": (lambda c: c.list_roles(), "SelectOwnership"),
        "describe_role": (lambda c: c.describe_role("admin"), "SelectOwnership"),
        "grant_role": (lambda c: c.grant_role("u1", "admin"), "ManageOwnership"),
        "revoke_role": (lambda c: c.revoke_role("u1", "r1"), "ManageOwnership"),
        "grant_privilege": (
            lambda c: c.grant_privilege("r1", "Global", "All", "*"),
            "ManageOwnership",
        ),
        "revoke_privilege": (
            lambda c: c.revoke_privilege("r1", "Global", "All", "*"),
            "ManageOwnership",
        ),
        "grant_privilege_v2": (lambda c: c.grant_privilege_v2("r1", "All", "*"), "ManageOwnership"),
        "revoke_privilege_v2": (lambda c: c.revoke_privilege_v2("r1", "All", "*"), "ManageOwnership"),
        "create_privilege_group": (lambda c: c.create_privilege_group("g9"), "CreatePrivilegeGroup"),
        "drop_privilege_group": (lambda c: c.drop_privilege_group("g9"), "DropPrivilegeGroup"),
        "list_privilege_groups": (lambda c: c.list_privilege_groups(), "ListPrivilegeGroups"),
        "add_privileges_to_group": (
            lambda c: c.add_privileges_to_group("g9", ["Search"]),
            "OperatePrivilegeGroup",
        ),
        "remove_privileges_from_group": (
            lambda c: c.remove_privileges_from_group("g9", ["Search"]),
            "OperatePrivilegeGroup",
        ),
        "create_database": (lambda c: c.create_database("db9"), "CreateDatabase"),
        "drop_database": (lambda c: c.drop_database("db1"), "DropDatabase"),
    }

    @pytest.fixture(params=["MilvusClient", "AsyncMilvusClient"])
    def u1(self, request, server, prepared):
        return server.client("u1") if request.param == "MilvusClient" else server.async_client("u1")

    def test_on_the_instance(self, u1):
        for call, privilege in self.CALLS.values():
            with denied(privilege):
                call(u1)

    def test_on_a_database(self, u1):
        with denied("DescribeDatabase", database="db1"):
            u1.describe_database("db1")
        with denied("DescribeDatabase", database="db1"):
            u1.use_database("db1")
        with denied("AlterDatabase", database="db1"):
            u1.alter_database_properties("db1", {"a": "1"})

    def test_changes_nothing(self, root, u1):
        def state():
            return (
                list(root.list_users()),
                {role: root.describe_role(role, db_name="*") for role in root.list_roles()},
                sorted(root.list_databases()),
                root.list_privilege_groups(),
                root.describe_user("u2"),
            )

        before = state()
        for call, _ in self.CALLS.values():
            with pytest.raises(grpc.RpcError):
                call(u1)
        assert state() == before


class TestOneself:
    def test_may_be_described_and_updated(self, server, prepared):
        client = server.client("u1")
        assert client.describe_user("u1") == {"user_name": "u1", "roles": ("r1",), "description": ""}
        client.update_user("u1", description="me")
        assert client.describe_user("u1")["description"] == "me"
        client.update_password("u1", PASSWORD, "new password")
        assert server.client("u1", "new password").describe_user("u1")["description"] == "me"

    def test_needs_the_old_password(self, server, prepared):
        with refused(1400, "old password not correct for u1: not authenticated"):
            server.client("u1").update_password("u1", "wrong password", "new password")

    def test_may_not_be_dropped(self, server, prepared):
        with denied("DropOwnership"):
            server.client("u1").drop_user("u1")

    def test_is_nobody_else(self, server, prepared):
        prepared.create_user("u11", PASSWORD)
        client = server.client("u1")
        for name in ("u11", "u", "U1", "root"):
            with denied("SelectUser"):
                client.describe_user(name)
            with denied("UpdateUser"):
                client.update_user(name, description="d")


class TestOwnGrants:
    @staticmethod
    def select(wire, role):
        return wire.ok("SelectGrant", entity={"role": {"name": role}})

    def test_may_be_read(self, server, prepared):
        prepared.grant_privilege_v2("r1", "Search", "c1")
        wire = server.wire("u1")
        (entity,) = self.select(wire, "r1").entities
        assert entity.grantor.privilege.name == "Search"
        assert len(self.select(wire, "public").entities) == 3

    def test_are_not_those_of_others(self, server, prepared):
        prepared.create_role("r2")
        wire = server.wire("u1")
        for role in ("r2", "admin", "nope", ""):
            with denied("SelectOwnership"):
                self.select(wire, role)

    def test_end_with_the_role(self, server, prepared):
        wire = server.wire("u1")
        self.select(wire, "r1")
        prepared.revoke_role("u1", "r1")
        with denied("SelectOwnership"):
            self.select(wire, "r1")

    def test_do_not_show_the_role(self, server, prepared):
        with denied("SelectOwnership"):
            server.wire("u1").call("SelectRole", role={"name": "r1"})


class TestAcknowledgedIsInForce:
    """For the very next call, on another connection, time after time."""

    TIMES = 200

    def check(self, server, allow, forbid, rpc="ListCredUsers", **fields):
        wire = server.wire("u1")
        for _ in range(self.TIMES):
            allow()
            assert decision(wire, rpc, **fields) is None
            forbid()
            assert decision(wire, rpc, **fields) is not None

    def test_grants(self, server, prepared):
        self.check(
            server,
            lambda: prepared.grant_privilege_v2("r1", "SelectOwnership", "*", db_name="*"),
            lambda: prepared.revoke_privilege_v2("r1", "SelectOwnership", "*", db_name="*"),
        )

    def test_grants_on_a_database(self, server, prepared):
        self.check(
            server,
            lambda: prepared.grant_privilege("r1", "Global", "DescribeDatabase", "*", "db1"),
            lambda: prepared.revoke_privilege("r1", "Global", "DescribeDatabase", "*", "db1"),
            "DescribeDatabase",
            db_name="db1",
        )

    def test_grants_on_a_collection(self, gateway, behind):
        self.check(
            gateway,
            lambda: behind.grant_privilege("r1", "Collection", "Search", "c1", "db1"),
            lambda: behind.revoke_privilege("r1", "Collection", "Search", "c1", "db1"),
            "Search",
            db_name="db1",
            collection_name="c1",
        )

    def test_bindings(self, server, prepared):
        self.check(
            server,
            lambda: prepared.grant_role("u1", "admin"),
            lambda: prepared.revoke_role("u1", "admin"),
        )

    def test_members_of_groups(self, server, prepared):
        prepared.create_privilege_group("g1")
        prepared.grant_privilege_v2("r1", "g1", "*", db_name="*")
        self.check(
            server,
            lambda: prepared.add_privileges_to_group("g1", ["SelectOwnership"]),
            lambda: prepared.remove_privileges_from_group("g1", ["SelectOwnership"]),
        )

    def test_dropped_roles(self, server, prepared):
        def allow():
            prepared.create_role("r2")
            prepared.grant_privilege_v2("r2", "SelectOwnership", "*", db_name="*")
            prepared.grant_role("u1", "r2")

        self.check(server, allow, lambda: prepared.drop_role("r2", force_drop=True))

    def test_grants_kept_by_another_way(self, server, prepared):
        """A revoke takes no more than it says."""
        prepared.grant_privilege_v2("r1", "ClusterReadOnly", "*", db_name="*")
        prepared.grant_privilege_v2("r1", "SelectOwnership", "*", db_name="*")
        wire = server.wire("u1")
        prepared.revoke_privilege_v2("r1", "SelectOwnership", "*", db_name="*")
        assert decision(wire, "ListCredUsers") is None
        prepared.revoke_privilege_v2("r1", "ClusterReadOnly", "*", db_name="*")
        assert decision(wire, "ListCredUsers") == denial("SelectOwnership")

    def test_of_the_role_public(self, server, prepared):
        wire = server.wire("u1")
        prepared.grant_privilege_v2("public", "SelectOwnership", "*", db_name="*")
        assert decision(wire, "ListCredUsers") is None
        prepared.revoke_privilege_v2("public", "SelectOwnership", "*", db_name="*")
        assert decision(wire, "ListCredUsers") == denial("SelectOwnership")

    def test_of_what_public_had_at_first(self, gateway, behind):
        wire = gateway.wire("u1")
        assert decision(wire, "DescribeCollection", collection_name="c1") is None
        behind.revoke_privilege("public", "Global", "DescribeCollection", "*", db_name="*")
        refusal = decision(wire, "DescribeCollection", collection_name="c1")
        assert refusal == denial("DescribeCollection", database="default")


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
