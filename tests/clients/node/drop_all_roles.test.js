'use strict';

// dropAllRoles revokes, one by one, what each role holds, and drops it. It spares nothing by itself.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { addRole, addUser, grants, names, ok, refused, useServer } = require('./harness');
const { PUBLIC_GRANTS } = require('./facts');

const server = useServer();

const BUILT_IN = name =>
  `the role[${name}] is a default role, which can't be dropped: privilege not permitted`;
const IN_USE =
  'failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to revoke ' +
  'privileges: invalid parameter';

test('dropAllRoles: drops all roles but the built-in ones', async () => {
  const { root } = server;
  await addRole(root, 'r1', ['Search', 'default', 'c1'], ['CreateDatabase', 'default', '*']);
  await addRole(root, 'r2');
  await addUser(root, 'u1', 'r1', 'r2');
  const [admin, anyone, ...rest] = await root.dropAllRoles();
  refused(admin, 1401, 'UnexpectedError', BUILT_IN('admin'));
  refused(anyone, 1401, 'UnexpectedError', BUILT_IN('public'));
  assert.equal(rest.length, 2);
  rest.forEach(ok);
  assert.deepEqual(names(await root.listRoles()), ['admin', 'public']);
  assert.deepEqual((await root.describeUser({ username: 'u1' })).results[0].roles, []);
});

test('dropAllRoles: locks nobody out', async () => {
  const { root } = server;
  await addUser(root, 'u1', 'admin');
  await root.dropAllRoles();
  assert.deepEqual(grants(await root.listGrants({ roleName: 'public' })), PUBLIC_GRANTS);
  const u1 = await server.client('u1');
  ok(await u1.createRole({ roleName: 'r1' }));
});

test('dropAllRoles: leaves roles with grants that its calls cannot name', async t => {
  const { root } = server;
  await addRole(root, 'r1', ['CollectionAdmin', 'default', 'c1']);
  await addRole(root, 'r2', ['Search', 'db1', 'c1']);
  const [, , r1, r2] = await root.dropAllRoles();
  refused(r1, 1100, 'DropRoleFailure', IN_USE);
  refused(r2, 1100, 'DropRoleFailure', IN_USE);
  t.diagnostic(
    'outcome of dropAllRoles: leaves roles with grants of groups, or on other databases than that ' +
      "of the connection: the client's own mistake"
  );
});
