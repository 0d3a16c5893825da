"""The wire itself: what pymilvus does not show, and what it never sends."""

import random
import socket
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pymilvus.grpc_gen import common_pb2, milvus_pb2

from facts import GRANT_CHECK, GROUP_CHECK, GROUP_TAKEN, NO_ROLE, RESTORE_CHECK
from harness import PASSWORD, SERVICE, Wire, add_user, base64_text, rpc_error

DEADLINE_EXCEEDED = grpc.StatusCode.DEADLINE_EXCEEDED
INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND = grpc.StatusCode.NOT_FOUND
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED
UNIMPLEMENTED = grpc.StatusCode.UNIMPLEMENTED

# Other codes make clients try again, for minutes.
FINAL = {
    DEADLINE_EXCEEDED,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.UNAUTHENTICATED,
    INVALID_ARGUMENT,
    grpc.StatusCode.ALREADY_EXISTS,
    RESOURCE_EXHAUSTED,
    UNIMPLEMENTED,
}


def path(rpc):
    return f"/{SERVICE.full_name}/{rpc}"


@pytest.fixture
def prepared(root):
    """A user u1 with the role r1, which holds a privilege and the group g1, with one member."""
    root.create_role("r1")
    add_user(root, "u1", "r1")
    root.create_privilege_group("g1")
    root.add_privileges_to_group("g1", ["Search"])
    root.grant_privilege_v2("r1", "Search", "c1")
    root.grant_privilege_v2("r1", "g1", "*")


UNARY = [m.name for m in SERVICE.methods if not m.client_streaming and not m.server_streaming]

# What must be answered here, whatever is behind it.
SERVED = """
    CreateCredential UpdateCredential DeleteCredential ListCredUsers CreateRole AlterRole DropRole
    OperateUserRole SelectRole SelectUser OperatePrivilege OperatePrivilegeV2 SelectGrant
    CreatePrivilegeGroup DropPrivilegeGroup ListPrivilegeGroups OperatePrivilegeGroup BackupRBAC
    RestoreRBAC Connect GetVersion CheckHealth GetComponentStates AllocTimestamp CreateDatabase
    DropDatabase AlterDatabase ListDatabases DescribeDatabase ShowCollections
""".split()
# Not served by Milvus either, or not yet; a client has to notice it.
REFUSED = """
    AddUserTags DeleteUserTags GetUserTags ListUsersWithTag CreateRowPolicy DropRowPolicy ListRowPolicies
""".split()


class TestStatus:
    @pytest.mark.parametrize("rpc", SERVED)
    def test_is_there(self, wire, rpc):
        """Even when it is all zeros: some clients refuse an answer without it."""
        message = wire.call(rpc).message
        if message.DESCRIPTOR.full_name != "milvus.proto.common.Status":
            assert message.HasField("status"), message

    def test_every_rpc_is_served_or_says_what_is_missing(self, wire):
        others = {}
        for rpc in UNARY:
            try:
                answer = wire.call(rpc)
            except grpc.RpcError as error:
                text = error.details()
                if error.code() != UNIMPLEMENTED or rpc not in text or "--upstream" not in text:
                    others[rpc] = (error.code(), text)
                continue
            message = answer.message
            if "status" in message.DESCRIPTOR.fields_by_name and not message.HasField("status"):
                others[rpc] = "no status"
        for rpc in REFUSED:
            # Without a word about an upstream, which would not help.
            others.pop(rpc, None)
        assert others == {}

    @pytest.mark.parametrize("rpc", REFUSED)
    def test_what_is_refused_is_seen(self, wire, rpc):
        try:
            status = wire.call(rpc).status
        except grpc.RpcError as error:
            assert error.code() == UNIMPLEMENTED
            assert rpc in error.details()
        else:
            assert status.code != 0 and status.error_code != 0
            assert rpc in status.reason

    SUCCESSES = [
        ("CreateCredential", {"username": "u2", "password": base64_text(PASSWORD)}),
        (
            "UpdateCredential",
            {
                "username": "u1",
                "oldPassword": base64_text(PASSWORD),
                "newPassword": base64_text("new password"),
            },
        ),
        ("UpdateCredential", {"username": "u1", "description": ""}),
        ("DeleteCredential", {"username": "u1"}),
        ("ListCredUsers", {}),
        ("SelectUser", {}),
        ("SelectUser", {"user": {"name": "nobody"}}),
        ("CreateRole", {"entity": {"name": "r2"}}),
        ("AlterRole", {"role_name": "r1", "description": "d"}),
        ("DropRole", {"role_name": "r1", "force_drop": True}),
        ("SelectRole", {}),
        ("SelectRole", {"role": {"name": "nope"}}),
        ("OperateUserRole", {"username": "u1", "role_name": "r1", "type": 1}),
        ("SelectGrant", {"entity": {"role": {"name": "r1"}}}),
        ("CreatePrivilegeGroup", {"group_name": "g2"}),
        ("DropPrivilegeGroup", {"group_name": "nope"}),
        ("ListPrivilegeGroups", {}),
        (
            "OperatePrivilegeGroup",
            {"group_name": "g1", "privileges": [{"name": "Query"}], "type": 0},
        ),
        ("BackupRBAC", {}),
        ("RestoreRBAC", {}),
        ("RestoreRBAC", {"RBAC_meta": {}}),
        ("Connect", {}),
        ("GetVersion", {}),
        ("CheckHealth", {}),
        ("AllocTimestamp", {}),
        ("ListDatabases", {}),
        ("CreateDatabase", {"db_name": "db1"}),
        ("DescribeDatabase", {"db_name": "default"}),
    ]

    @pytest.mark.parametrize("rpc, fields", SUCCESSES)
    def test_of_success_is_all_zeros(self, wire, prepared, rpc, fields):
        status = wire.call(rpc, **fields).status
        assert status.ListFields() == [], status


def v1(type=0, **changes):
    """A v1 request; a change to None takes a part away."""
    entity = {
        "role": {"name": "r1"},
        "object": {"name": "Collection"},
        "object_name": "c1",
        "grantor": {"privilege": {"name": "Search"}},
    } | changes
    return {"entity": {k: v for k, v in entity.items() if v is not None}, "type": type}


