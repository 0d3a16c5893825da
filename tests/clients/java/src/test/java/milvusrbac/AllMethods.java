package milvusrbac;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;

/** A test of all methods of access control together. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("connect")
@Tag("createUser")
@Tag("updatePassword")
@Tag("updateUser")
@Tag("dropUser")
@Tag("listUsers")
@Tag("describeUser")
@Tag("createRole")
@Tag("alterRole")
@Tag("dropRole")
@Tag("listRoles")
@Tag("describeRole")
@Tag("grantRole")
@Tag("revokeRole")
@Tag("grantPrivilege")
@Tag("revokePrivilege")
@Tag("grantPrivilegeV2")
@Tag("revokePrivilegeV2")
@Tag("createPrivilegeGroup")
@Tag("dropPrivilegeGroup")
@Tag("listPrivilegeGroups")
@Tag("addPrivilegesToGroup")
@Tag("removePrivilegesFromGroup")
@interface AllMethods {}
