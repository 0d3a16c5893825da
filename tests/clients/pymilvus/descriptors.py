"""Compares our protos with the published Milvus interface, as the installed pymilvus carries it.

    python descriptors.py OURS.bin

OURS.bin is a binary FileDescriptorSet of proto/milvus.proto with its imports. Needs pymilvus only.
Prints one line and exits 0, or lists every difference and exits 1.

Not compared: marks of deprecation and the options that only steer code generators.
"""

import sys

from google.protobuf import descriptor_pb2
from pymilvus.grpc_gen import common_pb2, feder_pb2, milvus_pb2, msg_pb2, rg_pb2, schema_pb2

PUBLISHED = (common_pb2, feder_pb2, milvus_pb2, msg_pb2, rg_pb2, schema_pb2)
ROOT = "milvus.proto."
SERVICE = "milvus.MilvusService"
SERVICES = (SERVICE, "milvus.ClientTelemetryService")
METHODS = 149  # of MilvusService

# What we have from an interface newer than pymilvus 3.0.2. Each entry states exactly what ours must
# be; an entry that the installed pymilvus has caught up with is reported, so that it gets removed.

# method: (request, response)
NEWER_METHODS = {
    "UpdateRowPolicy": ("milvus.UpdateRowPolicyRequest", "common.Status"),
    "SetRLSPrincipalTags": ("milvus.SetRLSPrincipalTagsRequest", "common.Status"),
    "GetRLSPrincipalTags": ("milvus.GetRLSPrincipalTagsRequest", "milvus.GetRLSPrincipalTagsResponse"),
    "ListRLSPrincipals": ("milvus.ListRLSPrincipalsRequest", "milvus.ListRLSPrincipalsResponse"),
    "DeleteRLSPrincipalTags": ("milvus.DeleteRLSPrincipalTagsRequest", "common.Status"),
}

# message of those methods: its fields with their numbers
ON_COLLECTION = "base=1 db_name=2 collection_name=3 "
NEWER_MESSAGES = {
    "milvus.UpdateRowPolicyRequest": ON_COLLECTION
    + "policy_name=4 actions=5 roles=6 using_expr=7 check_expr=8 description=9 policy_type=10",
    "milvus.SetRLSPrincipalTagsRequest": ON_COLLECTION + "principal_name=4 tags=5",
    "milvus.GetRLSPrincipalTagsRequest": ON_COLLECTION + "principal_name=4",
    "milvus.GetRLSPrincipalTagsResponse": "status=1 tags=2 db_name=3 collection_name=4 principal_name=5",
    "milvus.ListRLSPrincipalsRequest": ON_COLLECTION,
    "milvus.ListRLSPrincipalsResponse": "status=1 principal_names=2 db_name=3 collection_name=4",
    "milvus.DeleteRLSPrincipalTagsRequest": ON_COLLECTION + "principal_name=4 tag_keys=5",
}

# message: (object_type, object_privilege, object_name_index, object_name_indexs)
MANAGE_RLS = (0, 93, 3, 0)
VIEW_RLS = (0, 92, 3, 0)
NEWER_OPTIONS = {
    # Guarded by CreateOwnership, DropOwnership and SelectOwnership before row policies had their own.
    "milvus.CreateRowPolicyRequest": MANAGE_RLS,
    "milvus.DropRowPolicyRequest": MANAGE_RLS,
    "milvus.ListRowPoliciesRequest": VIEW_RLS,
    # Messages of the newer methods.
    "milvus.UpdateRowPolicyRequest": MANAGE_RLS,
    "milvus.SetRLSPrincipalTagsRequest": MANAGE_RLS,
    "milvus.GetRLSPrincipalTagsRequest": VIEW_RLS,
    "milvus.ListRLSPrincipalsRequest": VIEW_RLS,
    "milvus.DeleteRLSPrincipalTagsRequest": MANAGE_RLS,
}

# (message, field): its shape. Row policies became permissive or restrictive.
NEWER_FIELDS = {
    ("milvus.CreateRowPolicyRequest", "policy_type"): "10 optional enum milvus.RowPolicyType presence",
    ("milvus.RowPolicy", "policy_type"): "8 optional enum milvus.RowPolicyType",
}

NEWER_ENUMS = {"milvus.RowPolicyType"}

