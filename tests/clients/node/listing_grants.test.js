'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, grants, ok, refused, useServer } = require('./harness');
const { PUBLIC_GRANTS } = require('./facts');

const server = useServer();

/** A role with a grant of every kind. */
function prepare() {
  return addRole(
    server.root,
    'r1',
    ['Search', 'default', 'c1'],
    ['Query', 'db1', 'c1'],
    ['Query', 'db1', '*'],
    ['Insert', '*', '*'],
    ['ClusterReadOnly', '*', '*'],
    ['DatabaseAdmin', 'db1', '*']
  );
}

const ON_ALL = [
  ['Collection', '*', '*', 'Insert'],
  ['Global', '*', '*', 'ClusterReadOnly'],
];

test('listGrants: gives all grants of a role, whatever their database', async () => {
  await prepare();
  assert.deepEqual(grants(ok(await server.root.listGrants({ roleName: 'r1' }))), [
    ON_ALL[0],
    ['Collection', 'db1', '*', 'Query'],
    ['Collection', 'db1', 'c1', 'Query'],
    ['Collection', 'default', 'c1', 'Search'],
    ON_ALL[1],
    ['Global', 'db1', '*', 'DatabaseAdmin'],
  ]);
});

test('listGrants: gives those of one database and of all', async () => {
  await prepare();
  const answer = ok(await server.root.listGrants({ roleName: 'r1', db_name: 'db1' }));
  assert.deepEqual(grants(answer), [
    ON_ALL[0],
    ['Collection', 'db1', '*', 'Query'],
    ['Collection', 'db1', 'c1', 'Query'],
    ON_ALL[1],
    ['Global', 'db1', '*', 'DatabaseAdmin'],
  ]);
});

test('listGrants, selectGrant, listGrant: fill every field', async () => {
  await addRole(server.root, 'r1', ['Search', 'default', 'c1']);
  const expected = {
    status: SUCCESS,
    entities: [
      {
        role: { name: 'r1', description: '' },
        object: { name: 'Collection' },
        object_name: 'c1',
        db_name: 'default',
        grantor: { user: { name: 'root' }, privilege: { name: 'Search' } },
      },
    ],
  };
  const request = { roleName: 'r1', object: 'Collection', objectName: 'c1' };
  assert.deepEqual(await server.root.listGrants({ roleName: 'r1' }), expected);
  assert.deepEqual(await server.root.selectGrant(request), expected);
  assert.deepEqual(await server.root.listGrant(request), expected);
});

test('listGrants: gives what everybody holds', async () => {
  assert.deepEqual(grants(ok(await server.root.listGrants({ roleName: 'public' }))), PUBLIC_GRANTS);
  assert.deepEqual(grants(ok(await server.root.listGrants({ roleName: 'admin' }))), []);
});

test('selectGrant: gives those on one object', async () => {
  await prepare();
  const select = async (objectName, db_name) =>
    grants(
      ok(await server.root.selectGrant({ roleName: 'r1', object: 'Collection', objectName, db_name }))
    );
  assert.deepEqual(await select('c1'), [['Collection', 'default', 'c1', 'Search']]);
  assert.deepEqual(await select('c1', 'db1'), [['Collection', 'db1', 'c1', 'Query']]);
  assert.deepEqual(await select('*', 'db1'), [ON_ALL[0], ['Collection', 'db1', '*', 'Query']]);
  assert.deepEqual(await select('c2'), []);
});

test('selectGrant: without an object gives those of the database of the connection', async () => {
  await prepare();
  const answer = ok(await server.root.selectGrant({ roleName: 'r1' }));
  assert.deepEqual(grants(answer), [
    ON_ALL[0],
    ['Collection', 'default', 'c1', 'Search'],
    ON_ALL[1],
  ]);
});

test('listGrants, selectGrant: refuse unknown roles', async () => {
  const reason = 'the role "r1" does not exist: invalid parameter';
  const object = { object: 'Collection', objectName: '*' };
  for (const answer of [
    await server.root.listGrants({ roleName: 'r1' }),
    await server.root.selectGrant({ roleName: 'r1', ...object }),
  ]) {
    refused(answer, 1100, 'SelectGrantFailure', reason);
    assert.deepEqual(answer.entities, []);
  }
});

test('selectGrant: refuses unknown object types', async () => {
  await addRole(server.root, 'r1');
  const answer = await server.root.selectGrant({ roleName: 'r1', object: 'Database', objectName: '*' });
  assert.equal(answer.status.code, 1100);
  assert.equal(answer.status.error_code, 'SelectGrantFailure');
  assert.match(
    answer.status.reason,
    /^not found the object type\[name: Database\], supported the object types: \[.*\]: invalid parameter$/
  );
});

test('listGrants: users see what their roles hold', async () => {
  const { root } = server;
  await addRole(root, 'r1', ['Search', 'default', 'c1']);
  ok(await root.createUser({ username: 'u1', password: 'password' }));
  ok(await root.addUserToRole({ username: 'u1', roleName: 'r1' }));
  const u1 = await server.client('u1');
  assert.deepEqual(grants(ok(await u1.listGrants({ roleName: 'r1' }))), [
    ['Collection', 'default', 'c1', 'Search'],
  ]);
});
