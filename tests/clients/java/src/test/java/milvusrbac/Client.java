package milvusrbac;

import io.milvus.v2.client.MilvusClientV2;
import io.milvus.v2.service.collection.request.DropCollectionReq;
import io.milvus.v2.service.database.request.AlterDatabasePropertiesReq;
import io.milvus.v2.service.database.request.CreateDatabaseReq;
import io.milvus.v2.service.database.request.DescribeDatabaseReq;
import io.milvus.v2.service.database.request.DropDatabasePropertiesReq;
import io.milvus.v2.service.database.request.DropDatabaseReq;
import io.milvus.v2.service.database.response.DescribeDatabaseResp;
import io.milvus.v2.service.rbac.PrivilegeGroup;
import io.milvus.v2.service.rbac.request.AddPrivilegesToGroupReq;
import io.milvus.v2.service.rbac.request.AlterRoleReq;
import io.milvus.v2.service.rbac.request.CreatePrivilegeGroupReq;
import io.milvus.v2.service.rbac.request.CreateRoleReq;
import io.milvus.v2.service.rbac.request.CreateUserReq;
import io.milvus.v2.service.rbac.request.DescribeRoleReq;
import io.milvus.v2.service.rbac.request.DescribeUserReq;
import io.milvus.v2.service.rbac.request.DropPrivilegeGroupReq;
import io.milvus.v2.service.rbac.request.DropRoleReq;
import io.milvus.v2.service.rbac.request.DropUserReq;
import io.milvus.v2.service.rbac.request.GrantPrivilegeReq;
import io.milvus.v2.service.rbac.request.GrantPrivilegeReqV2;
import io.milvus.v2.service.rbac.request.GrantRoleReq;
import io.milvus.v2.service.rbac.request.ListPrivilegeGroupsReq;
import io.milvus.v2.service.rbac.request.RemovePrivilegesFromGroupReq;
import io.milvus.v2.service.rbac.request.RevokePrivilegeReq;
import io.milvus.v2.service.rbac.request.RevokePrivilegeReqV2;
import io.milvus.v2.service.rbac.request.RevokeRoleReq;
import io.milvus.v2.service.rbac.request.UpdatePasswordReq;
import io.milvus.v2.service.rbac.request.UpdateUserReq;
import io.milvus.v2.service.rbac.response.DescribeRoleResp;
import io.milvus.v2.service.rbac.response.DescribeUserResp;
import io.milvus.v2.service.vector.request.QueryReq;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/** The SDK's client with its requests written briefly: each method is the SDK's of the same name. */
record Client(MilvusClientV2 sdk) {
    // Users

    void createUser(String user, String password) {
        sdk.createUser(CreateUserReq.builder().userName(user).password(password).build());
    }

    void createUser(String user, String password, String description) {
        sdk.createUser(CreateUserReq.builder()
                .userName(user)
                .password(password)
                .description(description)
                .build());
    }

    void updatePassword(String user, String password, String newPassword) {
        sdk.updatePassword(UpdatePasswordReq.builder()
                .userName(user)
                .password(password)
                .newPassword(newPassword)
                .build());
    }

    void updateUser(String user, String description) {
        sdk.updateUser(UpdateUserReq.builder().userName(user).description(description).build());
    }

    void dropUser(String user) {
        sdk.dropUser(DropUserReq.builder().userName(user).build());
    }

    List<String> listUsers() {
        return sdk.listUsers();
    }

    DescribeUserResp describeUser(String user) {
        return sdk.describeUser(DescribeUserReq.builder().userName(user).build());
    }

    List<String> rolesOf(String user) {
        return describeUser(user).getRoles();
    }

    // Roles

    void createRole(String role) {
        sdk.createRole(CreateRoleReq.builder().roleName(role).build());
    }

    void createRole(String role, String description) {
        sdk.createRole(CreateRoleReq.builder().roleName(role).description(description).build());
    }

    void alterRole(String role, String description) {
        sdk.alterRole(AlterRoleReq.builder().roleName(role).description(description).build());
    }

    void dropRole(String role) {
        sdk.dropRole(DropRoleReq.builder().roleName(role).build());
    }

    void forceDropRole(String role) {
        sdk.dropRole(DropRoleReq.builder().roleName(role).forceDrop(true).build());
    }

    List<String> listRoles() {
        return sdk.listRoles();
    }

    DescribeRoleResp describeRole(String role) {
        return sdk.describeRole(DescribeRoleReq.builder().roleName(role).build());
    }

    /** What a role holds in a database (`*` for all), in the order of the answer. */
    List<Grant> grants(String role, String database) {
        DescribeRoleReq request = DescribeRoleReq.builder().roleName(role).dbName(database).build();
        return sdk.describeRole(request).getGrantInfos().stream().map(Grant::of).toList();
    }

    List<Grant> grants(String role) {
        return describeRole(role).getGrantInfos().stream().map(Grant::of).toList();
    }

    void grantRole(String user, String role) {
        sdk.grantRole(GrantRoleReq.builder().userName(user).roleName(role).build());
    }

