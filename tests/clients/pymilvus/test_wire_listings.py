"""What SelectGrant, SelectRole and SelectUser answer, in which order."""

import pytest

from harness import PASSWORD, add_user
from messages import select_grant


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

    def test_an_entity_is_complete(self, wire, populated):
        first, _ = wire.ok("SelectGrant", **select_grant()).entities
        assert first.role.name == "r1"
        assert first.object.name == "Collection"
        assert first.object_name == "c1"
        assert first.db_name == "default"
        assert first.grantor.user.name == "root"
        assert first.grantor.privilege.name == "Search"

    def test_an_empty_object_counts_as_none(self, wire, populated):
        """The Node client sends one."""
        entities = wire.ok("SelectGrant", **select_grant(object={}, object_name="")).entities
        assert len(entities) == 2


class TestRolesAndUsers:
    def test_users_of_roles(self, wire, root, populated):
        add_user(root, "a.b", "r1")
        add_user(root, "a-b", "r1")
        add_user(root, "a", "r1")
        (result,) = wire.ok("SelectRole", role={"name": "r1"}, include_user_info=True).results
        # In the order of the stored keys <user>/<role>.
        assert [user.name for user in result.users] == ["a-b", "a.b", "a", "u1"]
        (result,) = wire.ok("SelectRole", role={"name": "r1"}).results
        assert list(result.users) == []

    def test_roles_of_users(self, wire, populated):
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
