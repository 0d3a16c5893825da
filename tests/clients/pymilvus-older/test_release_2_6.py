"""What pymilvus has since 2.6: descriptions, and a version in detail."""

import pymilvus
import pytest
from pymilvus import MilvusClient

from harness import PASSWORD, ROOT_PASSWORD, grants, refused
from older import REQUIREMENTS, described_role, described_user


def test_version():
    assert f"pymilvus=={pymilvus.__version__}\n" in REQUIREMENTS.read_text()


class TestUsers:
    def test_create(self, client):
        client.create_user("u1", PASSWORD, description="the first")
        assert client.describe_user("u1") == described_user("u1", description="the first")

    def test_update(self, connect, client, u1):
        assert client.update_user("u1", description="new") is None
        assert client.describe_user("u1") == described_user("u1", description="new")
        # The password is still the same.
        assert connect("u1").describe_user("u1") == described_user("u1", description="new")
        client.update_user("u1", description="")
        assert client.describe_user("u1") == described_user("u1")

    def test_update_with_the_password(self, connect, client, u1):
        client.update_password("u1", PASSWORD, "new password", description="new")
        assert connect("u1", "new password").describe_user("u1")["description"] == "new"

    def test_update_password_keeps_it(self, client):
        client.create_user("u1", PASSWORD, description="kept")
        client.update_password("u1", PASSWORD, "new password")
        assert client.describe_user("u1")["description"] == "kept"

    def test_update_missing(self, client):
        with refused(65535, "failed to check if update credential: user not found", legacy=30):
            client.update_user("nobody", description="d")

    def test_longest(self, client, u1):
        text = (
            "invalid user description with length 1025, the length of user description must be less than "
            "or equal to 1024: invalid parameter"
        )
        with refused(1100, text, legacy=5):
            client.create_user("u2", PASSWORD, description="d" * 1025)
        with refused(1100, text, legacy=5):
            client.update_user("u1", description="d" * 1025)
        client.update_user("u1", description="d" * 1024)


class TestRoles:
    def test_create(self, client):
        client.create_role("r1", description="the first")
        assert client.describe_role("r1") == described_role("r1", description="the first")

    def test_alter(self, client, r1):
        assert client.alter_role("r1", "new") is None
        assert client.describe_role("r1") == described_role("r1", description="new")
        client.alter_role("r1", "")
        assert client.describe_role("r1") == described_role("r1")

    @pytest.mark.parametrize("role", ["admin", "public"])
    def test_default_roles_stay(self, client, role):
        text = f"the role[{role}] is a default role, which can't be altered: privilege not permitted"
        with refused(1401, text, legacy=1):
            client.alter_role(role, "d")

    def test_alter_missing(self, client):
        with refused(65535, containing="role not exists", legacy=1):
            client.alter_role("nope", "d")

    def test_longest(self, client, r1):
        text = (
            "the length of role description must be not greater than limit: invalid parameter"
            "[1025 out of range 0 <= value <= 1024]"
        )
        with refused(1100, text, legacy=5):
            client.create_role("r2", description="d" * 1025)
        with refused(1100, text, legacy=5):
            client.alter_role("r1", "d" * 1025)


def test_version_in_detail(root):
    detail = root.get_server_version(detail=True)
    assert detail["version"] == root.get_server_version() != ""


def test_clients_of_one_login_share_a_connection(server):
    """Their databases are their own."""
    uri = f"http://{server.address}"
    first = MilvusClient(uri, user="root", password=ROOT_PASSWORD)
    first.create_database("db1")
    first.create_role("r1")
    second = MilvusClient(uri, token=f"root:{ROOT_PASSWORD}", db_name="db1")
    second.grant_privilege_v2("r1", "Search", "c1")
    assert grants(first, "r1", db_name="*") == [("Collection", "db1", "c1", "Search")]
    first.close()
    assert second.list_roles() == ["admin", "public", "r1"]
    second.close()
