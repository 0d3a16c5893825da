'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, addUser, everything, ok, refused, startServer, useServer } = require('./harness');

const server = useServer();

/** Something of every kind. */
async function prepare() {
  const { root } = server;
  ok(await root.createPrivilegeGroup({ group_name: 'g1' }));
  ok(await root.addPrivilegesToGroup({ group_name: 'g1', privileges: ['Search'] }));
  await addRole(root, 'r1', ['g1', 'db1', 'c1']);
  ok(await root.alterRole({ roleName: 'r1', description: 'reads' }));
  await addUser(root, 'u1', 'r1', 'admin');
}

test('backupRBAC: gives all but what every server has', async () => {
  await prepare();
  const answer = await server.root.backupRBAC();
  const [{ password }] = answer.RBAC_meta.users;
  assert.match(password, /^\$2[ab]\$04\$/);
  assert.deepEqual(answer, {
    status: SUCCESS,
    RBAC_meta: {
      users: [
        {
          user: 'u1',
          password,
          roles: [
            { name: 'admin', description: '' },
            { name: 'r1', description: '' },
          ],
        },
      ],
      roles: [{ name: 'r1', description: 'reads' }],
      grants: [
        {
          role: { name: 'r1', description: '' },
          object: { name: 'Global' },
          object_name: 'c1',
          db_name: 'db1',
          grantor: { user: { name: 'root' }, privilege: { name: 'g1' } },
        },
      ],
      privilege_groups: [{ group_name: 'g1', privileges: [{ name: 'Search' }] }],
    },
  });
});

test('backupRBAC: of a new server is empty', async () => {
  assert.deepEqual((await server.root.backupRBAC({ timeout: 5000 })).RBAC_meta, {
    users: [],
    roles: [],
    grants: [],
    privilege_groups: [],
  });
});

test('backupRBAC, restoreRBAC: make another server the same, passwords included', async t => {
  await prepare();
  const { RBAC_meta } = ok(await server.root.backupRBAC());
  const other = await startServer(t);
  const root = await other.client();
  assert.deepEqual(await root.restoreRBAC({ RBAC_meta }), SUCCESS);
  const copy = await everything(root);
  const original = await everything(server.root);
  assert.deepEqual({ ...copy, databases: [] }, { ...original, databases: [] });
  assert.deepEqual((await root.backupRBAC()).RBAC_meta, RBAC_meta);
  ok(await (await other.client('u1')).listUsers());
});

test('restoreRBAC: refuses what is there', async () => {
  await prepare();
  const { root } = server;
  const { RBAC_meta } = ok(await root.backupRBAC());
  const before = await everything(root);
  const cases = [
    [{}, 'role [r1]'],
    [{ roles: [] }, 'privilege group [g1]'],
    [{ roles: [], privilege_groups: [], grants: [] }, 'user [u1]'],
  ];
  for (const [change, what] of cases) {
    const reason = `failed to check if rbac restorable: ${what} already exists: invalid parameter`;
    const answer = await root.restoreRBAC({ RBAC_meta: { ...RBAC_meta, ...change } });
    refused(answer, 1100, 'OperatePrivilegeFailure', reason);
  }
  assert.deepEqual(await everything(root), before);
});

test('restoreRBAC: refuses users of unknown roles', async () => {
  await prepare();
  const { root } = server;
  const { RBAC_meta } = ok(await root.backupRBAC());
  const [user] = RBAC_meta.users;
  const answer = await root.restoreRBAC({
    RBAC_meta: { users: [{ ...user, user: 'u2', roles: [{ name: 'r2' }] }] },
  });
  refused(
    answer,
    1100,
    'OperatePrivilegeFailure',
    'failed to check if rbac restorable: role [r2] does not exist: invalid parameter'
  );
});

test('restoreRBAC: of nothing changes nothing', async () => {
  const before = await everything(server.root);
  ok(await server.root.restoreRBAC({ RBAC_meta: {} }));
  ok(await server.root.restoreRBAC({}));
  assert.deepEqual(await everything(server.root), before);
});
