'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, addUser, names, ok, refused, startServer, useServer } = require('./harness');
const { NO_ROLE } = require('./facts');

const server = useServer();

test('createRole: gives a status, and a role', async () => {
  assert.deepEqual(await server.root.createRole({ roleName: 'r1' }), SUCCESS);
  assert.deepEqual(names(await server.root.listRoles()), ['admin', 'public', 'r1']);
});

test('createRole, alterRole, describeRole: keep a description', async () => {
  const { root } = server;
  const description = async () => (await root.describeRole({ roleName: 'r1' })).results[0].role.description;
  ok(await root.createRole({ roleName: 'r1', description: 'first' }));
  assert.equal(await description(), 'first');
  assert.deepEqual(await root.alterRole({ roleName: 'r1', description: 'zweite 🦀' }), SUCCESS);
  assert.equal(await description(), 'zweite 🦀');
  ok(await root.alterRole({ roleName: 'r1', description: '' }));
  assert.equal(await description(), '');
});

test('createRole: refuses a role that is there', async () => {
  await addRole(server.root, 'r1');
  for (const name of ['r1', 'admin', 'public']) {
    const reason = `role [name:"${name}"] already exists: invalid parameter`;
    refused(await server.root.createRole({ roleName: name }), 1100, 'CreateRoleFailure', reason);
  }
});

test('createRole: refuses names that break the rules', async () => {
  const create = roleName => server.root.createRole({ roleName });
  const nameless =
    'role name should be not empty: invalid parameter[expected=not empty][actual=]';
  refused(await create(''), 1100, 'IllegalArgument', nameless);
  refused(await create(undefined), 1100, 'IllegalArgument', nameless);
  refused(
    await create('1r'),
    1100,
    'IllegalArgument',
    'the first character of role name must be an underscore or letter: ' +
      'invalid parameter[expected=95][actual=49]'
  );
  refused(
    await create('r-1'),
    1100,
    'IllegalArgument',
    'role name can only contain numbers, letters, underscores, and allowed characters ($), found - at 1: ' +
      'invalid parameter'
  );
});

test('createRole: refuses more than ten roles', async t => {
  const limited = await startServer(t);
  const root = await limited.client();
  for (let i = 1; i <= 8; i++) await addRole(root, `r${i}`);
  const answer = await root.createRole({ roleName: 'r9' });
  assert.equal(answer.error_code, 'CreateRoleFailure');
  assert.equal(answer.code, 9);
  assert.match(answer.reason, /because the number of roles has reached the limit/);
});

test('alterRole: refuses unknown and built-in roles', async () => {
  const alter = roleName => server.root.alterRole({ roleName, description: 'd' });
  refused(
    await alter('r1'),
    65535,
    'UnexpectedError',
    'failed to check if alter role: role not exists',
    false
  );
  for (const name of ['admin', 'public']) {
    const reason = `the role[${name}] is a default role, which can't be altered: privilege not permitted`;
    refused(await alter(name), 1401, 'UnexpectedError', reason);
  }
});

test('dropRole: takes the role from its users', async () => {
  await addRole(server.root, 'r1');
  await addUser(server.root, 'u1', 'r1');
  assert.deepEqual(await server.root.dropRole({ roleName: 'r1' }), SUCCESS);
  assert.deepEqual(names(await server.root.listRoles()), ['admin', 'public']);
  assert.deepEqual((await server.root.describeUser({ username: 'u1' })).results[0].roles, []);
});

test('dropRole: refuses a role in use', async () => {
  await addRole(server.root, 'r1', ['Search', 'db1', 'c1']);
  refused(
    await server.root.dropRole({ roleName: 'r1' }),
    1100,
    'DropRoleFailure',
    'failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to revoke ' +
      'privileges: invalid parameter'
  );
});

test('dropRole: refuses unknown and built-in roles', async () => {
  refused(await server.root.dropRole({ roleName: 'r1' }), 1100, 'DropRoleFailure', NO_ROLE);
  for (const name of ['admin', 'public']) {
    const reason = `the role[${name}] is a default role, which can't be dropped: privilege not permitted`;
    refused(await server.root.dropRole({ roleName: name }), 1401, 'UnexpectedError', reason);
  }
});