def v2(type=0, **changes):
    request = {
        "role": {"name": "r1"},
        "grantor": {"privilege": {"name": "Search"}},
        "collection_name": "c1",
        "db_name": "default",
    } | changes
    return {k: v for k, v in request.items() if v is not None} | {"type": type}


def select(**entity):
    return {"entity": {"role": {"name": "r1"}} | entity}


def operate(group, privileges=("Search",), type=0):
    return {"group_name": group, "privileges": [{"name": p} for p in privileges], "type": type}


def restore(**lists):
    return {"RBAC_meta": lists}


EMPTY = "should be not empty: invalid parameter[expected=not empty][actual=]"
TOO_SHORT = "invalid password length: invalid parameter[5 out of range 6 <= value <= 72]"
NOT_BASE64 = "illegal base64 data at input byte 0"
NEW_USER = {"username": "u2", "password": base64_text(PASSWORD)}
NEW_PASSWORD = {
    "username": "u1",
    "oldPassword": base64_text(PASSWORD),
    "newPassword": base64_text("new password"),
}

# RPC, request, code, legacy code, reason. A reason that ends in … is matched on what is before it.
ERRORS = [
    ("CreateCredential", {}, 1100, 5, "username must be not empty: invalid parameter"),
    (
        "CreateCredential",
        NEW_USER | {"description": "d" * 1025},
        1100,
        5,
        "invalid user description with length 1025, the length of user description must be less than "
        "or equal to 1024: invalid parameter",
    ),
    (
        "CreateCredential",
        NEW_USER | {"password": "???"},
        1100,
        5,
        f"decode password fail: {NOT_BASE64}",
    ),
    ("CreateCredential", NEW_USER | {"password": base64_text("12345")}, 1100, 5, TOO_SHORT),
    (
        "CreateCredential",
        NEW_USER | {"username": "u1"},
        1100,
        29,
        "user already exists: u1: invalid parameter",
    ),
    (
        "UpdateCredential",
        {"username": "u1"},
        1100,
        5,
        "must update either password or description: invalid parameter",
    ),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"oldPassword": "???"},
        1100,
        5,
        f"decode old password failed: {NOT_BASE64}",
    ),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"newPassword": "???"},
        1100,
        5,
        f"decode password failed: {NOT_BASE64}",
    ),
    ("UpdateCredential", NEW_PASSWORD | {"newPassword": base64_text("12345")}, 1100, 5, TOO_SHORT),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"oldPassword": base64_text("wrong one")},
        1400,
        1,
        "old password not correct for u1: not authenticated",
    ),
    (
        "UpdateCredential",
        NEW_PASSWORD | {"username": "nobody"},
        1400,
        1,
        "old password not correct for nobody: not authenticated",
    ),
    (
        "UpdateCredential",
        {"username": "nobody", "description": "d"},
        65535,
        30,
        "failed to check if update credential: user not found",
    ),
    (
        "DeleteCredential",
        {"username": "root"},
        1401,
        1,
        "root user cannot be deleted: privilege not permitted",
    ),
    (
        "DeleteCredential",
        {},
        1100,
        31,
        "failed to check if delete credential: username is empty: invalid parameter",
    ),
    ("CreateRole", {}, 1100, 5, f"role name {EMPTY}"),
    (
        "CreateRole",
        {"entity": {"name": "r2", "description": "d" * 1025}},
        1100,
        5,
        "the length of role description must be not greater than limit: invalid parameter"
        "[1025 out of range 0 <= value <= 1024]",
    ),
    (
        "CreateRole",
        {"entity": {"name": "r1"}},
        1100,
        35,
        'role [name:"r1"] already exists: invalid parameter',
    ),
    ("AlterRole", {}, 1100, 5, f"role name {EMPTY}"),
    (
        "AlterRole",
        {"role_name": "admin", "description": "d"},
        1401,
        1,
        "the role[admin] is a default role, which can't be altered: privilege not permitted",
    ),
    ("AlterRole", {"role_name": "nope"}, 65535, 1, "failed to check if alter role: role not exists"),
    ("DropRole", {}, 1100, 5, f"role name {EMPTY}"),
    (
        "DropRole",
        {"role_name": "public", "force_drop": True},
        1401,
        1,
        "the role[public] is a default role, which can't be dropped: privilege not permitted",
    ),
    ("DropRole", {"role_name": "nope", "force_drop": True}, 1100, 36, NO_ROLE),
    (
        "DropRole",
        {"role_name": "r1"},
        1100,
        36,
        "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to "
        "revoke privileges: invalid parameter",
    ),
    ("OperateUserRole", {"role_name": "r1"}, 1100, 5, "username must be not empty: invalid parameter"),
    ("OperateUserRole", {"username": "u1"}, 1100, 5, f"role name {EMPTY}"),
    ("OperateUserRole", {"username": "u1", "role_name": "nope"}, 1100, 37, NO_ROLE),
    (
        "OperateUserRole",
        {"username": "nobody", "role_name": "r1"},
        1100,
        37,
        'failed to check if operate user role: user "nobody" not found: invalid parameter',
    ),
    (
        "OperateUserRole",
        {"username": "u1", "role_name": "r1", "type": 7},
        65535,
        37,
        "invalid operate user role type",
    ),
    ("SelectRole", {"role": {}}, 1100, 5, f"role name {EMPTY}"),
    ("SelectUser", {"user": {}}, 1100, 5, "username must be not empty: invalid parameter"),
    ("OperatePrivilege", {}, 1100, 5, "the entity in the request is nil: invalid parameter"),
    (
        "OperatePrivilege",
        v1(grantor=None),
        1100,
        5,
        "the grantor entity in the grant entity is nil: invalid parameter",
    ),
    (
        "OperatePrivilege",
        v1(grantor={}),
        1100,
        5,
        "the privilege entity in the grantor entity is nil: invalid parameter",
    ),
    ("OperatePrivilege", v1(grantor={"privilege": {}}), 1100, 5, f"Privilege {EMPTY}"),
    (
        "OperatePrivilege",
        v1(object=None),
        1100,
        5,
        "the resource entity in the grant entity is nil: invalid parameter",
    ),
    ("OperatePrivilege", v1(object={}), 1100, 5, f"ObjectType {EMPTY}"),
    ("OperatePrivilege", v1(object_name=None), 1100, 5, f"object name {EMPTY}"),
    (
        "OperatePrivilege",
        v1(role=None),
        1100,
        5,
        "the object entity in the grant entity is nil: invalid parameter",
    ),
    ("OperatePrivilege", v1(role={}), 1100, 5, f"role name {EMPTY}"),
    (
        "OperatePrivilege",
        v1(type=9),
        1100,
        41,
        f"{GRANT_CHECK}invalid operate privilege type, current type: 9, valid value: [Grant, Revoke]"
        ": invalid parameter",
    ),
    (
        "OperatePrivilege",
        v1(object={"name": "Database"}),
        1100,
        41,
        f"{GRANT_CHECK}the object entity in the request is nil or invalid: invalid parameter",
    ),
    (
        "OperatePrivilege",
        v1(role={"name": "nope"}),
        1100,
        41,
        f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter',
    ),
    (
        "OperatePrivilege",
        v1(grantor={"privilege": {"name": "g1"}}),
        1100,
        41,
        "can not operate the custom privilege group [g1]: invalid parameter",
    ),
    (
        "OperatePrivilege",
        v1(grantor={"privilege": {"name": "DatabaseAdmin"}}),
        1100,
        41,
        "can not operate the built-in privilege group [DatabaseAdmin]: invalid parameter",
    ),
    (
        "OperatePrivilege",
        v1(grantor={"privilege": {"name": "Nonsense"}}),
        1100,
        41,
        "not found the privilege name[Nonsense] in object[Collection]: invalid parameter",
    ),
    (
        # By this version the request follows the rules of v2, whose privileges have one type.
        "OperatePrivilege",
        v1(grantor={"privilege": {"name": "Nonsense"}}) | {"version": "v2"},
        1100,
        41,
        "not found the privilege name[Nonsense]: invalid parameter",
    ),
    ("OperatePrivilegeV2", {}, 1100, 5, "the role in the request is nil: invalid parameter"),
    ("OperatePrivilegeV2", v2(role={}), 1100, 5, f"role name {EMPTY}"),
    ("OperatePrivilegeV2", v2(grantor=None), 1100, 5, "…"),
    ("OperatePrivilegeV2", v2(grantor={}), 1100, 5, "…"),
    ("OperatePrivilegeV2", v2(grantor={"privilege": {}}), 1100, 5, f"Privilege {EMPTY}"),
    (
        "OperatePrivilegeV2",
        v2(type=9),
        1100,
        5,
        "the type in the request not grant or revoke: invalid parameter",
    ),
    (
        "OperatePrivilegeV2",
        v2(db_name="1db"),
        802,
        1,
        "the first character of a database name must be an underscore or letter: invalid database name"
        "[database=1db]",
    ),
    ("OperatePrivilegeV2", v2(collection_name=""), 1100, 5, f"collection name {EMPTY}"),
    (
        "OperatePrivilegeV2",
        v2(role={"name": "nope"}),
        1100,
        41,
        f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter',
    ),
    (
        "OperatePrivilegeV2",
        v2(grantor={"privilege": {"name": "Nonsense"}}),
        1100,
        41,
        "not found the privilege name[Nonsense]: invalid parameter",
    ),
    (
        "OperatePrivilegeV2",
        v2(grantor={"privilege": {"name": "ClusterAdmin"}}),
        1100,
        41,
        "dbName and collectionName should be * for the cluster level privilege: ClusterAdmin"
        ": invalid parameter",
    ),
    ("SelectGrant", {}, 1100, 5, "the grant entity in the request is nil: invalid parameter"),
    (
        "SelectGrant",
        {"entity": {}},
        1100,
        5,
        "the role entity in the grant entity is nil: invalid parameter",
    ),
    ("SelectGrant", select(role={}), 1100, 5, f"role name {EMPTY}"),
    ("SelectGrant", select(object={"name": "Collection"}), 1100, 5, f"object name {EMPTY}"),
    (
        "SelectGrant",
        select(role={"name": "nope"}),
        1100,
        42,
        'the role "nope" does not exist: invalid parameter',
    ),
    (
        "SelectGrant",
        select(object={"name": "Database"}, object_name="db1"),
        1100,
        42,
        "not found the object type[name: Database]…",
    ),
    (
        "CreatePrivilegeGroup",
        {},
        1402,
        1,
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
    ),
    ("CreatePrivilegeGroup", {"group_name": "1g"}, 1402, 1, "1g: invalid privilege group name[…"),
    (
        "CreatePrivilegeGroup",
        {"group_name": "g-1"},
        1100,
        5,
        "privilege group name g-1 can only contain numbers, letters and underscores: invalid parameter",
    ),
    (
        "CreatePrivilegeGroup",
        {"group_name": "g1"},
        1100,
        58,
        "failed to check if privilege group creatable: privilege group name [g1] is defined by users"
        ": invalid parameter",
    ),
    ("CreatePrivilegeGroup", {"group_name": "Search"}, 1100, 58, GROUP_TAKEN.format("Search")),
    (
        "DropPrivilegeGroup",
        {},
        1402,
        1,
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
    ),
    (
        "DropPrivilegeGroup",
        {"group_name": "g1"},
        1100,
        59,
        "failed to check if privilege group dropable: privilege group [g1] is used by role [r1], Use "
        "REVOKE API to revoke it first: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate(""),
        1402,
        1,
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]",
    ),
    ("OperatePrivilegeGroup", operate("g1", [""]), 1100, 5, f"Privilege {EMPTY}"),
    (
        "OperatePrivilegeGroup",
        operate("nope"),
        1100,
        61,
        f"{GROUP_CHECK}there is no privilege group name [nope] defined in system to operate"
        ": invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate("g1", []),
        1100,
        61,
        f"{GROUP_CHECK}privileges is empty when alter the privilege group: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate("g1", ["Search", "Nonsense"], type=1),
        1100,
        61,
        f"{GROUP_CHECK}there is no privilege name or privilege group name [Nonsense] defined in system "
        "to operate: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate("g1", ["CreateDatabase"]),
        1100,
        61,
        f"{GROUP_CHECK}privileges are not the same privilege level: invalid parameter",
    ),
    (
        "OperatePrivilegeGroup",
        operate("g1", type=7),
        65535,
        61,
        "invalid operate privilege group type",
    ),
    (
        "RestoreRBAC",
        restore(roles=[{"name": "r1"}]),
        1100,
        41,
        f"{RESTORE_CHECK}role [r1] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore(roles=[{"name": "admin"}]),
        1100,
        41,
        f"{RESTORE_CHECK}role [admin] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore(privilege_groups=[{"group_name": "g1"}]),
        1100,
        41,
        f"{RESTORE_CHECK}privilege group [g1] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore(grants=[v1(grantor={"privilege": {"name": "Nonsense"}})["entity"]]),
        1100,
        41,
        f"{RESTORE_CHECK}privilege [Nonsense] does not exist: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore(users=[{"user": "u1"}]),
        1100,
        41,
        f"{RESTORE_CHECK}user [u1] already exists: invalid parameter",
    ),
    (
        "RestoreRBAC",
        restore(users=[{"user": "u2", "roles": [{"name": "nope"}]}]),
        1100,
        41,
        f"{RESTORE_CHECK}role [nope] does not exist: invalid parameter",
    ),
]
# The codes of errors that are not the caller's.
NOT_INPUT = {9, 800, 65535}


