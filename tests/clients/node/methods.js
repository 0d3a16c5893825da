'use strict';

// The methods that the suite tests. A test names those it shows in its title, before a colon.

/** What a method of the SDK does wrong whatever the server answers. Tests show each of them. */
const BUGS = {
  dropAllRoles:
    'bug of the client: revokes with v1 calls that name no database, so roles with grants of groups, ' +
    'or on other databases than that of the connection, are not dropped',
};

/** Methods of MilvusClient that concern access, other names of the same call included. */
const GRPC = `
  connect closeConnection getVersion checkHealth use useDatabase
  createUser updateUser updatePassword deleteUser dropUser listUsers describeUser selectUser
  createRole alterRole dropRole listRoles describeRole selectRole hasRole dropAllRoles
  addUserToRole grantRole removeUserFromRole revokeRole
  grantPrivilege grantRolePrivilege revokePrivilege revokeRolePrivilege grantPrivilegeV2 revokePrivilegeV2
  selectGrant listGrant listGrants
  createPrivilegeGroup dropPrivilegeGroup listPrivilegeGroups addPrivilegesToGroup removePrivilegesFromGroup
  backupRBAC restoreRBAC
  createDatabase listDatabases describeDatabase alterDatabase alterDatabaseProperties
  dropDatabaseProperties dropDatabase
`
  .trim()
  .split(/\s+/);

/** Those of HttpClient. */
const HTTP = `
  createUser updateUserPassword dropUser describeUser listUsers grantRoleToUser revokeRoleFromUser
  createRole dropRole describeRole listRoles grantPrivilegeToRole revokePrivilegeFromRole
`
  .trim()
  .split(/\s+/);

const METHODS = [...GRPC, ...HTTP.map(name => `HttpClient.${name}`)];

/** The methods that a test's title names. */
function shownBy(title) {
  const [, list] = /^([\w.]+(?:, [\w.]+)*): /.exec(title) ?? [];
  return list?.split(', ') ?? [];
}

module.exports = { BUGS, GRPC, HTTP, METHODS, shownBy };