# enum: {value: number}, all values of a newer enum
NEWER_VALUES = {
    "milvus.RowPolicyType": {
        "RowPolicyTypeUnknown": 0,
        "RowPolicyTypePermissive": 1,
        "RowPolicyTypeRestrictive": 2,
    },
    "common.ObjectPrivilege": {
        "PrivilegeSkipRLS": 91,
        "PrivilegeViewRLS": 92,
        "PrivilegeManageRLS": 93,
        "PrivilegeImportBinlog": 94,
    },
    "milvus.RowPolicyAction": {"QueryIterator": 5, "SearchIterator": 6, "HybridSearch": 7},
}

# Carries the option but is the request of no method; we do not declare it.
UNDECLARED_WITH_OPTION = {"milvus.GetStatisticsRequest"}

# A request must declare every published field of these names: the gate reads them.
NAMING_FIELDS = set(
    """
    db_name collection_name collection_names collectionID collection_id alias dbName collectionName
    oldName newName newDBName target_db_name target_collection_name flush_targets
    """.split()
)

# Messages that must have exactly the published fields. Whatever they hold must be listed, too.
COMPLETE = {
    "common." + name
    for name in """
    ClientCommand ClientInfo CommandReply KeyValuePair Metrics MsgBase OperationMetrics PrivilegeExt
    ReplicateInfo ServerInfo Status
    """.split()
} | {
    "milvus." + name
    for name in """
    AddUserTagsRequest AllocTimestampRequest AllocTimestampResponse AlterDatabaseRequest
    AlterRoleRequest BackupRBACMetaRequest BackupRBACMetaResponse CheckHealthRequest
    CheckHealthResponse ClientHeartbeatRequest ClientHeartbeatResponse ClientTelemetry ComponentInfo
    ComponentStates ConnectRequest ConnectResponse CreateCredentialRequest CreateDatabaseRequest
    CreatePrivilegeGroupRequest CreateRoleRequest CreateRowPolicyRequest DeleteClientCommandRequest
    DeleteClientCommandResponse DeleteCredentialRequest DeleteUserTagsRequest DescribeAliasResponse
    DescribeDatabaseRequest DescribeDatabaseResponse DropDatabaseRequest DropPrivilegeGroupRequest
    DropRoleRequest DropRowPolicyRequest FlushAllTarget GetClientTelemetryRequest
    GetClientTelemetryResponse GetComponentStatesRequest GetImportProgressAuthPlaceholder
    GetUserTagsRequest GetUserTagsResponse GetVersionRequest GetVersionResponse GrantEntity
    GrantorEntity ImportAuthPlaceholder ListCredUsersRequest ListCredUsersResponse
    ListDatabasesRequest ListDatabasesResponse ListImportsAuthPlaceholder ListPrivilegeGroupsRequest
    ListPrivilegeGroupsResponse ListRowPoliciesRequest ListRowPoliciesResponse
    ListUsersWithTagRequest ListUsersWithTagResponse ObjectEntity OperatePrivilegeGroupRequest
    OperatePrivilegeRequest OperatePrivilegeV2Request OperateUserRoleRequest PrivilegeEntity
    PrivilegeGroupInfo PushClientCommandRequest PushClientCommandResponse RBACMeta
    RestoreRBACMetaRequest RoleEntity RoleResult RowPolicy SelectGrantRequest SelectGrantResponse
    SelectRoleRequest SelectRoleResponse SelectUserRequest SelectUserResponse ShowCollectionsRequest
    ShowCollectionsResponse UpdateCredentialRequest UserEntity UserInfo UserResult
    """.split()
}

LABELS = {1: "optional", 2: "required", 3: "repeated"}
TYPES = {number: name[5:].lower() for name, number in descriptor_pb2.FieldDescriptorProto.Type.items()}