    void revokeRole(String user, String role) {
        sdk.revokeRole(RevokeRoleReq.builder().userName(user).roleName(role).build());
    }

    // Grants

    void grantPrivilege(String role, String objectType, String privilege, String object) {
        sdk.grantPrivilege(GrantPrivilegeReq.builder()
                .roleName(role)
                .objectType(objectType)
                .privilege(privilege)
                .objectName(object)
                .build());
    }

    void revokePrivilege(String role, String objectType, String privilege, String object) {
        sdk.revokePrivilege(RevokePrivilegeReq.builder()
                .roleName(role)
                .objectType(objectType)
                .privilege(privilege)
                .objectName(object)
                .build());
    }

    void grantPrivilegeV2(String role, String privilege, String collection, String database) {
        sdk.grantPrivilegeV2(GrantPrivilegeReqV2.builder()
                .roleName(role)
                .privilege(privilege)
                .collectionName(collection)
                .dbName(database)
                .build());
    }

    void revokePrivilegeV2(String role, String privilege, String collection, String database) {
        sdk.revokePrivilegeV2(RevokePrivilegeReqV2.builder()
                .roleName(role)
                .privilege(privilege)
                .collectionName(collection)
                .dbName(database)
                .build());
    }

    // Privilege groups

    void createPrivilegeGroup(String group) {
        sdk.createPrivilegeGroup(CreatePrivilegeGroupReq.builder().groupName(group).build());
    }

    void dropPrivilegeGroup(String group) {
        sdk.dropPrivilegeGroup(DropPrivilegeGroupReq.builder().groupName(group).build());
    }

    List<PrivilegeGroup> listPrivilegeGroups() {
        return sdk.listPrivilegeGroups(ListPrivilegeGroupsReq.builder().build()).getPrivilegeGroups();
    }

    /** The members of all privilege groups, in the order of the answer; the members in byte order. */
    Map<String, List<String>> groups() {
        return listPrivilegeGroups().stream()
                .collect(Collectors.toMap(
                        PrivilegeGroup::getGroupName,
                        group -> group.getPrivileges().stream().sorted().toList(),
                        (one, other) -> {
                            throw new AssertionError("a group is listed twice");
                        },
                        LinkedHashMap::new));
    }

    void addPrivilegesToGroup(String group, String... privileges) {
        sdk.addPrivilegesToGroup(AddPrivilegesToGroupReq.builder()
                .groupName(group)
                .privileges(List.of(privileges))
                .build());
    }

    void removePrivilegesFromGroup(String group, String... privileges) {
        sdk.removePrivilegesFromGroup(RemovePrivilegesFromGroupReq.builder()
                .groupName(group)
                .privileges(List.of(privileges))
                .build());
    }

    // Databases

    void createDatabase(String database) {
        sdk.createDatabase(CreateDatabaseReq.builder().databaseName(database).build());
    }

    void createDatabase(String database, Map<String, String> properties) {
        sdk.createDatabase(CreateDatabaseReq.builder()
                .databaseName(database)
                .properties(properties)
                .build());
    }

    void dropDatabase(String database) {
        sdk.dropDatabase(DropDatabaseReq.builder().databaseName(database).build());
    }

    /** In byte order; the answer has none. */
    List<String> listDatabases() {
        return sdk.listDatabases().getDatabaseNames().stream().sorted().toList();
    }

    DescribeDatabaseResp describeDatabase(String database) {
        return sdk.describeDatabase(DescribeDatabaseReq.builder().databaseName(database).build());
    }

    void alterDatabaseProperties(String database, Map<String, String> properties) {
        sdk.alterDatabaseProperties(AlterDatabasePropertiesReq.builder()
                .databaseName(database)
                .properties(properties)
                .build());
    }

    void dropDatabaseProperties(String database, String... keys) {
        sdk.dropDatabaseProperties(DropDatabasePropertiesReq.builder()
                .databaseName(database)
                .propertyKeys(List.of(keys))
                .build());
    }

    void useDatabase(String database) throws InterruptedException {
        sdk.useDatabase(database);
    }

    // Data, of which there is none here

    void query(String database, String collection) {
        sdk.query(QueryReq.builder()
                .databaseName(database)
                .collectionName(collection)
                .filter("id > 0")
                .build());
    }

    void dropCollection(String database, String collection) {
        sdk.dropCollection(DropCollectionReq.builder()
                .databaseName(database)
                .collectionName(collection)
                .build());
    }

    /** All that the server keeps, as far as clients see it. */
    String everything() {
        Map<String, Object> state = new TreeMap<>();
        listUsers().forEach(user -> state.put("user " + user, describeUser(user)));
        for (String role : listRoles()) {
            state.put("role " + role, describeRole(role).getDescription() + grants(role, "*"));
        }
        state.put("groups", groups());
        for (String database : listDatabases()) {
            state.put("database " + database, new TreeMap<>(describeDatabase(database).getProperties()));
        }
        return state.toString();
    }
}
