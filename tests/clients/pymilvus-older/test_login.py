"""Who may log in, with authorization on and off; wrong credentials are told at once."""

import time

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

from harness import PASSWORD, ROOT_PASSWORD, WRONG_LOGIN, grants, not_logged_in, refused
from older import RELEASE

WRONG = {
    "root:wrong password": WRONG_LOGIN,
    "nobody:password": WRONG_LOGIN,
    "api_key": "auth check failure, please check api key is correct",
    "": "missing authorization in header",
}


@pytest.mark.parametrize("token", WRONG)
def test_wrong_credentials(server, token):
    started = time.monotonic()
    if RELEASE == "2.5":
        # Here the server's words are seen.
        with not_logged_in(WRONG[token]):
            server.client(token=token)
    else:
        with refused(2, containing="Fail connecting to server on ") as caught:
            server.client(token=token)
        cause = caught.value.__cause__
        assert (cause.code(), cause.details()) == (grpc.StatusCode.UNAUTHENTICATED, WRONG[token])
    assert time.monotonic() - started < 5


def test_user_and_password_in_place_of_a_token(server):
    client = MilvusClient(f"http://{server.address}", user="root", password=ROOT_PASSWORD)
    assert list(client.list_users()) == ["root"]
    client.close()


def test_a_connected_client_is_told_at_once(root, connect):
    root.create_user("u1", PASSWORD)
    client = connect("u1")
    assert client.describe_user("u1") != {}
    root.update_password("u1", PASSWORD, "new password")
    started = time.monotonic()
    with not_logged_in():
        client.describe_user("u1")
    assert connect("u1", "new password").describe_user("u1") != {}
    root.drop_user("u1")
    with not_logged_in():
        client.describe_user("u1")
    assert time.monotonic() - started < 5


def test_a_client_that_changes_its_own_password(server, root):
    root.create_user("u1", PASSWORD)
    client = server.client("u1")
    client.update_password("u1", PASSWORD, "new password", reset_connection=True)
    assert client.describe_user("u1") != {}


@pytest.mark.parametrize("token", ["", "root:Milvus", "root:wrong password", "nobody:password", "api_key"])
class TestAuthorizationOff:
    @pytest.fixture
    def client(self, start, token):
        return start("--authorization", "off").client(token=token)

    def test_everything_works(self, client):
        client.create_user("u1", PASSWORD)
        client.create_role("r1")
        client.grant_role("u1", "r1")
        client.create_privilege_group("g1")
        client.add_privileges_to_group("g1", ["Search", "Query"])
        client.remove_privileges_from_group("g1", ["Query"])
        client.grant_privilege("r1", "Collection", "Search", "c1")
        client.grant_privilege_v2("r1", "Query", "c1", db_name="default")
        client.grant_privilege_v2("r1", "g1", "c1", db_name="default")
        assert grants(client, "r1") == [
            ("Collection", "default", "c1", "Query"),
            ("Collection", "default", "c1", "Search"),
            ("Global", "default", "c1", "g1"),
        ]
        assert client.list_roles() == ["admin", "public", "r1"]
        assert list(client.list_users()) == ["root", "u1"]
        assert client.describe_user("u1")["roles"] == ("r1",)
        assert len(client.list_privilege_groups()) == 10
        client.revoke_privilege("r1", "Collection", "Search", "c1")
        client.revoke_privilege_v2("r1", "Query", "c1")
        client.revoke_privilege_v2("r1", "g1", "c1")
        client.drop_privilege_group("g1")
        client.update_password("u1", PASSWORD, "new password")
        client.revoke_role("u1", "r1")
        client.drop_role("r1")
        client.drop_user("u1")
        assert list(client.list_users()) == ["root"]

    def test_the_rules_stay(self, client):
        with refused(1400, "old password not correct for root: not authenticated"):
            client.update_password("root", "wrong password", "new password")
        with refused(1401, "root user cannot be deleted: privilege not permitted"):
            client.drop_user("root")


def test_no_server(server):
    """A client that finds nobody says so, too; it is given little time."""
    address = server.address
    server.stop()
    server.address = address
    started = time.monotonic()
    with pytest.raises(MilvusException) as caught:
        server.client(timeout=1)
    assert caught.value.code == 2
    assert time.monotonic() - started < 10
