"""What was acknowledged is there after the server died."""

import subprocess
import threading

import grpc
import pytest

import harness
from harness import PASSWORD, ROOT_PASSWORD, add_user, everything, not_logged_in


@pytest.fixture
def store(tmp_path):
    return f"sled:{tmp_path / 'store'}"


def fill(client):
    client.create_database("db1", properties={"a": "1"})
    client.create_database("db2")
    client.drop_database("db2")
    client.create_role("r1", description="the first")
    client.create_role("r2")
    client.create_role("gone")
    client.drop_role("gone")
    client.create_user("u1", PASSWORD, description="the first")
    client.update_password("u1", PASSWORD, "new password")
    client.grant_role("u1", "r1")
    add_user(client, "u2", "r1", "r2", "admin")
    add_user(client, "gone", "r1")
    client.drop_user("gone")
    client.create_privilege_group("g1")
    client.add_privileges_to_group("g1", ["Search", "Query", "Insert"])
    client.remove_privileges_from_group("g1", ["Insert"])
    client.create_privilege_group("empty")
    client.grant_privilege("r1", "Collection", "Load", "c1")
    client.grant_privilege("r1", "User", "SelectUser", "u2")
    client.grant_privilege_v2("r1", "g1", "c1", db_name="db1")
    client.grant_privilege_v2("r1", "DatabaseAdmin", "*", db_name="*")
    client.grant_privilege_v2("r1", "Search", "c2", db_name="db1")
    client.revoke_privilege_v2("r1", "Search", "c2", db_name="db1")
    client.grant_privilege_v2("r2", "*", "c1", db_name="db1")
    client.revoke_privilege("public", "Global", "ListAliases", "*", db_name="*")
    client.alter_role("r2", "the second")


@pytest.mark.parametrize("end", [harness.Server.kill, harness.Server.stop], ids=["killed", "stopped"])
def test_everything_stays(start, store, end):
    server = start(store=store)
    fill(server.client())
    before = everything(server.client())
    revision = server.wire().call("GetVersion").revision
    end(server)

    server = start(store=store)
    assert everything(server.client()) == before
    assert server.wire().call("GetVersion").revision == revision
    assert server.client("u1", "new password").describe_user("u1")["roles"] == ("r1",)
    with not_logged_in():
        server.wire("u1", PASSWORD).call("GetVersion")
    with not_logged_in():
        server.wire("gone", PASSWORD).call("GetVersion")
    # Decisions, too, come from what was stored.
    user = server.client("u1", "new password")
    assert user.describe_database("db1") == {"name": "db1", "a": "1"}
    assert user.describe_user("u2")["roles"] == ("admin", "r1", "r2")


def test_memory_forgets(start):
    server = start()
    server.client().create_role("r1")
    server.stop()
    assert start().client().list_roles() == ["admin", "public"]


@pytest.mark.parametrize("round", range(3))
def test_killed_while_writing(start, store, round):
    """All that was acknowledged is there, and of what was not, only what was under way."""
    server = start("--max-roles", "0", store=store)
    writers, acknowledged = 4, [[] for _ in range(4)]
    enough = threading.Event()

    def write(number):
        wire = server.wire()
        for count in range(1_000_000):
            name = f"r{number}_{count}"
            try:
                wire.ok("CreateRole", entity={"name": name})
            except (grpc.RpcError, ValueError):
                return
            acknowledged[number].append(name)
            if count == 30 * (round + 1):
                enough.set()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    assert enough.wait(30)
    server.process.kill()
    for thread in threads:
        thread.join()
    server.kill()

    roles = set(start("--max-roles", "0", store=store).client().list_roles())
    sent = {name for names in acknowledged for name in names}
    assert sent <= roles
    under_way = {f"r{number}_{len(names)}" for number, names in enumerate(acknowledged)}
    assert roles - sent <= under_way | {"admin", "public"}


def test_one_process_at_a_time(start, store):
    server = start(store=store)
    second = subprocess.run(
        [harness.BINARY, "--listen", "127.0.0.1:0", "--admin-listen", "off", "--store", store],
        env=harness.clean_environment(),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert second.returncode in (1, 2)
    assert "listening on" not in second.stdout
    assert "panicked" not in second.stderr
    assert store.removeprefix("sled:") in second.stderr, second.stderr
    server.client().create_role("r1")


@pytest.mark.parametrize("number", range(10))
def test_stops_right_after_the_start(start, number):
    start().stop()


def test_stops_with_clients_connected(start):
    server = start()
    client = server.client(token=f"root:{ROOT_PASSWORD}")
    client.list_users()
    server.process.terminate()
    assert server.process.wait(harness.STOP_SECONDS) == 0