def check_error(status, code, legacy, reason):
    assert (status.code, status.error_code) == (code, legacy), status.reason
    if reason.endswith("…"):
        assert status.reason.startswith(reason[:-1])
    else:
        assert status.reason == reason
    assert status.detail == status.reason
    assert not status.retriable


@pytest.mark.parametrize(
    "rpc, request_fields, code, legacy, reason",
    ERRORS,
    ids=[f"{rpc}-{number}" for number, (rpc, *_) in enumerate(ERRORS)],
)
def test_errors(wire, prepared, rpc, request_fields, code, legacy, reason):
    answer = wire.call(rpc, **request_fields)
    check_error(answer.status, code, legacy, reason)
    extra = {} if code in NOT_INPUT else {"is_input_error": "true"}
    assert dict(answer.status.extra_info) == extra


def test_error_of_a_limit(start):
    wire = start("--max-users", "1", "--max-roles", "2").wire()
    for rpc, fields, legacy, text in [
        (
            "CreateCredential",
            NEW_USER,
            29,
            "failed to check if add credential: quota exceeded[reason=unable to add user because the "
            "number of users has reached the limit]…",
        ),
        (
            "CreateRole",
            {"entity": {"name": "r1"}},
            35,
            "failed to check if create role: quota exceeded[reason=unable to create role because the "
            "number of roles has reached the limit]…",
        ),
    ]:
        status = wire.call(rpc, **fields).status
        check_error(status, 9, legacy, text)
        assert dict(status.extra_info) == {}


