"""The status of answers: there always, all zeros after success, and seen when a call is not served."""

import pytest

from facts import REFUSED, SERVED
from harness import PASSWORD, base64_text


@pytest.mark.parametrize("rpc", SERVED)
def test_is_there(wire, rpc):
    """Even when it is all zeros: some clients refuse an answer without it."""
    message = wire.call(rpc).message
    if message.DESCRIPTOR.full_name != "milvus.proto.common.Status":
        assert message.HasField("status"), message


@pytest.mark.parametrize("rpc", REFUSED)
def test_what_is_refused_is_seen(wire, rpc):
    """Some clients take an answer without a word about it for success."""
    status = wire.call(rpc).status
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
def test_of_success_is_all_zeros(wire, populated, rpc, fields):
    status = wire.call(rpc, **fields).status
    assert status.ListFields() == [], status