class Interface:
    """Everything under milvus.proto in some files, by name without that prefix."""

    def __init__(self, files):
        self.packages, self.messages, self.enums, self.services, self.extensions = {}, {}, {}, {}, {}
        for file in files:
            if not file.package.startswith(ROOT):
                continue
            self.packages[file.name] = (file.package, file.syntax)
            package = file.package.removeprefix(ROOT)
            for message in file.message_type:
                self._add_message(package, message)
            for enum in file.enum_type:
                self.enums[f"{package}.{enum.name}"] = enum
            for service in file.service:
                self.services[f"{package}.{service.name}"] = {
                    m.name: (short(m.input_type), short(m.output_type), m.client_streaming, m.server_streaming)
                    for m in service.method
                }
            for extension in file.extension:
                self.extensions[f"{package}.{extension.name}"] = (extension.extendee, *field_shape(extension, None))

    def _add_message(self, scope, message):
        name = f"{scope}.{message.name}"
        self.messages[name] = message
        for nested in message.nested_type:
            self._add_message(name, nested)
        for enum in message.enum_type:
            self.enums[f"{name}.{enum.name}"] = enum

    def fields(self, name):
        message = self.messages[name]
        return {field.name: field_shape(field, message) for field in message.field}

    def option(self, name):
        """The privilege option of a message as four numbers, or None."""
        options = self.messages[name].options
        if not options.HasExtension(common_pb2.privilege_ext_obj):
            return None
        ext = options.Extensions[common_pb2.privilege_ext_obj]
        return (ext.object_type, ext.object_privilege, ext.object_name_index, ext.object_name_indexs)


def short(type_name):
    return type_name.removeprefix("." + ROOT)


def field_shape(field, message):
    """What must be equal: number, label, type, type name, presence, oneof."""
    oneof = None
    if field.HasField("oneof_index") and not field.proto3_optional:
        oneof = message.oneof_decl[field.oneof_index].name
    presence = "presence" if field.proto3_optional else None
    return (field.number, LABELS[field.label], TYPES[field.type], short(field.type_name), presence, oneof)


def text(shape):
    return " ".join(str(part) for part in shape if part not in (None, ""))


