"""Requests to be sent without pymilvus, and what is common to their refusals."""

import pytest

from harness import PASSWORD, base64_text

NEW_USER = {"username": "u2", "password": base64_text(PASSWORD)}
NEW_PASSWORD = {
    "username": "u1",
    "oldPassword": base64_text(PASSWORD),
    "newPassword": base64_text("new password"),
}


def operate_v1(type=0, **changes):
    """A v1 request; a change to None takes a part away."""
    entity = {
        "role": {"name": "r1"},
        "object": {"name": "Collection"},
        "object_name": "c1",
        "grantor": {"privilege": {"name": "Search"}},
    } | changes
    return {"entity": {k: v for k, v in entity.items() if v is not None}, "type": type}


def operate_v2(type=0, **changes):
    request = {
        "role": {"name": "r1"},
        "grantor": {"privilege": {"name": "Search"}},
        "collection_name": "c1",
        "db_name": "default",
    } | changes
    return {k: v for k, v in request.items() if v is not None} | {"type": type}


def select_grant(**entity):
    return {"entity": {"role": {"name": "r1"}} | entity}


def operate_group(group, privileges=("Search",), type=0):
    return {"group_name": group, "privileges": [{"name": p} for p in privileges], "type": type}


def restore_rbac(**lists):
    return {"RBAC_meta": lists}


EMPTY = "should be not empty: invalid parameter[expected=not empty][actual=]"
# The codes of errors that are not the caller's.
NOT_INPUT = {9, 800, 65535}


def check_error(status, code, legacy, reason, *, is_input_error=None):
    """A refusal of these codes, with this text; one that ends in … is matched on what is before it."""
    assert (status.code, status.error_code) == (code, legacy), status.reason
    if reason.endswith("…"):
        assert status.reason.startswith(reason[:-1])
    else:
        assert status.reason == reason
    assert status.detail == status.reason
    assert not status.retriable
    if is_input_error is None:
        is_input_error = code not in NOT_INPUT
    assert dict(status.extra_info) == ({"is_input_error": "true"} if is_input_error else {})


def error_cases(errors):
    """Runs a test for each of (RPC, request, code, legacy code, reason)."""
    return pytest.mark.parametrize(
        "rpc, request_fields, code, legacy, reason",
        errors,
        ids=[f"{rpc}-{number}" for number, (rpc, *_) in enumerate(errors)],
    )
