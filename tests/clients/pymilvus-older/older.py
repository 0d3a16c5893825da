"""What the releases differ in, and servers whose clients are made alike with each of them."""

import pathlib
import uuid

import pymilvus
from pymilvus import MilvusClient

import harness

# The release that is tested: 2.5 or 2.6.
RELEASE = ".".join(pymilvus.__version__.split(".")[:2])
REQUIREMENTS = pathlib.Path(__file__).parent / f"requirements-{RELEASE}.txt"

# 2.5 knows no descriptions, and its AsyncMilvusClient has no method for users or roles.
DESCRIPTIONS = RELEASE != "2.5"
KINDS = ["MilvusClient"] if RELEASE == "2.5" else ["MilvusClient", "AsyncMilvusClient"]


class Server(harness.Server):
    def client(self, user="root", password=None, token=None, **options):
        """A MilvusClient with a connection of its own."""
        token = harness.login(user, password) if token is None else token
        # 2.5 shares connections by this name.
        own = {"alias": uuid.uuid4().hex} if RELEASE == "2.5" else {"dedicated": True}
        client = MilvusClient(f"http://{self.address}", token=token, **own, **options)
        self._clients.append(client)
        return client


def described_user(name, *roles, description=""):
    """What describe_user returns."""
    described = {"user_name": name, "roles": roles}
    return described | {"description": description} if DESCRIPTIONS else described


def described_role(name, *privileges, description=""):
    """What describe_role returns."""
    if DESCRIPTIONS:
        return {"role": name, "description": description, "privileges": list(privileges)}
    return {"role": name, "privileges": list(privileges)}


def privilege(role, name, object_type, object_name, db_name="default", grantor="root"):
    """An entry of it."""
    return {
        "object_type": object_type,
        "object_name": object_name,
        "db_name": db_name,
        "role_name": role,
        "privilege": name,
        "grantor_name": grantor,
    }
