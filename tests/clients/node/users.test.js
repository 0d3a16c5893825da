'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { PASSWORD, SUCCESS, addRole, addUser, notLoggedIn, ok, refused, useServer } = require('./harness');

const server = useServer();
const INVALID_LENGTH = 'invalid password length: invalid parameter';
const MISSING = { message: 'The `username` or `password` property is missing.' };

test('createUser: gives a status, and a user who can log in', async () => {
  const answer = await server.root.createUser({ username: 'u1', password: PASSWORD });
  assert.deepEqual(answer, SUCCESS);
  const u1 = await server.client('u1');
  assert.equal(ok(await u1.describeUser({ username: 'u1' })).results[0].user.name, 'u1');
});

test('createUser, describeUser: keeps a description', async () => {
  const description = 'Größe, 名前, 🦀';
  ok(await server.root.createUser({ username: 'u1', password: PASSWORD, description }));
  assert.equal((await server.root.describeUser({ username: 'u1' })).results[0].description, description);
});

test('createUser: takes passwords of any letters', async () => {
  const password = 'pä:ss wörd 🦀';
  ok(await server.root.createUser({ username: 'u1', password }));
  ok(await (await server.client('u1', password)).describeUser({ username: 'u1' }));
});

test('createUser: refuses a user who is there', async () => {
  await addUser(server.root, 'u1');
  const answer = await server.root.createUser({ username: 'u1', password: 'another' });
  refused(answer, 1100, 'CreateCredentialFailure', 'user already exists: u1: invalid parameter');
  assert.ok(await server.logsIn('u1'));
});

test('createUser: refuses names and passwords that break the rules', async () => {
  const { root } = server;
  const illegal = [1100, 'IllegalArgument'];
  const create = (username, password) => root.createUser({ username, password });
  refused(await create('', PASSWORD), ...illegal, 'username must be not empty: invalid parameter');
  refused(
    await create('1u', PASSWORD),
    ...illegal,
    'invalid user name 1u, the first character must be a letter, but got 1: invalid parameter'
  );
  refused(await create('u1', ''), ...illegal, `${INVALID_LENGTH}[0 out of range 6 <= value <= 72]`);
  refused(await create('u1', '12345'), ...illegal, `${INVALID_LENGTH}[5 out of range 6 <= value <= 72]`);
  refused(
    await create('u1', 'a'.repeat(73)),
    ...illegal,
    `${INVALID_LENGTH}[73 out of range 6 <= value <= 72]`
  );
  assert.deepEqual((await root.listUsers()).usernames, ['root']);
});

test('createUser: misses a name or password before it calls', async () => {
  await assert.rejects(server.root.createUser({ username: 'u1' }), MISSING);
  await assert.rejects(server.root.createUser({ password: PASSWORD }), MISSING);
});

test('updateUser, updatePassword: replace the password', async () => {
  await addUser(server.root, 'u1');
  const second = { username: 'u1', oldPassword: PASSWORD, newPassword: 'another' };
  assert.deepEqual(await server.root.updateUser(second), SUCCESS);
  assert.ok(!(await server.logsIn('u1')));
  assert.ok(await server.logsIn('u1', 'another'));
  const third = { username: 'u1', oldPassword: 'another', newPassword: 'a third' };
  assert.deepEqual(await server.root.updatePassword(third), SUCCESS);
  assert.ok(!(await server.logsIn('u1', 'another')));
  assert.ok(await server.logsIn('u1', 'a third'));
});

test('updateUser, updatePassword: refuse a wrong old password', async () => {
  await addUser(server.root, 'u1');
  for (const username of ['u1', 'nobody']) {
    const request = { username, oldPassword: 'wrong one', newPassword: 'another' };
    const reason = `old password not correct for ${username}: not authenticated`;
    refused(await server.root.updateUser(request), 1400, 'UnexpectedError', reason);
    refused(await server.root.updatePassword(request), 1400, 'UnexpectedError', reason);
  }
  assert.ok(await server.logsIn('u1'));
});

test('updateUser: refuses a short password', async () => {
  await addUser(server.root, 'u1');
  const request = { username: 'u1', oldPassword: PASSWORD, newPassword: '12345' };
  const reason = `${INVALID_LENGTH}[5 out of range 6 <= value <= 72]`;
  refused(await server.root.updateUser(request), 1100, 'IllegalArgument', reason);
});