def test_error_of_an_unknown_database(wire):
    status = wire.call("Connect", metadata=[("dbname", "nope")]).status
    check_error(status, 800, 1, "database not found[database=nope]")
    assert dict(status.extra_info) == {"is_input_error": "true"}
    for rpc in ("DescribeDatabase", "AlterDatabase", "DropDatabase"):
        check_error(wire.call(rpc, db_name="nope").status, 800, 1, "database not found[database=nope]")


class TestRevision:
    def test_is_on_every_answer(self, wire, prepared):
        for rpc in SERVED:
            assert wire.call(rpc).revision > 0, rpc

    def test_is_on_refusals_of_users(self, server, wire, prepared):
        with pytest.raises(grpc.RpcError) as caught:
            server.wire("u1").call("ListCredUsers")
        error = caught.value
        metadata = dict((*error.initial_metadata(), *error.trailing_metadata()))
        assert int(metadata["milvus-rbac-revision"]) == wire.call("GetVersion").revision

    CHANGES = [
        ("CreateCredential", NEW_USER),
        ("UpdateCredential", NEW_PASSWORD),
        ("UpdateCredential", {"username": "u1", "description": "d"}),
        ("DeleteCredential", {"username": "u2"}),
        ("CreateRole", {"entity": {"name": "r2"}}),
        ("AlterRole", {"role_name": "r2", "description": "d"}),
        ("OperateUserRole", {"username": "u1", "role_name": "r2"}),
        ("OperateUserRole", {"username": "u1", "role_name": "r2", "type": 1}),
        ("DropRole", {"role_name": "r2"}),
        # One change, though it brings two more privileges.
        ("OperatePrivilege", v1(grantor={"privilege": {"name": "Load"}})),
        ("OperatePrivilege", v1(grantor={"privilege": {"name": "Load"}}, type=1)),
        ("OperatePrivilegeV2", v2(grantor={"privilege": {"name": "Query"}})),
        ("CreatePrivilegeGroup", {"group_name": "g2"}),
        ("OperatePrivilegeGroup", operate("g2", ["Search", "Query"])),
        ("OperatePrivilegeGroup", operate("g2", type=1)),
        ("DropPrivilegeGroup", {"group_name": "g2"}),
        ("CreateDatabase", {"db_name": "db1"}),
        ("DropDatabase", {"db_name": "db1"}),
        ("RestoreRBAC", restore(roles=[{"name": "r3"}, {"name": "r4"}])),
        ("DropRole", {"role_name": "r1", "force_drop": True}),
    ]

    def test_rises_by_one_for_each_change(self, wire, prepared):
        before = wire.call("GetVersion").revision
        for rpc, fields in self.CHANGES:
            answer = wire.call(rpc, **fields)
            assert answer.status.code == 0, (rpc, answer.status.reason)
            assert answer.revision == before + 1, rpc
            before = answer.revision
            assert wire.call("GetVersion").revision == before

    def test_stays_without_a_change(self, wire, prepared):
        before = wire.call("GetVersion").revision
        for rpc, fields in [
            ("ListCredUsers", {}),
            ("SelectGrant", select()),
            ("BackupRBAC", {}),
            # Refused.
            ("CreateRole", {"entity": {"name": "r1"}}),
            ("DropRole", {"role_name": "nope"}),
            # Fulfilled already.
            ("DeleteCredential", {"username": "nobody"}),
            ("OperateUserRole", {"username": "u1", "role_name": "r1"}),
            ("OperatePrivilege", v1()),
            ("OperatePrivilegeV2", v2()),
            ("OperatePrivilegeGroup", operate("g1")),
            ("DropPrivilegeGroup", {"group_name": "nope"}),
            ("RestoreRBAC", {}),
        ]:
            assert wire.call(rpc, **fields).revision == before, rpc

    def test_may_be_demanded(self, wire):
        revision = wire.call("CreateRole", entity={"name": "r1"}).revision
        for demanded in (0, 1, revision):
            answer = wire.call("SelectRole", metadata=[("milvus-rbac-min-revision", str(demanded))])
            assert answer.revision == revision

    def test_is_waited_for_until_the_deadline(self, wire):
        revision = wire.call("GetVersion").revision
        started = time.monotonic()
        with rpc_error(DEADLINE_EXCEEDED):
            wire.call(
                "SelectRole",
                metadata=[("milvus-rbac-min-revision", str(revision + 1))],
                timeout=1,
            )
        assert 0.5 < time.monotonic() - started < 3
        assert wire.call("GetVersion").revision == revision

    def test_is_waited_for_until_it_is_reached(self, server, wire):
        revision = wire.call("GetVersion").revision
        waiting = server.wire()
        found = []

        def wait():
            demand = [("milvus-rbac-min-revision", str(revision + 1))]
            found.append(waiting.call("SelectRole", role={"name": "r1"}, metadata=demand))

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.3)
        assert found == []
        wire.ok("CreateRole", entity={"name": "r1"})
        thread.join(10)
        (answer,) = found
        assert len(answer.message.results) == 1

    @pytest.mark.parametrize("demanded", ["", "x", "-1", "1.5", "99999999999999999999999", "1 2"])
    def test_is_a_number(self, wire, demanded):
        with rpc_error(INVALID_ARGUMENT, containing=["milvus-rbac-min-revision"]):
            wire.call("SelectRole", metadata=[("milvus-rbac-min-revision", demanded)])


