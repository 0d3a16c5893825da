"""What the server says about its own interface, by gRPC reflection."""

import pytest
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2

import descriptors

SERVED = {
    "milvus.proto.milvus.MilvusService",
    "milvus.proto.milvus.ClientTelemetryService",
    "milvus_rbac.v1.AccessService",
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
}

both_versions = pytest.mark.parametrize("version", ["v1", "v1alpha"])


def reflect(wire, version, requests):
    """The answers of one stream. Both versions have the same messages, but for the package's name."""
    requests = [reflection_pb2.ServerReflectionRequest(**request).SerializeToString() for request in requests]
    answers = wire.stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", requests)
    return [reflection_pb2.ServerReflectionResponse.FromString(answer) for answer in answers]


def services(wire, version):
    (answer,) = reflect(wire, version, [{"list_services": "*"}])
    return {service.name for service in answer.list_services_response.service}


def files(wire, version, service="milvus.proto.milvus.MilvusService"):
    """All files of a service with their imports, by name, as bytes."""
    found = {}
    wanted = [{"file_containing_symbol": service}]
    while wanted:
        imports = set()
        for answer in reflect(wire, version, wanted):
            assert answer.HasField("file_descriptor_response"), answer
            for data in answer.file_descriptor_response.file_descriptor_proto:
                file = descriptor_pb2.FileDescriptorProto.FromString(data)
                found[file.name] = data
                imports.update(file.dependency)
        wanted = [{"file_by_filename": name} for name in sorted(imports - found.keys())]
    return found


@both_versions
def test_lists_exactly_what_is_served(wire, version):
    listed = services(wire, version)
    assert listed == SERVED


@both_versions
@pytest.mark.parametrize("service", sorted(SERVED))
def test_describes_what_it_lists(wire, version, service):
    described = {
        f"{file.package}.{declared.name}"
        for file in map(descriptor_pb2.FileDescriptorProto.FromString, files(wire, version, service).values())
        for declared in file.service
    }
    assert service in described


def test_the_interface_is_the_published_one(wire, tmp_path, capsys):
    interface = b"".join(
        # A set of files is a message whose field 1 holds the files.
        descriptor_pb2.FileDescriptorSet(
            file=[descriptor_pb2.FileDescriptorProto.FromString(data)]
        ).SerializeToString()
        for data in files(wire, "v1").values()
    )
    (tmp_path / "ours.bin").write_bytes(interface)
    result = descriptors.main([str(tmp_path / "ours.bin")])
    assert result == 0, capsys.readouterr().out


def test_both_versions_tell_the_same(wire):
    assert files(wire, "v1") == files(wire, "v1alpha")


@both_versions
def test_the_imports_are_there(wire, version):
    names = {name.rsplit("/", 1)[-1] for name in files(wire, version)}
    assert names >= {"milvus.proto", "common.proto", "descriptor.proto"}
