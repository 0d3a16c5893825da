"""TLS, one way and mutual, with pymilvus' own parameters. `openssl` makes the certificates."""

import subprocess

import grpc
import pytest
from pymilvus import MilvusClient, MilvusException

import harness


class Certificates:
    """An authority of its own, in a folder."""

    def __init__(self, folder):
        self.folder = folder
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-days", "1", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem")

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True, capture_output=True, timeout=20)

    def path(self, name):
        return str(self.folder / name)

    def issue(self, name, subject, alternative):
        (self.folder / "extensions").write_text(f"subjectAltName={alternative}\n")
        self._openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                      "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-days", "1",
                      "-extfile", "extensions", "-out", f"{name}.pem")
        return self.path(f"{name}.pem"), self.path(f"{name}.key")


@pytest.fixture
def certificates(tmp_path):
    made = Certificates(tmp_path)
    made.issue("server", "server", "DNS:localhost,IP:127.0.0.1")
    return made


@pytest.fixture
def secure(start, certificates):
    def secure(*arguments):
        server, key = certificates.path("server.pem"), certificates.path("server.key")
        return start("--tls-cert", server, "--tls-key", key, *arguments)

    return secure


@pytest.fixture
def connect():
    clients = []

    def connect(server, token="root:Milvus", **options):
        port = server.address.rpartition(":")[2]
        clients.append(MilvusClient(f"https://localhost:{port}", token=token, dedicated=True, **options))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def test_one_way(secure, certificates, connect):
    server = secure()
    root = connect(server, server_pem_path=certificates.path("ca.pem"), server_name="localhost")
    root.create_role("r1")
    harness.add_user(root, "u1", "r1")
    assert root.list_users() == ["root", "u1"]
    with pytest.raises(MilvusException):
        connect(server, token="root:wrong", server_pem_path=certificates.path("ca.pem"), server_name="localhost")


def test_a_stranger_is_not_believed(secure, certificates, connect, tmp_path_factory):
    stranger = Certificates(tmp_path_factory.mktemp("stranger"))
    with pytest.raises(MilvusException):
        connect(secure(), server_pem_path=stranger.path("ca.pem"), server_name="localhost", timeout=3)


def mutual(certificates, name):
    return {
        "ca_pem_path": certificates.path("ca.pem"),
        "client_pem_path": certificates.path(f"{name}.pem"),
        "client_key_path": certificates.path(f"{name}.key"),
        "server_name": "localhost",
    }


def test_mutual(secure, certificates, connect):
    server = secure("--tls-client-ca", certificates.path("ca.pem"))
    certificates.issue("client", "anybody", "DNS:anybody")
    assert connect(server, **mutual(certificates, "client")).list_users() == ["root"]
    with pytest.raises(MilvusException):
        connect(server, server_pem_path=certificates.path("ca.pem"), server_name="localhost", timeout=3)


@pytest.mark.parametrize("where", ["san", "cn"])
def test_a_certificate_stands_for_the_login(secure, certificates, connect, where):
    server = secure("--tls-client-ca", certificates.path("ca.pem"), "--tls-client-user", where)
    for name in ("root", "u1", "nobody"):
        certificates.issue(name, name if where == "cn" else "x", f"DNS:{name if where == 'san' else 'x'}")
    root = connect(server, token="", **mutual(certificates, "root"))
    root.create_role("r1")
    harness.add_user(root, "u1", "r1")
    user = connect(server, token="", **mutual(certificates, "u1"))
    assert user.describe_user("u1")["roles"] == ("r1",)
    with pytest.raises(grpc.RpcError) as denied:
        user.create_role("r2")
    assert denied.value.code() == grpc.StatusCode.PERMISSION_DENIED
    assert "permission deny to u1" in denied.value.details()
    connect(server, token=f"u1:{harness.PASSWORD}", **mutual(certificates, "u1"))
    for name, token in (("u1", "root:Milvus"), ("u1", "u1:wrong password"), ("nobody", "")):
        with pytest.raises(MilvusException):
            connect(server, token=token, **mutual(certificates, name))
