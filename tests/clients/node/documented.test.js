'use strict';

// The JavaScript of Milvus' user documentation (privilege_group.md, grant_privileges.md) as it is written.
// The pages call the client now `client`, now `milvusClient`, and forget the quotes around one name.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { ROOT_PASSWORD, SUCCESS, addUser, denied, grants, groups, ok, rpc, useServer } = require('./harness');
const { BUILT_IN_GROUPS } = require('./facts');

const server = useServer();
const privilege_group_1 = 'privilege_group_1';

const members = async client => groups(ok(await client.listPrivilegeGroups())).privilege_group_1?.sort();

test('createPrivilegeGroup, addPrivilegesToGroup, removePrivilegesFromGroup, listPrivilegeGroups, dropPrivilegeGroup: as documented', async () => {
  const client = server.root;

  await client.createPrivilegeGroup({
    group_name: 'privilege_group_1',
  });
  assert.deepEqual(await members(client), []);

  await client.addPrivilegesToGroup({
    group_name: privilege_group_1,
    privileges: ['Query', 'Search'],
  });
  assert.deepEqual(await members(client), ['Query', 'Search']);

  await client.removePrivilegesFromGroup({
    group_name: "privilege_group_1",
    privileges: ["Search"],
  });
  assert.deepEqual(await members(client), ['Query']);

  await client.listPrivilegeGroups();

  await client.dropPrivilegeGroup({group_name: 'privilege_group_1'});
  assert.deepEqual(Object.keys(groups(await client.listPrivilegeGroups())), BUILT_IN_GROUPS);
});

test('grantPrivilege, describeRole: as documented', async () => {
  ok(await server.root.createRole({ roleName: 'role_a' }));

  const { MilvusClient, DataType } = require("@zilliz/milvus2-sdk-node")
  const address = server.endpoint;
  const token = "root:Milvus";
  const client = new MilvusClient({address, token});
  const milvusClient = client;
  await milvusClient.grantPrivilege({
  roleName: 'role_a',
  object: 'Collection',
  objectName: 'collection_01',
  privilegeName: 'Search'
  });
  assert.deepEqual(await milvusClient.describeRole({roleName: 'role_a'}), {
    status: SUCCESS,
    results: [{ role: { name: 'role_a', description: '' }, users: [] }],
  });

  assert.ok(DataType);
  assert.equal(token, `root:${ROOT_PASSWORD}`);
  assert.deepEqual(grants(ok(await client.listGrants({ roleName: 'role_a' }))), [
    ['Collection', 'default', 'collection_01', 'Search'],
  ]);
  await client.closeConnection();
});

/** What calls are about of which only the decision is of interest. */
const c1 = { db_name: 'default', collection_name: 'collection_01' };
const c2 = { db_name: 'default', collection_name: 'collection_02' };

/** The call is decided, and granted: the server itself does not serve it. */
const granted = async call => assert.deepEqual(await call, {});

test('createPrivilegeGroup, addPrivilegesToGroup, createRole, createUser, addUserToRole, grantPrivilegeV2, listGrants, describeRole, describeUser, revokePrivilegeV2, removeUserFromRole, dropRole, deleteUser, dropPrivilegeGroup: from start to end', async () => {
  const client = server.root;
  const user = { user: 'user_1' };
  const inDefault = { user: 'user_1', database: 'default' };

  // A group, a role, a user.
  ok(await client.createPrivilegeGroup({ group_name: 'privilege_group_1' }));
  ok(await client.addPrivilegesToGroup({ group_name: privilege_group_1, privileges: ['Query', 'Search'] }));
  ok(await client.createRole({ roleName: 'role_a' }));
  await addUser(client, 'user_1', 'role_a');
  const user_1 = await server.client('user_1');
  const search = place => rpc(user_1, 'Search', place);
  const query = place => rpc(user_1, 'Query', place);
  const insert = place => rpc(user_1, 'Insert', place);

  await denied(search(c1), 'Search', inDefault);
  await denied(user_1.describeDatabase({ db_name: 'default' }), 'DescribeDatabase', inDefault);
  await denied(user_1.listRoles(), 'SelectOwnership', user);

  // On a collection, on a database, on the instance.
  const all = [
    { role: 'role_a', privilege: 'Insert', db_name: 'default', collection_name: 'collection_01' },
    { role: 'role_a', privilege: 'privilege_group_1', db_name: 'default', collection_name: 'collection_01' },
    { role: 'role_a', privilege: 'DatabaseReadOnly', db_name: 'default', collection_name: '*' },
    { role: 'role_a', privilege: 'ClusterReadOnly', db_name: '*', collection_name: '*' },
  ];
  for (const grant of all) ok(await client.grantPrivilegeV2(grant));

  assert.deepEqual(grants(ok(await client.listGrants({ roleName: 'role_a' }))), [
    ['Collection', 'default', 'collection_01', 'Insert'],
    ['Global', '*', '*', 'ClusterReadOnly'],
    ['Global', 'default', '*', 'DatabaseReadOnly'],
    ['Global', 'default', 'collection_01', 'privilege_group_1'],
  ]);
  assert.deepEqual(ok(await client.describeRole({ roleName: 'role_a' })).results, [
    { role: { name: 'role_a', description: '' }, users: [{ name: 'user_1' }] },
  ]);
  assert.deepEqual(ok(await user_1.describeUser({ username: 'user_1' })).results[0].roles, [
    { name: 'role_a', description: '' },
  ]);

  // In force with the next call, and no further than granted.
  await granted(search(c1));
  await granted(query(c1));
  await granted(insert(c1));
  await denied(search(c2), 'Search', inDefault);
  await denied(rpc(user_1, 'Delete', c1), 'Delete', inDefault);
  ok(await user_1.describeDatabase({ db_name: 'default' }));
  const alter = user_1.alterDatabase({ db_name: 'default', properties: { a: '1' } });
  await denied(alter, 'AlterDatabase', inDefault);
  ok(await user_1.listRoles());
  await denied(user_1.createRole({ roleName: 'role_b' }), 'CreateOwnership', user);

  // The members of the group are asked for at each call.
  ok(await client.removePrivilegesFromGroup({ group_name: 'privilege_group_1', privileges: ['Search'] }));
  await denied(search(c1), 'Search', inDefault);
  await granted(query(c1));

  // Nothing that is in use can be dropped.
  assert.equal((await client.dropPrivilegeGroup({ group_name: 'privilege_group_1' })).code, 1100);
  assert.equal((await client.dropRole({ roleName: 'role_a' })).code, 1100);

  // Revoked with the next call.
  for (const grant of all) ok(await client.revokePrivilegeV2(grant));
  assert.deepEqual(grants(ok(await client.listGrants({ roleName: 'role_a' }))), []);
  await denied(query(c1), 'Query', inDefault);
  await denied(insert(c1), 'Insert', inDefault);
  await denied(user_1.describeDatabase({ db_name: 'default' }), 'DescribeDatabase', inDefault);
  await denied(user_1.listRoles(), 'SelectOwnership', user);

  ok(await client.removeUserFromRole({ username: 'user_1', roleName: 'role_a' }));
  ok(await client.dropRole({ roleName: 'role_a' }));
  ok(await client.deleteUser({ username: 'user_1' }));
  ok(await client.dropPrivilegeGroup({ group_name: 'privilege_group_1' }));
  assert.deepEqual(ok(await client.listUsers()).usernames, ['root']);
});
