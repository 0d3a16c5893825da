'use strict';

// Grants of the first generation: on an object type and an object, in the connection's database.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, grants, ok, refused, useServer } = require('./harness');

const server = useServer();

const SEARCH = { roleName: 'r1', object: 'Collection', objectName: 'c1', privilegeName: 'Search' };

const granted = async () => grants(ok(await server.root.listGrants({ roleName: 'r1' })));

test('grantPrivilege, grantRolePrivilege: give a status, and a grant', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  assert.deepEqual(await root.grantPrivilege(SEARCH), SUCCESS);
  const create = { roleName: 'r1', object: 'Global', objectName: '*', privilegeName: 'CreateCollection' };
  assert.deepEqual(await root.grantRolePrivilege(create), SUCCESS);
  const see = { roleName: 'r1', object: 'User', objectName: '*', privilegeName: 'SelectUser' };
  assert.deepEqual(await root.grantRolePrivilege(see), SUCCESS);
  assert.deepEqual(await granted(), [
    ['Collection', 'default', 'c1', 'Search'],
    ['Global', 'default', '*', 'CreateCollection'],
    ['User', 'default', '*', 'SelectUser'],
  ]);
});

test('grantPrivilege, revokePrivilege: twice is as good as once', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  ok(await root.grantPrivilege(SEARCH));
  ok(await root.grantPrivilege(SEARCH));
  assert.deepEqual(await granted(), [['Collection', 'default', 'c1', 'Search']]);
  ok(await root.revokePrivilege(SEARCH));
  ok(await root.revokePrivilege(SEARCH));
  assert.deepEqual(await granted(), []);
});

test('revokePrivilege, revokeRolePrivilege: give a status, and undo a grant', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  const query = { ...SEARCH, privilegeName: 'Query' };
  ok(await root.grantPrivilege(SEARCH));
  ok(await root.grantPrivilege(query));
  assert.deepEqual(await root.revokePrivilege(SEARCH), SUCCESS);
  assert.deepEqual(await granted(), [['Collection', 'default', 'c1', 'Query']]);
  assert.deepEqual(await root.revokeRolePrivilege(query), SUCCESS);
  assert.deepEqual(await granted(), []);
});

test('grantPrivilege, revokePrivilege: bring the related privileges of Load and Flush', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  const load = { ...SEARCH, privilegeName: 'Load' };
  ok(await root.grantPrivilege(load));
  ok(await root.grantPrivilege({ ...SEARCH, privilegeName: 'Flush' }));
  assert.deepEqual(
    (await granted()).map(([, , , privilege]) => privilege),
    ['Flush', 'GetFlushState', 'GetLoadState', 'GetLoadingProgress', 'Load']
  );
  ok(await root.revokePrivilege(load));
  assert.deepEqual(
    (await granted()).map(([, , , privilege]) => privilege),
    ['Flush', 'GetFlushState']
  );
});

test('grantPrivilege, revokePrivilege, useDatabase: act in the database of the connection', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  ok(await root.createDatabase({ db_name: 'db1' }));
  const other = await server.client('root', undefined, { database: 'db1' });
  ok(await other.grantPrivilege(SEARCH));
  assert.deepEqual(await granted(), [['Collection', 'db1', 'c1', 'Search']]);
  // Here default is the database: nothing to revoke.
  ok(await root.revokePrivilege(SEARCH));
  assert.deepEqual(await granted(), [['Collection', 'db1', 'c1', 'Search']]);
  await other.useDatabase({ db_name: 'default' });
  ok(await other.grantPrivilege(SEARCH));
  await other.useDatabase({ db_name: 'db1' });
  ok(await other.revokePrivilege(SEARCH));
  assert.deepEqual(await granted(), [['Collection', 'default', 'c1', 'Search']]);
});

test('grantPrivilege: keeps no db_name, which the SDK declares and does not send', async () => {
  await addRole(server.root, 'r1');
  ok(await server.root.grantPrivilege({ ...SEARCH, db_name: 'db1' }));
  assert.deepEqual(await granted(), [['Collection', 'default', 'c1', 'Search']]);
});

test('grantPrivilege, revokePrivilege: refuse unknown roles, privileges and objects', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  const cases = [
    [
      { roleName: 'r2' },
      'failed to operate privilege common check: the role "r2" does not exist: invalid parameter',
    ],
    [
      { privilegeName: 'Nonsense' },
      'not found the privilege name[Nonsense] in object[Collection]: invalid parameter',
    ],
    [
      { privilegeName: 'CreateCollection' },
      'not found the privilege name[CreateCollection] in object[Collection]: invalid parameter',
    ],
    [
      { privilegeName: 'CollectionAdmin' },
      'can not operate the built-in privilege group [CollectionAdmin]: invalid parameter',
    ],
    [
      { object: 'Database' },
      'failed to operate privilege common check: the object entity in the request is nil or invalid: ' +
        'invalid parameter',
    ],
  ];
  for (const [change, reason] of cases) {
    const request = { ...SEARCH, ...change };
    refused(await root.grantPrivilege(request), 1100, 'OperatePrivilegeFailure', reason);
    refused(await root.revokePrivilege(request), 1100, 'OperatePrivilegeFailure', reason);
  }
  refused(
    await root.grantPrivilege({ ...SEARCH, objectName: '' }),
    1100,
    'IllegalArgument',
    'object name should be not empty: invalid parameter[expected=not empty][actual=]'
  );
  assert.deepEqual(await granted(), []);
});