test('addUserToRole, grantRole: bind a user', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  await addRole(root, 'r2');
  await addUser(root, 'u1');
  assert.deepEqual(await root.addUserToRole({ username: 'u1', roleName: 'r1' }), SUCCESS);
  assert.deepEqual(await root.grantRole({ username: 'u1', roleName: 'r2' }), SUCCESS);
  // Twice is as good as once.
  ok(await root.addUserToRole({ username: 'u1', roleName: 'r1' }));
  const roles = (await root.describeUser({ username: 'u1' })).results[0].roles;
  assert.deepEqual(roles.map(role => role.name), ['r1', 'r2']);
});

test('addUserToRole: refuses unknown users and roles', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  await addUser(root, 'u1');
  refused(
    await root.addUserToRole({ username: 'nobody', roleName: 'r1' }),
    1100,
    'OperateUserRoleFailure',
    'failed to check if operate user role: user "nobody" not found: invalid parameter'
  );
  refused(
    await root.addUserToRole({ username: 'u1', roleName: 'r2' }),
    1100,
    'OperateUserRoleFailure',
    NO_ROLE
  );
});

test('removeUserFromRole, revokeRole: undo a binding', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  await addRole(root, 'r2');
  await addUser(root, 'u1', 'r1', 'r2');
  assert.deepEqual(await root.removeUserFromRole({ username: 'u1', roleName: 'r1' }), SUCCESS);
  assert.deepEqual(await root.revokeRole({ username: 'u1', roleName: 'r2' }), SUCCESS);
  assert.deepEqual((await root.describeUser({ username: 'u1' })).results[0].roles, []);
});

test('removeUserFromRole: succeeds without a binding, but not without the role', async () => {
  const { root } = server;
  await addRole(root, 'r1');
  await addUser(root, 'u1');
  ok(await root.removeUserFromRole({ username: 'u1', roleName: 'r1' }));
  ok(await root.removeUserFromRole({ username: 'nobody', roleName: 'r1' }));
  const answer = await root.removeUserFromRole({ username: 'u1', roleName: 'r2' });
  refused(answer, 1100, 'OperateUserRoleFailure', NO_ROLE);
});

test('describeRole, selectRole: give a role with its users', async () => {
  await addRole(server.root, 'r1');
  await addUser(server.root, 'u2', 'r1');
  await addUser(server.root, 'u1', 'r1');
  const expected = {
    status: SUCCESS,
    results: [{ role: { name: 'r1', description: '' }, users: [{ name: 'u1' }, { name: 'u2' }] }],
  };
  assert.deepEqual(await server.root.describeRole({ roleName: 'r1' }), expected);
  assert.deepEqual(await server.root.selectRole({ roleName: 'r1', includeUserInfo: true }), expected);
  // A slip of the SDK, which asks for the users nevertheless.
  assert.deepEqual(await server.root.selectRole({ roleName: 'r1', includeUserInfo: false }), expected);
});

test('describeRole, selectRole: give nothing for an unknown role', async () => {
  const nothing = { status: SUCCESS, results: [] };
  assert.deepEqual(await server.root.describeRole({ roleName: 'r1' }), nothing);
  assert.deepEqual(await server.root.selectRole({ roleName: 'r1' }), nothing);
});

test('listRoles: gives all roles in byte order', async () => {
  await addRole(server.root, 'r1');
  await addRole(server.root, 'R2');
  await addUser(server.root, 'u1', 'r1', 'admin');
  const role = (name, ...users) => ({
    role: { name, description: '' },
    users: users.map(user => ({ name: user })),
  });
  assert.deepEqual(await server.root.listRoles(), {
    status: SUCCESS,
    results: [role('R2'), role('admin', 'u1'), role('public'), role('r1', 'u1')],
  });
});

test('hasRole: tells whether a role is there', async () => {
  await addRole(server.root, 'r1');
  assert.deepEqual(await server.root.hasRole({ roleName: 'r1' }), { status: SUCCESS, hasRole: true });
  assert.deepEqual(await server.root.hasRole({ roleName: 'r' }), { status: SUCCESS, hasRole: false });
});
