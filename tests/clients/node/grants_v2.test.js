'use strict';

// Grants of the second generation: of privileges and groups, on a collection, a database or the instance.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, grants, ok, refused, useServer } = require('./harness');

const server = useServer();

const SEARCH = { role: 'r1', privilege: 'Search', db_name: 'db1', collection_name: 'c1' };

const granted = async () => grants(ok(await server.root.listGrants({ roleName: 'r1' })));

test('grantPrivilegeV2, revokePrivilegeV2: give a status, and a grant until it is revoked', async () => {
  await addRole(server.root, 'r1');
  assert.deepEqual(await server.root.grantPrivilegeV2(SEARCH), SUCCESS);
  assert.deepEqual(await granted(), [['Collection', 'db1', 'c1', 'Search']]);
  assert.deepEqual(await server.root.revokePrivilegeV2(SEARCH), SUCCESS);
  assert.deepEqual(await granted(), []);
});

test('grantPrivilegeV2, revokePrivilegeV2: reach collections, databases and the instance', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  const cases = [
    ['CollectionAdmin', 'db1', 'c1'],
    ['CollectionAdmin', 'db1', '*'],
    ['CollectionAdmin', '*', '*'],
    ['DatabaseAdmin', 'db1', '*'],
    ['DatabaseAdmin', '*', '*'],
    ['ClusterAdmin', '*', '*'],
  ];
  for (const [privilege, db_name, collection_name] of cases) {
    const request = { role: 'r1', privilege, db_name, collection_name };
    ok(await root.grantPrivilegeV2(request));
    assert.deepEqual(await granted(), [['Global', db_name, collection_name, privilege]]);
    ok(await root.revokePrivilegeV2(request));
    assert.deepEqual(await granted(), []);
  }
});

test('grantPrivilegeV2: takes groups of users', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  ok(await root.createPrivilegeGroup({ group_name: 'g1' }));
  ok(await root.addPrivilegesToGroup({ group_name: 'g1', privileges: ['Search', 'Query'] }));
  ok(await root.grantPrivilegeV2({ ...SEARCH, privilege: 'g1' }));
  assert.deepEqual(await granted(), [['Global', 'db1', 'c1', 'g1']]);
});

test('grantPrivilegeV2: without db_name means the database of the connection', async () => {
  await addRole(server.root, 'r1');
  ok(await server.root.grantPrivilegeV2({ role: 'r1', privilege: 'Search', collection_name: 'c1' }));
  ok(await server.root.createDatabase({ db_name: 'db1' }));
  const other = await server.client('root', undefined, { database: 'db1' });
  ok(await other.grantPrivilegeV2({ role: 'r1', privilege: 'Search', collection_name: 'c1' }));
  assert.deepEqual(await granted(), [
    ['Collection', 'db1', 'c1', 'Search'],
    ['Collection', 'default', 'c1', 'Search'],
  ]);
});

test('grantPrivilegeV2, revokePrivilegeV2: twice is as good as once', async () => {
  await addRole(server.root, 'r1');
  for (let i = 0; i < 2; i++) ok(await server.root.grantPrivilegeV2(SEARCH));
  assert.deepEqual(await granted(), [['Collection', 'db1', 'c1', 'Search']]);
  for (let i = 0; i < 2; i++) ok(await server.root.revokePrivilegeV2(SEARCH));
  assert.deepEqual(await granted(), []);
});

test('revokePrivilegeV2: takes the star by its letter', async () => {
  await addRole(server.root, 'r1', ['Search', 'db1', 'c1']);
  ok(await server.root.revokePrivilegeV2({ ...SEARCH, collection_name: '*' }));
  assert.deepEqual(await granted(), [['Collection', 'db1', 'c1', 'Search']]);
});

test('grantPrivilegeV2, revokePrivilegeV2: refuse what is unknown', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  const failure = [1100, 'OperatePrivilegeFailure'];
  const illegal = [1100, 'IllegalArgument'];
  const cases = [
    [
      { role: 'r2' },
      ...failure,
      'failed to operate privilege common check: the role "r2" does not exist: invalid parameter',
    ],
    [{ privilege: 'Nonsense' }, ...failure, 'not found the privilege name[Nonsense]: invalid parameter'],
    [
      { role: '' },
      ...illegal,
      'role name should be not empty: invalid parameter[expected=not empty][actual=]',
    ],
    [
      { collection_name: undefined },
      ...illegal,
      'collection name should be not empty: invalid parameter[expected=not empty][actual=]',
    ],
    [
      { db_name: 'db 1' },
      802,
      'UnexpectedError',
      'database name can only contain numbers, letters and underscores: invalid database name[database=db 1]',
    ],
  ];
  for (const [change, code, error_code, reason] of cases) {
    const request = { ...SEARCH, ...change };
    refused(await root.grantPrivilegeV2(request), code, error_code, reason);
    refused(await root.revokePrivilegeV2(request), code, error_code, reason);
  }
  assert.deepEqual(await granted(), []);
});

test('grantPrivilegeV2: refuses groups on another level than theirs', async () => {
  await addRole(server.root, 'r1');
  const cases = [
    [
      ['ClusterReadOnly', 'db1', '*'],
      'dbName and collectionName should be * for the cluster level privilege: ClusterReadOnly',
    ],
    [
      ['DatabaseReadOnly', 'db1', 'c1'],
      'collectionName should be * for the database level privilege: DatabaseReadOnly',
    ],
    [
      ['CollectionReadOnly', '*', 'c1'],
      'please specify database name for the collection level privilege: CollectionReadOnly',
    ],
  ];
  for (const [[privilege, db_name, collection_name], reason] of cases) {
    const request = { role: 'r1', privilege, db_name, collection_name };
    const answer = await server.root.grantPrivilegeV2(request);
    refused(answer, 1100, 'OperatePrivilegeFailure', `${reason}: invalid parameter`);
  }
});