class TestHealth:
    @pytest.fixture
    def health(self, server):
        return health_pb2_grpc.HealthStub(server.wire(authorization="").channel)

    @pytest.mark.parametrize("service", ["", SERVICE.full_name])
    def test_needs_no_credentials(self, health, service):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_does_not_mind_wrong_ones(self, health):
        wrong = (("authorization", base64_text("root:wrong password")),)
        answer = health.Check(health_pb2.HealthCheckRequest(), metadata=wrong, timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING

    def test_of_an_unknown_service(self, health):
        with rpc_error(NOT_FOUND):
            health.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=5)

    def test_may_be_watched(self, health):
        stream = health.Watch(health_pb2.HealthCheckRequest(), timeout=5)
        assert next(stream).status == health_pb2.HealthCheckResponse.SERVING
        stream.cancel()


class TestConnection:
    def test_connect(self, wire):
        answer = wire.ok("Connect")
        assert answer.identifier > 0
        assert answer.server_info.build_tags != ""
        assert answer.server_info.build_tags == wire.ok("GetVersion").version

    def test_check_health(self, wire):
        answer = wire.ok("CheckHealth")
        assert answer.isHealthy
        assert list(answer.reasons) == []

    def test_timestamps_rise(self, wire):
        stamps = [wire.ok("AllocTimestamp").timestamp for _ in range(50)]
        assert stamps == sorted(set(stamps))
        # Milliseconds since 1970, shifted by 18 bits.
        assert abs((stamps[0] >> 18) / 1000 - time.time()) < 60

    def test_unknown_metadata_is_ignored(self, wire):
        wire.ok(
            "SelectRole",
            metadata=[
                ("identifier", "not a number"),
                ("dbname", ""),
                ("client-request-id", ""),
                ("client-request-unixmsec", "0"),
            ],
        )

    def test_a_heartbeat_is_answered_quickly(self, server):
        wire = server.wire()
        started = time.monotonic()
        try:
            wire.raw("/milvus.proto.milvus.ClientTelemetryService/ClientHeartbeat", b"", timeout=5)
        except grpc.RpcError as error:
            assert error.code() == UNIMPLEMENTED
        assert time.monotonic() - started < 1

    def test_pings_without_calls_are_tolerated(self, server):
        options = [
            ("grpc.keepalive_time_ms", 200),
            ("grpc.keepalive_permit_without_calls", 1),
            ("grpc.http2.max_pings_without_data", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        states = []
        with grpc.insecure_channel(server.address, options=options) as channel:
            call = channel.unary_unary(path("GetVersion"))
            metadata = (("authorization", base64_text("root:Milvus")),)
            call(b"", metadata=metadata, timeout=5)
            channel.subscribe(states.append)
            time.sleep(2.5)
            call(b"", metadata=metadata, timeout=5)
            channel.unsubscribe(states.append)
        assert states == [grpc.ChannelConnectivity.READY]

    @pytest.mark.parametrize(
        "unknown",
        [
            path("NoSuchMethod"),
            path("searchh"),
            f"/{SERVICE.full_name}/",
            "/milvus.proto.milvus.NoSuchService/Search",
            "/no.such.Service/Method",
            "/Search",
        ],
    )
    def test_unknown_methods(self, server, wire, unknown):
        with rpc_error(UNIMPLEMENTED):
            wire.raw(unknown, b"")
        wire.ok("GetVersion")


class TestSelectGrant:
    """The look-up of one object, by literal name."""

    @pytest.fixture
    def found(self, root, wire):
        root.create_role("r1")
        for privilege, collection, database in [
            ("Search", "c1", "db1"),
            ("Query", "c1", "db1"),
            ("Insert", "*", "db1"),
            ("Load", "*", "*"),
            ("Delete", "c1", "default"),
            ("g1", "c1", "db1"),
        ]:
            if privilege == "g1":
                root.create_privilege_group("g1")
            root.grant_privilege_v2("r1", privilege, collection, db_name=database)
        # Only thus can a grant name a collection on all databases.
        root.grant_privilege("r1", "Collection", "Upsert", "c1", db_name="*")

        def found(object_type, name, database):
            entity = {
                "role": {"name": "r1"},
                "object": {"name": object_type},
                "object_name": name,
                "db_name": database,
            }
            return [
                (e.db_name, e.object_name, e.grantor.privilege.name)
                for e in wire.ok("SelectGrant", entity=entity).entities
            ]

        return found

    LOOKUPS = [
        (
            ("Collection", "c1", "db1"),
            [("*", "c1", "Upsert"), ("db1", "c1", "Query"), ("db1", "c1", "Search")],
        ),
        (("Collection", "c1", ""), [("*", "c1", "Upsert"), ("default", "c1", "Delete")]),
        (("Collection", "c1", "*"), [("*", "c1", "Upsert")]),
        (
            ("Collection", "*", "db1"),
            [
                ("*", "*", "GetLoadState"),
                ("*", "*", "GetLoadingProgress"),
                ("*", "*", "Load"),
                ("db1", "*", "Insert"),
            ],
        ),
        (("Global", "c1", "db1"), [("db1", "c1", "g1")]),
        (("Global", "*", "db1"), []),
        (("User", "*", "*"), []),
        (("Collection", "c2", "db1"), []),
    ]

    @pytest.mark.parametrize("lookup, expected", LOOKUPS)
    def test_lookups(self, found, lookup, expected):
        assert found(*lookup) == expected

    def test_an_entity_is_complete(self, wire, prepared):
        first, _ = wire.ok("SelectGrant", **select()).entities
        assert first.role.name == "r1"
        assert first.object.name == "Collection"
        assert first.object_name == "c1"
        assert first.db_name == "default"
        assert first.grantor.user.name == "root"
        assert first.grantor.privilege.name == "Search"

    def test_an_empty_object_counts_as_none(self, wire, prepared):
        """The Node client sends one."""
        entities = wire.ok("SelectGrant", **select(object={}, object_name="")).entities
        assert len(entities) == 2


class TestRolesAndUsers:
    def test_users_of_roles(self, wire, root, prepared):
        add_user(root, "a.b", "r1")
        add_user(root, "a-b", "r1")
        add_user(root, "a", "r1")
        (result,) = wire.ok("SelectRole", role={"name": "r1"}, include_user_info=True).results
        # In the order of the stored keys <user>/<role>.
        assert [user.name for user in result.users] == ["a-b", "a.b", "a", "u1"]
        (result,) = wire.ok("SelectRole", role={"name": "r1"}).results
        assert list(result.users) == []

    def test_roles_of_users(self, wire, prepared):
        results = wire.ok("SelectUser", include_role_info=True).results
        assert [(r.user.name, [role.name for role in r.roles]) for r in results] == [
            ("root", []),
            ("u1", ["r1"]),
        ]
        results = wire.ok("SelectUser").results
        assert [list(r.roles) for r in results] == [[], []]

    def test_descriptions(self, wire, root):
        root.create_role("r1", description="of the role")
        root.create_user("u1", PASSWORD, description="of the user")
        (result,) = wire.ok("SelectRole", role={"name": "r1"}).results
        assert result.role.description == "of the role"
        (result,) = wire.ok("SelectUser", user={"name": "u1"}).results
        assert result.description == "of the user"


class TestBackup:
    def fill(self, root):
        root.create_role("r1", description="the first")
        root.create_role("r2")
        add_user(root, "u1", "r1", "admin")
        add_user(root, "u2")
        root.create_privilege_group("g1")
        root.add_privileges_to_group("g1", ["Search", "Query"])
        root.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
        root.grant_privilege_v2("r1", "Search", "*", db_name="*")
        root.grant_privilege_v2("r1", "*", "c1")
        root.grant_privilege_v2("public", "Query", "c1")

    def test_what_it_holds(self, wire, root):
        self.fill(root)
        meta = wire.ok("BackupRBAC").RBAC_meta
        assert [(u.user, [r.name for r in u.roles]) for u in meta.users] == [
            ("u1", ["admin", "r1"]),
            ("u2", []),
        ]
        assert all(user.password.startswith("$2") for user in meta.users)
        assert [(role.name, role.description) for role in meta.roles] == [
            ("r1", "the first"),
            ("r2", ""),
        ]
        assert [
            (g.role.name, g.object.name, g.db_name, g.object_name, g.grantor.privilege.name)
            for g in meta.grants
        ] == [
            ("r1", "Collection", "*", "*", "Search"),
            ("r1", "Global", "db1", "c1", "g1"),
            ("r1", "Global", "default", "c1", "*"),
        ]
        (group,) = meta.privilege_groups
        assert group.group_name == "g1"
        assert sorted(p.name for p in group.privileges) == ["Query", "Search"]

    def test_restored_elsewhere(self, start):
        source, target = start(), start()
        self.fill(source.client())
        backup = source.wire().ok("BackupRBAC").RBAC_meta
        target.wire().ok("RestoreRBAC", RBAC_meta=backup)
        assert target.wire().ok("BackupRBAC").RBAC_meta == backup
        # Passwords go along, and rights.
        assert sorted(target.client("u1").list_users()) == ["root", "u1", "u2"]
        status = target.wire().call("RestoreRBAC", RBAC_meta=backup).status
        assert (status.code, status.error_code) == (1100, 41)
        assert "role [r1] already exists" in status.reason

    def test_all_or_nothing(self, wire, root):
        before = wire.call("BackupRBAC")
        status = wire.call(
            "RestoreRBAC",
            RBAC_meta={
                "roles": [{"name": "r1"}],
                "privilege_groups": [{"group_name": "g1", "privileges": [{"name": "Search"}]}],
                "grants": [v1()["entity"]],
                "users": [{"user": "root"}],
            },
        ).status
        assert "user [root] already exists" in status.reason
        after = wire.call("BackupRBAC")
        assert (after.message, after.revision) == (before.message, before.revision)


MEGABYTE = 1 << 20
BAD_NAMES = {
    "NUL": "a\0b",
    "slash": "a/b",
    "dot": "a.b",
    "dots": "../../etc/passwd",
    "blank": "a b",
    "newline": "a\nb",
    "quote": 'a"b',
    "not ASCII": "äöü",
    "right to left": "a\u202eb",
    "long": "a" * MEGABYTE,
}
# RPCs with a name, each with the request that holds it.
NAMED = {
    "CreateCredential": lambda name: {"username": name, "password": base64_text(PASSWORD)},
    "CreateRole": lambda name: {"entity": {"name": name}},
    "AlterRole": lambda name: {"role_name": name},
    "DropRole": lambda name: {"role_name": name},
    "OperateUserRole": lambda name: {"username": "u1", "role_name": name},
    "SelectRole": lambda name: {"role": {"name": name}},
    "OperatePrivilege": lambda name: v1(role={"name": name}),
    "OperatePrivilege, object": lambda name: v1(object_name=name),
    "OperatePrivilege, type": lambda name: v1(object={"name": name}),
    "OperatePrivilege, privilege": lambda name: v1(grantor={"privilege": {"name": name}}),
    "OperatePrivilege, database": lambda name: v1(db_name=name),
    "OperatePrivilegeV2": lambda name: v2(role={"name": name}),
    "OperatePrivilegeV2, collection": lambda name: v2(collection_name=name),
    "OperatePrivilegeV2, privilege": lambda name: v2(grantor={"privilege": {"name": name}}),
    "OperatePrivilegeV2, database": lambda name: v2(db_name=name),
    "SelectGrant": lambda name: select(role={"name": name}),
    "SelectGrant, type": lambda name: select(object={"name": name}, object_name="c1"),
    "SelectGrant, object": lambda name: select(object={"name": "Collection"}, object_name=name),
    "CreatePrivilegeGroup": lambda name: {"group_name": name},
    "DropPrivilegeGroup": lambda name: {"group_name": name},
    "OperatePrivilegeGroup": lambda name: operate(name),
    "OperatePrivilegeGroup, member": lambda name: operate("g1", [name]),
    "CreateDatabase": lambda name: {"db_name": name},
    "RestoreRBAC, role": lambda name: restore(roles=[{"name": name}]),
    "RestoreRBAC, user": lambda name: restore(users=[{"user": name, "password": "x"}]),
    "RestoreRBAC, group": lambda name: restore(privilege_groups=[{"group_name": name}]),
}


class TestHostileInput:
    """The server refuses it, with a short answer, and goes on."""

    @pytest.fixture(autouse=True)
    def _goes_on(self, server, wire, prepared):
        before = wire.ok("BackupRBAC")
        yield
        assert server.running, server.log()
        assert wire.ok("BackupRBAC") == before
        assert server.client().list_databases() == ["default"]
        assert "panicked" not in server.log()

    @pytest.mark.parametrize("case", BAD_NAMES)
    def test_names(self, wire, case):
        name = BAD_NAMES[case]
        for what, request in NAMED.items():
            if (what, case) in {("CreateCredential", "dot"), ("RestoreRBAC, user", "dot")}:
                # A user's name may hold dots.
                continue
            try:
                status = wire.call(what.split(",")[0], **request(name)).status
            except grpc.RpcError as error:
                assert error.code() in (INVALID_ARGUMENT, RESOURCE_EXHAUSTED), (what, error)
                continue
            assert status.code in (802, 1100, 1402), (what, status.code, status.reason[:300])
            assert status.error_code != 0, what
            assert len(status.reason) < 4096, what

    @pytest.mark.parametrize("case", BAD_NAMES)
    def test_names_of_what_is_not_there(self, wire, case):
        """Where Milvus looks for the name without a word about its form."""
        name = BAD_NAMES[case]
        for rpc, request, codes in [
            ("DeleteCredential", {"username": name}, {0, 1100}),
            ("UpdateCredential", NEW_PASSWORD | {"username": name}, {1400, 1100}),
            ("DescribeDatabase", {"db_name": name}, {800, 802, 1100}),
            ("AlterDatabase", {"db_name": name}, {800, 802, 1100}),
            ("DropDatabase", {"db_name": name}, {800, 802, 1100}),
        ]:
            try:
                status = wire.call(rpc, **request).status
            except grpc.RpcError as error:
                assert error.code() in (INVALID_ARGUMENT, RESOURCE_EXHAUSTED), (rpc, error)
                continue
            assert status.code in codes, (rpc, status.code, status.reason[:300])
            assert len(status.reason) < 4096, rpc

    def test_names_of_collections(self, server, wire):
        """They meet the check of privileges before anything else does."""
        user = server.wire("u1")
        for name in BAD_NAMES.values():
            with pytest.raises(grpc.RpcError) as caught:
                user.call("Query", collection_name=name, db_name=name)
            assert caught.value.code() in FINAL
            assert len(caught.value.details()) < 4096

    @pytest.mark.parametrize("type", [2, 7, -1, 2**31 - 1, -(2**31)])
    def test_unknown_enum_numbers(self, wire, type):
        for rpc, request in [
            ("OperateUserRole", {"username": "u1", "role_name": "r1", "type": type}),
            ("OperatePrivilege", v1(type=type)),
            ("OperatePrivilegeV2", v2(type=type)),
            ("OperatePrivilegeGroup", operate("g1", type=type)),
        ]:
            status = wire.call(rpc, **request).status
            assert status.code in (1100, 65535), rpc
            assert status.error_code != 0, rpc

    def test_a_hundred_thousand_privileges(self, wire):
        started = time.monotonic()
        unknown = operate("g1", [f"Nonsense{number}" for number in range(100_000)])
        status = wire.call("OperatePrivilegeGroup", **unknown).status
        check_error(
            status,
            1100,
            61,
            f"{GROUP_CHECK}there is no privilege name or privilege group name [Nonsense0] defined in "
            "system to operate: invalid parameter",
        )
        wire.ok("OperatePrivilegeGroup", **operate("g1", ["Search"] * 100_000))
        assert time.monotonic() - started < 20

    def test_a_large_backup(self, wire):
        started = time.monotonic()
        grants = [v1(role={"name": "nope"})["entity"]] * 20_000
        status = wire.call("RestoreRBAC", **restore(grants=grants)).status
        assert status.code in (1100, 2), status.reason
        assert time.monotonic() - started < 20

    NOT_UTF8 = [
        ("DropRole", b"\x12\x02\xff\xfe"),
        ("DeleteCredential", b"\x12\x02\xc0\x80"),
        ("CreateRole", b"\x12\x04\x0a\x02\xff\xfe"),
        ("CreatePrivilegeGroup", b"\x12\x03\xed\xa0\x80"),
        ("DescribeDatabase", b"\x12\x01\xff"),
        ("OperatePrivilegeV2", b"\x12\x04\x0a\x02\xff\xfe"),
    ]

    @pytest.mark.parametrize("rpc, payload", NOT_UTF8)
    def test_text_that_is_not_utf8(self, wire, rpc, payload):
        with rpc_error(INVALID_ARGUMENT):
            wire.raw(path(rpc), payload)

    @pytest.mark.parametrize("payload", [b"\x12\x02\xff\xfe", b"\x1a\x02\xff\xfe", b"\x1a\x10abc"])
    def test_what_is_forwarded_is_read_before(self, start, upstream, payload):
        """As far as it says what the call is about."""
        wire = start("--upstream", f"http://127.0.0.1:{upstream.port}").wire()
        for rpc in ("Query", "Search", "Insert"):
            with rpc_error(INVALID_ARGUMENT):
                wire.raw(path(rpc), payload)
        assert upstream.called == []

    TRUNCATED = [
        b"\x12\x10abc",  # a text of 16 bytes with 3
        b"\x12",  # a field without a value
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",  # a length that does not end
        b"\x12\xff\xff\xff\xff\x0f",  # a text of 4 GiB
        b"\x0a\x05\x08\x96",  # a message that ends within a number
        b"\x15\x00",  # half a fixed number
        b"\x00",  # field 0
        b"\x17",  # an unknown wire type
        b"\x14",  # the end of a group that did not begin
        b"\x10\x01",  # a number where a text belongs
    ]

    @pytest.mark.parametrize("payload", TRUNCATED, ids=range(len(TRUNCATED)))
    def test_damaged_messages(self, wire, payload):
        for rpc in ("DropRole", "DeleteCredential", "CreatePrivilegeGroup", "DescribeDatabase"):
            with rpc_error(INVALID_ARGUMENT):
                wire.raw(path(rpc), payload)

    def test_deep_messages(self, wire):
        """Groups, which may be nested without end."""
        for payload in (b"\x0b" * 100_000, b"\xfb\x01" * 50_000):
            for rpc in ("DropRole", "Query"):
                with pytest.raises(grpc.RpcError) as caught:
                    wire.raw(path(rpc), payload)
                assert caught.value.code() in FINAL

    def test_random_messages(self, wire):
        """Whatever comes of them, no client would try again."""
        numbers = random.Random(20_240_229)
        not_final = {}
        for rpc in (*SERVED, "Query", "Search", "Insert", "Flush"):
            for _ in range(20):
                payload = numbers.randbytes(numbers.randrange(1, 40))
                try:
                    wire.raw(path(rpc), payload)
                except grpc.RpcError as error:
                    if error.code() not in FINAL:
                        not_final[rpc] = (payload, error.code(), error.details())
        assert not_final == {}

    def test_unknown_fields_are_ignored(self, wire):
        data = wire.raw(path("SelectRole"), b"\xfa\x7f\x03abc\xc8\x3e\x01")
        results = milvus_pb2.SelectRoleResponse.FromString(data).results
        assert [result.role.name for result in results] == ["admin", "public", "r1"]

    def test_odd_metadata(self, server, wire):
        for authorization in [
            "x" * 6000,
            base64_text("a" * 4000 + ":b"),
            base64_text(b"\xff\xfe:\xff"),
            base64_text("\0:\0"),
        ]:
            stranger = Wire(server.address, authorization)
            with rpc_error(grpc.StatusCode.UNAUTHENTICATED):
                stranger.call("GetVersion")
            stranger.close()
        for database in ("a/b", "*", "a" * 4000, "../..", "\x7e" * 10):
            try:
                status = wire.call("Connect", metadata=[("dbname", database)]).status
            except grpc.RpcError as error:
                assert error.code() == INVALID_ARGUMENT
            else:
                assert status.code in (800, 802)
                assert len(status.reason) < 4096

    def test_binary_metadata(self, wire):
        wire.ok("GetVersion", metadata=[("dbname-bin", b"\x00\xff"), ("x-odd", "")])

    def test_calls_that_are_given_up(self, server):
        for _ in range(50):
            wire = Wire(server.address, base64_text("root:Milvus"))
            call = wire.channel.unary_unary(path("ListCredUsers"))
            calls = [call.future(b"", metadata=wire._metadata(()), timeout=30) for _ in range(4)]
            assert all(call.cancel() or call.done() for call in calls)
            wire.close()

    def test_bytes_that_are_not_http2(self, server):
        host, port = server.address.rsplit(":", 1)
        preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        for payload in (b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", preface + b"\xff" * 500):
            with socket.create_connection((host, int(port)), timeout=5) as connection:
                connection.sendall(payload)


def test_many_calls_at_once(server, wire):
    """Each is answered for itself."""
    wire.ok("CreateRole", entity={"name": "r1"})
    futures = []
    wires = [server.wire() for _ in range(8)]
    for number in range(400):
        one = wires[number % len(wires)]
        stub = one.channel.unary_unary(
            path("OperatePrivilegeV2"), response_deserializer=common_pb2.Status.FromString
        )
        request = milvus_pb2.OperatePrivilegeV2Request(**v2(collection_name=f"c{number}"))
        data = request.SerializeToString()
        futures.append(stub.future(data, metadata=one._metadata(()), timeout=30))
    assert {future.result().code for future in futures} == {0}
    revisions = {dict(future.initial_metadata())["milvus-rbac-revision"] for future in futures}
    assert len(revisions) == 400
    assert len(wire.ok("SelectGrant", entity={"role": {"name": "r1"}}).entities) == 400
