'use strict';

// What a user without privileges meets in each method.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { addRole, addUser, denied, everything, useServer } = require('./harness');
const { startRelay } = require('./relay');

const server = useServer();

const user = { username: 'u2' };
const password = { oldPassword: 'password', newPassword: 'another' };
const role = { roleName: 'r1' };
const v1 = { ...role, object: 'Global', objectName: '*', privilegeName: 'All' };
const v2 = { role: 'r1', privilege: 'All', db_name: '*', collection_name: '*' };
const group = { group_name: 'g1' };
const members = { ...group, privileges: ['Search'] };
const restore = { RBAC_meta: { roles: [{ name: 'r9' }] } };

/** The methods, what they are given, and the privilege that they need. */
const CALLS = [
  ['createUser', { username: 'u9', password: 'password' }, 'CreateOwnership'],
  ['updateUser', { ...user, ...password }, 'UpdateUser'],
  ['updatePassword', { ...user, ...password }, 'UpdateUser'],
  ['deleteUser', user, 'DropOwnership'],
  ['dropUser', user, 'DropOwnership'],
  ['listUsers', undefined, 'SelectOwnership'],
  ['describeUser', user, 'SelectUser'],
  ['selectUser', user, 'SelectUser'],
  ['createRole', { roleName: 'r9' }, 'CreateOwnership'],
  ['alterRole', { ...role, description: 'd' }, 'CreateOwnership'],
  ['dropRole', role, 'DropOwnership'],
  ['listRoles', undefined, 'SelectOwnership'],
  ['describeRole', role, 'SelectOwnership'],
  ['selectRole', role, 'SelectOwnership'],
  ['hasRole', role, 'SelectOwnership'],
  ['dropAllRoles', undefined, 'SelectOwnership'],
  ['addUserToRole', { username: 'u1', roleName: 'admin' }, 'ManageOwnership'],
  ['grantRole', { username: 'u1', roleName: 'admin' }, 'ManageOwnership'],
  ['removeUserFromRole', { ...user, ...role }, 'ManageOwnership'],
  ['revokeRole', { ...user, ...role }, 'ManageOwnership'],
  ['grantPrivilege', v1, 'ManageOwnership'],
  ['grantRolePrivilege', v1, 'ManageOwnership'],
  ['revokePrivilege', v1, 'ManageOwnership'],
  ['revokeRolePrivilege', v1, 'ManageOwnership'],
  ['grantPrivilegeV2', v2, 'ManageOwnership'],
  ['revokePrivilegeV2', v2, 'ManageOwnership'],
  ['selectGrant', role, 'SelectOwnership'],
  ['listGrant', role, 'SelectOwnership'],
  ['listGrants', role, 'SelectOwnership'],
  ['createPrivilegeGroup', group, 'CreatePrivilegeGroup'],
  ['dropPrivilegeGroup', group, 'DropPrivilegeGroup'],
  ['listPrivilegeGroups', undefined, 'ListPrivilegeGroups'],
  ['addPrivilegesToGroup', members, 'OperatePrivilegeGroup'],
  ['removePrivilegesFromGroup', members, 'OperatePrivilegeGroup'],
  ['backupRBAC', undefined, 'BackupRBAC'],
  ['restoreRBAC', restore, 'RestoreRBAC'],
  ['createDatabase', { db_name: 'db9' }, 'CreateDatabase'],
  ['dropDatabase', { db_name: 'db1' }, 'DropDatabase'],
  ['describeDatabase', { db_name: 'db1' }, 'DescribeDatabase', 'db1'],
  ['alterDatabase', { db_name: 'db1', properties: { a: '1' } }, 'AlterDatabase', 'db1'],
  ['alterDatabaseProperties', { db_name: 'db1', properties: { a: '1' } }, 'AlterDatabase', 'db1'],
  ['dropDatabaseProperties', { db_name: 'db1', properties: ['a'] }, 'AlterDatabase', 'db1'],
];

let u1;

async function prepare() {
  await addRole(server.root, 'r1', ['Search', 'default', 'c1']);
  await addUser(server.root, 'u1');
  await addUser(server.root, 'u2', 'r1');
  await server.root.createDatabase({ db_name: 'db1' });
  u1 ??= await server.client('u1');
}

for (const [method, request, privilege, database = '*'] of CALLS) {
  test(`${method}: is refused without the privilege`, async () => {
    await prepare();
    await denied(u1[method](request), privilege, { database });
  });
}

test('refused calls change nothing', async () => {
  await prepare();
  const before = await everything(server.root);
  for (const [method, request] of CALLS) await assert.rejects(u1[method](request), { code: 7 });
  assert.deepEqual(await everything(server.root), before);
});

test('a refused call is made once', async t => {
  await prepare();
  const relay = await startRelay(t, server.address);
  const client = await server.client('u1', undefined, { address: relay.address });
  await denied(client.createRole({ roleName: 'r9' }), 'CreateOwnership');
  assert.deepEqual(relay.names(), ['Connect', 'CreateRole']);
});

test('what nobody may be refused works', async () => {
  await prepare();
  assert.equal((await u1.getVersion()).status.code, 0);
  assert.equal((await u1.checkHealth()).isHealthy, true);
  assert.deepEqual((await u1.listDatabases()).db_names, []);
});
