'use strict';

// The methods that the suite tests. A test names those it shows in its title, before a colon.

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
  dropDatabaseProperties dropDatabase showCollections listCollections
`
  .trim()
  .split(/\s+/);

/** Those of HttpClient. */
const HTTP = `
  createUser updateUserPassword dropUser describeUser listUsers grantRoleToUser revokeRoleFromUser
  createRole dropRole describeRole listRoles grantPrivilegeToRole revokePrivilegeFromRole
  createDatabase listDatabases describeDatabase alterDatabaseProperties dropDatabaseProperties dropDatabase
`
  .trim()
  .split(/\s+/);

const METHODS = [...GRPC, ...HTTP.map(name => `HttpClient.${name}`)];

/** The methods that a test's title names. */
function shownBy(title) {
  const [, list] = /^([\w.]+(?:, [\w.]+)*): /.exec(title) ?? [];
  return list?.split(', ') ?? [];
}

module.exports = { GRPC, HTTP, METHODS, shownBy };
