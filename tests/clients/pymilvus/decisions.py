"""Grants and calls, written down briefly, and whether the server allows them."""

import grpc

from harness import PASSWORD, base64_text, denial


def decision(wire, rpc, metadata=(), **fields):
    """None if the caller may, else the text of the refusal. What is not served is decided all the same."""
    try:
        wire.call(rpc, metadata=metadata, **fields)
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.PERMISSION_DENIED:
            return error.details()
        assert error.code() == grpc.StatusCode.UNIMPLEMENTED, error
        assert rpc in error.details() and "--upstream" in error.details(), error
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


def group_of_groups(*names, on):
    """It has no level, so that it can only be filled after the grant."""

    def grant(root):
        root.create_privilege_group("g1")
        root.grant_privilege_v2("r1", "g1", on[0], db_name=on[1])
        root.add_privileges_to_group("g1", list(names))

    return grant


def may(rpc, db_name=None, collection_name=None, **fields):
    """A call, with the database and the collection where they are given."""
    given = {"db_name": db_name, "collection_name": collection_name}
    return rpc, {k: v for k, v in given.items() if v is not None} | fields, None


def may_not(rpc, privilege, db_name=None, collection_name=None, **fields):
    """A call that is refused with the name of its database."""
    name, fields, _ = may(rpc, db_name, collection_name, **fields)
    return name, fields, denial(privilege, database=db_name or "default")


def cluster_may_not(rpc, privilege, **fields):
    """A call that is refused with the name of all databases."""
    return rpc, fields, denial(privilege, database="*")


OTHER_USER = {"user": {"name": "u2"}}
NEW_USER = {"username": "u3", "password": base64_text(PASSWORD)}


def check(server, root, grants, calls):
    """Gives the role r1 the grants, and lets its user u1 make the calls."""
    for grant in grants:
        grant(root)
    wire = server.wire("u1")
    got = [(rpc, fields, decision(wire, rpc, **fields)) for rpc, fields, _ in calls]
    assert got == calls
