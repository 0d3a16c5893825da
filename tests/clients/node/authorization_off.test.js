'use strict';

// A server that asks nobody for credentials.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { HttpClient } = require('@zilliz/milvus2-sdk-node');
const { PASSWORD, SUCCESS, addUser, grants, names, ok, refused, useServer } = require('./harness');

const server = useServer('--authorization', 'off');

const SEARCH = { role: 'r1', privilege: 'Search', db_name: 'default', collection_name: 'c1' };

/** Manages everything once. */
async function manage(client) {
  assert.deepEqual(await client.createUser({ username: 'u1', password: PASSWORD }), SUCCESS);
  ok(await client.createRole({ roleName: 'r1' }));
  ok(await client.addUserToRole({ username: 'u1', roleName: 'r1' }));
  ok(await client.createPrivilegeGroup({ group_name: 'g1' }));
  ok(await client.addPrivilegesToGroup({ group_name: 'g1', privileges: ['Query'] }));
  ok(await client.grantPrivilegeV2(SEARCH));
  ok(await client.grantPrivilegeV2({ ...SEARCH, privilege: 'g1' }));
  assert.deepEqual(grants(ok(await client.listGrants({ roleName: 'r1' }))), [
    ['Collection', 'default', 'c1', 'Search'],
    ['Global', 'default', 'c1', 'g1'],
  ]);
  ok(await client.createDatabase({ db_name: 'db1' }));
  assert.deepEqual(ok(await client.listDatabases()).db_names.sort(), ['db1', 'default']);
  assert.deepEqual(names(ok(await client.listRoles())), ['admin', 'public', 'r1']);
}

test('connect, createUser, createRole, grantPrivilegeV2: work without credentials', async () => {
  const client = server.connecting({});
  ok(await client.connectPromise);
  await manage(client);
});

test('connect, createUser, createRole, grantPrivilegeV2: work with wrong credentials', async () => {
  const client = await server.client('root', 'wrong one');
  await manage(client);
});

test('createRole, listUsers: users without privileges may do everything', async () => {
  await addUser(server.root, 'u1');
  const u1 = await server.client('u1');
  ok(await u1.createRole({ roleName: 'r1' }));
  ok(await u1.grantPrivilegeV2(SEARCH));
  const [{ grantor }] = ok(await u1.listGrants({ roleName: 'r1' })).entities;
  assert.equal(grantor.user.name, 'u1');
});

test('updatePassword: asks for the old password nevertheless', async () => {
  await addUser(server.root, 'u1');
  const reason = 'old password not correct for u1: not authenticated';
  const change = { username: 'u1', oldPassword: 'wrong one', newPassword: 'another' };
  refused(await server.root.updatePassword(change), 1400, 'UnexpectedError', reason);
  ok(await server.root.updatePassword({ ...change, oldPassword: PASSWORD }));
});

test('HttpClient.createUser, HttpClient.listUsers: work without and with wrong credentials', async () => {
  const nobody = new HttpClient({ endpoint: server.endpoint });
  assert.deepEqual(await nobody.createUser({ userName: 'u1', password: PASSWORD }), { code: 0, data: {} });
  const stranger = server.http('stranger');
  assert.deepEqual(await stranger.listUsers(), { code: 0, data: ['root', 'u1'] });
});
