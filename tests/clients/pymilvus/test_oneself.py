"""What users may do about themselves without any privilege."""

from harness import PASSWORD, denied, refused


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