test('updateUser: changes the description alone', async () => {
  const { root } = server;
  const description = async () => (await root.describeUser({ username: 'u1' })).results[0].description;
  await addUser(root, 'u1');
  ok(await root.updateUser({ username: 'u1', description: 'first' }));
  assert.equal(await description(), 'first');
  ok(await root.updateUser({ username: 'u1', oldPassword: PASSWORD, newPassword: 'another' }));
  assert.equal(await description(), 'first');
  ok(await root.updateUser({ username: 'u1', description: '' }));
  assert.equal(await description(), '');
});

test('updateUser: refuses a description for nobody', async () => {
  refused(
    await server.root.updateUser({ username: 'nobody', description: 'd' }),
    65535,
    'UpdateCredentialFailure',
    'failed to check if update credential: user not found',
    false
  );
});

test('updateUser: misses a password before it calls', async () => {
  await assert.rejects(server.root.updateUser({ username: 'u1' }), MISSING);
  await assert.rejects(server.root.updateUser({ username: 'u1', newPassword: 'another' }), MISSING);
});

test('updatePassword: users change their own', async () => {
  await addUser(server.root, 'u1');
  const u1 = await server.client('u1');
  ok(await u1.updatePassword({ username: 'u1', oldPassword: PASSWORD, newPassword: 'another' }));
  // The connection goes on with the old one.
  await notLoggedIn(u1.describeUser({ username: 'u1' }));
});

test('deleteUser, dropUser: remove a user', async () => {
  await addUser(server.root, 'u1');
  await addUser(server.root, 'u2');
  assert.deepEqual(await server.root.deleteUser({ username: 'u1' }), SUCCESS);
  assert.deepEqual(await server.root.dropUser({ username: 'u2' }), SUCCESS);
  assert.deepEqual((await server.root.listUsers()).usernames, ['root']);
  assert.ok(!(await server.logsIn('u1')));
});

test('deleteUser: succeeds for nobody', async () => {
  ok(await server.root.deleteUser({ username: 'nobody' }));
});

test('deleteUser: refuses root', async () => {
  refused(
    await server.root.deleteUser({ username: 'root' }),
    1401,
    'UnexpectedError',
    'root user cannot be deleted: privilege not permitted'
  );
});

test('deleteUser: misses a name before it calls', async () => {
  await assert.rejects(server.root.deleteUser({}), { message: 'The `username` property is missing.' });
});

test('listUsers: gives names in byte order', async () => {
  for (const name of ['u2', 'u10', 'U3']) await addUser(server.root, name);
  assert.deepEqual(await server.root.listUsers(), {
    status: SUCCESS,
    usernames: ['U3', 'root', 'u10', 'u2'],
  });
});

test('describeUser, selectUser: give the roles of a user', async () => {
  await addRole(server.root, 'r2');
  await addRole(server.root, 'r1');
  await addUser(server.root, 'u1', 'r2', 'r1');
  const expected = {
    status: SUCCESS,
    results: [
      {
        user: { name: 'u1' },
        roles: [
          { name: 'r1', description: '' },
          { name: 'r2', description: '' },
        ],
        description: '',
      },
    ],
  };
  assert.deepEqual(await server.root.describeUser({ username: 'u1' }), expected);
  assert.deepEqual(await server.root.selectUser({ username: 'u1', includeRoleInfo: true }), expected);
  // A slip of the SDK, which asks for the roles nevertheless.
  assert.deepEqual(await server.root.selectUser({ username: 'u1', includeRoleInfo: false }), expected);
});

test('describeUser, selectUser: give nothing for nobody', async () => {
  const nothing = { status: SUCCESS, results: [] };
  assert.deepEqual(await server.root.describeUser({ username: 'nobody' }), nothing);
  assert.deepEqual(await server.root.selectUser({ username: 'nobody' }), nothing);
});

test('describeUser: users see themselves', async () => {
  await addRole(server.root, 'r1');
  await addUser(server.root, 'u1', 'r1');
  const { results } = ok(await (await server.client('u1')).describeUser({ username: 'u1' }));
  assert.deepEqual(results[0].roles, [{ name: 'r1', description: '' }]);
});
