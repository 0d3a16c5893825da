package milvusrbac;

import io.milvus.v2.service.rbac.response.DescribeRoleResp.GrantInfo;

/** A privilege of a role, as describeRole shows it. */
record Grant(String objectType, String database, String object, String privilege) {
    static Grant of(GrantInfo info) {
        return new Grant(info.getObjectType(), info.getDbName(), info.getObjectName(), info.getPrivilege());
    }
}
