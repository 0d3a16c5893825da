"""Refusals of calls about grants: code, legacy code and text."""

from facts import GRANT_CHECK
from messages import EMPTY, check_error, error_cases, operate_v1, operate_v2, select_grant

# RPC, request, code, legacy code, reason.
ERRORS = [
    ("OperatePrivilege", {}, 1100, 5, "the entity in the request is nil: invalid parameter"),
    (
        "OperatePrivilege",
        operate_v1(grantor=None),
        1100,
        5,
        "the grantor entity in the grant entity is nil: invalid parameter",
    ),
    (
        "OperatePrivilege",
        operate_v1(grantor={}),
        1100,
        5,
        "the privilege entity in the grantor entity is nil: invalid parameter",
    ),
    ("OperatePrivilege", operate_v1(grantor={"privilege": {}}), 1100, 5, f"Privilege {EMPTY}"),
    (
        "OperatePrivilege",
        operate_v1(object=None),
        1100,
        5,
        "the resource entity in the grant entity is nil: invalid parameter",
    ),
    ("OperatePrivilege", operate_v1(object={}), 1100, 5, f"ObjectType {EMPTY}"),
    ("OperatePrivilege", operate_v1(object_name=None), 1100, 5, f"object name {EMPTY}"),
    (
        "OperatePrivilege",
        operate_v1(role=None),
        1100,
        5,
        "the object entity in the grant entity is nil: invalid parameter",
    ),
    ("OperatePrivilege", operate_v1(role={}), 1100, 5, f"role name {EMPTY}"),
    (
        "OperatePrivilege",
        operate_v1(type=9),
        1100,
        41,
        f"{GRANT_CHECK}invalid operate privilege type, current type: 9, valid value: [Grant, Revoke]"
        ": invalid parameter",
    ),
    (
        "OperatePrivilege",
        operate_v1(object={"name": "Database"}),
        1100,
        41,
        f"{GRANT_CHECK}the object entity in the request is nil or invalid: invalid parameter",
    ),
    (
        "OperatePrivilege",
        operate_v1(role={"name": "nope"}),
        1100,
        41,
        f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter',
    ),
    (
        "OperatePrivilege",
        operate_v1(grantor={"privilege": {"name": "g1"}}),
        1100,
        41,
        "can not operate the custom privilege group [g1]: invalid parameter",
    ),
    (
        "OperatePrivilege",
        operate_v1(grantor={"privilege": {"name": "DatabaseAdmin"}}),
        1100,
        41,
        "can not operate the built-in privilege group [DatabaseAdmin]: invalid parameter",
    ),
    (
        "OperatePrivilege",
        operate_v1(grantor={"privilege": {"name": "Nonsense"}}),
        1100,
        41,
        "not found the privilege name[Nonsense] in object[Collection]: invalid parameter",
    ),
    (
        # By this version the request follows the rules of v2, whose privileges have one type.
        "OperatePrivilege",
        operate_v1(grantor={"privilege": {"name": "Nonsense"}}) | {"version": "v2"},
        1100,
        41,
        "not found the privilege name[Nonsense]: invalid parameter",
    ),
    ("OperatePrivilegeV2", {}, 1100, 5, "the role in the request is nil: invalid parameter"),
    ("OperatePrivilegeV2", operate_v2(role={}), 1100, 5, f"role name {EMPTY}"),
    ("OperatePrivilegeV2", operate_v2(grantor=None), 1100, 5, "…"),
    ("OperatePrivilegeV2", operate_v2(grantor={}), 1100, 5, "…"),
    ("OperatePrivilegeV2", operate_v2(grantor={"privilege": {}}), 1100, 5, f"Privilege {EMPTY}"),
    (
        "OperatePrivilegeV2",
        operate_v2(type=9),
        1100,
        5,
        "the type in the request not grant or revoke: invalid parameter",
    ),
    (
        "OperatePrivilegeV2",
        operate_v2(db_name="1db"),
        802,
        1,
        "the first character of a database name must be an underscore or letter: invalid database name"
        "[database=1db]",
    ),
    ("OperatePrivilegeV2", operate_v2(collection_name=""), 1100, 5, f"collection name {EMPTY}"),
    (
        "OperatePrivilegeV2",
        operate_v2(role={"name": "nope"}),
        1100,
        41,
        f'{GRANT_CHECK}the role "nope" does not exist: invalid parameter',
    ),
    (
        "OperatePrivilegeV2",
        operate_v2(grantor={"privilege": {"name": "Nonsense"}}),
        1100,
        41,
        "not found the privilege name[Nonsense]: invalid parameter",
    ),
    (
        "OperatePrivilegeV2",
        operate_v2(grantor={"privilege": {"name": "ClusterAdmin"}}),
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
    ("SelectGrant", select_grant(role={}), 1100, 5, f"role name {EMPTY}"),
    ("SelectGrant", select_grant(object={"name": "Collection"}), 1100, 5, f"object name {EMPTY}"),
    (
        "SelectGrant",
        select_grant(role={"name": "nope"}),
        1100,
        42,
        'the role "nope" does not exist: invalid parameter',
    ),
    (
        "SelectGrant",
        select_grant(object={"name": "Database"}, object_name="db1"),
        1100,
        42,
        "not found the object type[name: Database]…",
    ),
]


@error_cases(ERRORS)
def test_errors(wire, populated, rpc, request_fields, code, legacy, reason):
    check_error(wire.call(rpc, **request_fields).status, code, legacy, reason)