class Comparison:
    def __init__(self, ours, published):
        self.ours, self.published = ours, published
        self.differences = []
        self.methods = self.messages = self.fields = self.values = 0

    def run(self):
        self.check_files()
        for service in SERVICES:
            self.check_service(service)
        self.check_names()
        self.check_extension()
        for name in sorted(self.ours.messages):
            self.check_message(name)
        self.check_requests()
        self.check_options()
        for name in sorted(self.ours.enums):
            self.check_enum(name)
        return self.differences

    def differ(self, what, ours, published):
        self.differences.append(f"{what}: ours {ours}, published {published}")

    def equal(self, what, ours, published):
        if ours != published:
            self.differ(what, ours, published)

    def check_files(self):
        for name, package in self.ours.packages.items():
            self.equal(f"file {name}, package and syntax", package, self.published.packages.get(name))

    def check_service(self, service):
        ours, published = self.ours.services.get(service, {}), self.published.services[service]
        newer = NEWER_METHODS if service == SERVICE else {}
        self.methods += len(ours)
        if service == SERVICE:
            self.equal(f"{service}, number of methods", len(ours), METHODS)
        for method in sorted(ours.keys() | published.keys() | newer.keys()):
            what, want = f"method {service}/{method}", published.get(method)
            if method in newer:
                if want is not None:
                    self.differences.append(f"{what}: published now, remove it from NEWER_METHODS")
                want = want or (*newer[method], False, False)
            self.equal(what, ours.get(method), want)

    def check_names(self):
        """Nothing is declared here that is neither published nor named above."""
        for kind, ours, published, newer in (
            ("message", self.ours.messages, self.published.messages, set(NEWER_MESSAGES)),
            ("enum", self.ours.enums, self.published.enums, NEWER_ENUMS),
            ("service", self.ours.services, self.published.services, set()),
        ):
            for name in sorted(set(ours) - set(published) - newer):
                self.differences.append(f"{kind} {name}: not published")
            for name in sorted(newer & set(published)):
                self.differences.append(f"{kind} {name}: published now, remove it from what is newer")
            for name in sorted(newer - set(ours)):
                self.differences.append(f"{kind} {name}: not declared")
        for name in sorted(COMPLETE - set(self.ours.messages)):
            self.differences.append(f"message {name}: complete by our list, not declared")

    def check_extension(self):
        name = "common.privilege_ext_obj"
        self.equal(f"extension {name}", self.ours.extensions.get(name), self.published.extensions[name])

    def check_message(self, name):
        self.messages += 1
        ours = self.ours.fields(name)
        self.fields += len(ours)
        if name not in self.published.messages:
            numbers = {field: str(shape[0]) for field, shape in ours.items()}
            want = dict(pair.split("=") for pair in NEWER_MESSAGES.get(name, "").split())
            self.equal(f"fields of message {name}", numbers, want)
            return
        self.equal(
            f"message {name}, map entry",
            self.ours.messages[name].options.map_entry,
            self.published.messages[name].options.map_entry,
        )
        published = self.published.fields(name)
        for field, shape in ours.items():
            what = f"field {name}.{field}"
            newer = NEWER_FIELDS.get((name, field))
            if newer is not None:
                if field in published:
                    self.differences.append(f"{what}: published now, remove it from NEWER_FIELDS")
                else:
                    self.equal(what, text(shape), newer)
                    continue
            if field not in published:
                self.differ(what, text(shape), "nothing")
            elif shape != published[field]:
                self.differ(what, text(shape), text(published[field]))
        for owner, field in NEWER_FIELDS:
            if owner == name and field not in ours:
                self.differences.append(f"field {name}.{field}: not declared")
        if name in COMPLETE:
            for field in sorted(published.keys() - ours.keys()):
                self.differ(f"field {name}.{field}", "nothing", text(published[field]))
            self.check_reach(name, ours)

    def check_reach(self, name, fields):
        """A complete message may hold only complete ones. Map entries stand for their values."""
        for field, shape in fields.items():
            held = shape[3]
            if shape[2] != "message" or held in COMPLETE or held not in self.ours.messages:
                continue
            if self.ours.messages[held].options.map_entry:
                self.check_reach(name, {f"{field}.{k}": v for k, v in self.ours.fields(held).items()})
            else:
                self.differences.append(f"field {name}.{field}: {held} is not in our list of complete messages")

    def check_requests(self):
        """Requests declare the fields that the gate reads."""
        for service in SERVICES:
            for request, *_ in self.ours.services.get(service, {}).values():
                if request not in self.published.messages or request not in self.ours.messages:
                    continue
                ours, published = self.ours.fields(request), self.published.fields(request)
                option = self.ours.option(request) or (0, 0, 0, 0)
                for field, shape in published.items():
                    if field in ours:
                        continue
                    if field in NAMING_FIELDS or (shape[0] > 0 and shape[0] in option[2:]):
                        self.differ(f"field {request}.{field}, which the gate reads", "nothing", text(shape))

    def check_options(self):
        annotated = {n for n in self.published.messages if self.published.option(n)}
        for name in sorted(annotated - set(self.ours.messages) - UNDECLARED_WITH_OPTION):
            self.differences.append(f"message {name}: carries the privilege option, not declared")
        for name in sorted(self.ours.messages):
            what, ours = f"privilege option of {name}", self.ours.option(name)
            published = self.published.option(name) if name in self.published.messages else None
            if name in NEWER_OPTIONS:
                self.equal(what, ours, NEWER_OPTIONS[name])
                if published == NEWER_OPTIONS[name]:
                    self.differences.append(f"{what}: published now, remove it from NEWER_OPTIONS")
            else:
                self.equal(what, ours, published)

    def check_enum(self, name):
        ours = {value.name: value.number for value in self.ours.enums[name].value}
        self.values += len(ours)
        published = {}
        if name in self.published.enums:
            published = {value.name: value.number for value in self.published.enums[name].value}
        newer = NEWER_VALUES.get(name, {})
        for value in sorted(newer.keys() & published.keys()):
            self.differences.append(f"value {name}.{value}: published now, remove it from NEWER_VALUES")
        published = newer | published
        for value in sorted(ours.keys() | published.keys()):
            self.equal(f"value {name}.{value}", ours.get(value), published.get(value))


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with open(arguments[0], "rb") as file:
        ours = Interface(descriptor_pb2.FileDescriptorSet.FromString(file.read()).file)
    published = []
    for module in PUBLISHED:
        published.append(descriptor_pb2.FileDescriptorProto())
        module.DESCRIPTOR.CopyToProto(published[-1])
    comparison = Comparison(ours, Interface(published))
    differences = comparison.run()
    for difference in differences:
        print(difference)
    if differences:
        print(f"descriptors: {len(differences)} differences")
        return 1
    print(
        f"descriptors: {comparison.methods} methods, {comparison.messages} messages, "
        f"{comparison.fields} fields, {comparison.values} enum values checked"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
