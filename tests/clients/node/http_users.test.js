'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { PASSWORD, useServer } = require('./harness');
const { NO_ROLE } = require('./facts');

const server = useServer();

const DONE = { code: 0, data: {} };
const ROLE = { userName: 'u1', roleName: 'r1' };
const INVALID_LENGTH = 'invalid password length: invalid parameter';

const create = (userName, password = PASSWORD) => server.http().createUser({ userName, password });

test('HttpClient.createUser, HttpClient.listUsers: create and list', async () => {
  assert.deepEqual(await create('u1'), DONE);
  assert.deepEqual(await server.http().listUsers(), { code: 0, data: ['root', 'u1'] });
  assert.equal((await server.http('u1').describeUser({ userName: 'u1' })).code, 0);
});

test('HttpClient.createUser: takes a name and password instead of a token', async () => {
  const config = { token: undefined, username: 'root', password: 'Milvus' };
  assert.deepEqual(await server.http('', '', config).createUser({ userName: 'u1', password: PASSWORD }), DONE);
});

test('HttpClient.createUser: refuses one that is there, and what breaks the rules', async () => {
  await create('u1');
  assert.deepEqual(await create('u1'), {
    code: 1100,
    message: 'user already exists: u1: invalid parameter',
  });
  assert.deepEqual(await create('u2', '12345'), {
    code: 1100,
    message: `${INVALID_LENGTH}[5 out of range 6 <= value <= 72]`,
  });
  assert.deepEqual(await create('2u'), {
    code: 1100,
    message: 'invalid user name 2u, the first character must be a letter, but got 2: invalid parameter',
  });
  assert.deepEqual(await server.http().createUser({ userName: 'u2' }), {
    code: 1802,
    message:
      "missing required parameters, error: Key: 'PasswordReq.Password' Error:Field validation for " +
      "'Password' failed on the 'required' tag",
  });
  assert.deepEqual((await server.http().listUsers()).data, ['root', 'u1']);
});

test('HttpClient.updateUserPassword: replaces the password', async () => {
  await create('u1');
  const change = { userName: 'u1', password: PASSWORD, newPassword: 'another' };
  assert.deepEqual(await server.http().updateUserPassword(change), DONE);
  assert.equal((await server.http('u1', 'another').describeUser({ userName: 'u1' })).code, 0);
  await assert.rejects(server.http('u1').describeUser({ userName: 'u1' }), { status: 401 });
});

test('HttpClient.updateUserPassword: refuses a wrong old and a short new password', async () => {
  await create('u1');
  const change = { userName: 'u1', password: 'wrong one', newPassword: 'another' };
  assert.deepEqual(await server.http().updateUserPassword(change), {
    code: 1400,
    message: 'old password not correct for u1: not authenticated',
  });
  const short = { userName: 'u1', password: PASSWORD, newPassword: '12345' };
  assert.deepEqual(await server.http().updateUserPassword(short), {
    code: 1100,
    message: `${INVALID_LENGTH}[5 out of range 6 <= value <= 72]`,
  });
});

test('HttpClient.updateUserPassword: users change their own', async () => {
  await create('u1');
  const change = { userName: 'u1', password: PASSWORD, newPassword: 'another' };
  assert.deepEqual(await server.http('u1').updateUserPassword(change), DONE);
});

test('HttpClient.dropUser: removes a user, and succeeds for nobody', async () => {
  await create('u1');
  assert.deepEqual(await server.http().dropUser({ userName: 'u1' }), DONE);
  assert.deepEqual((await server.http().listUsers()).data, ['root']);
  assert.deepEqual(await server.http().dropUser({ userName: 'u1' }), DONE);
});

test('HttpClient.dropUser: refuses root', async () => {
  assert.deepEqual(await server.http().dropUser({ userName: 'root' }), {
    code: 1401,
    message: 'root user cannot be deleted: privilege not permitted',
  });
});

test('HttpClient.grantRoleToUser, HttpClient.revokeRoleFromUser, HttpClient.describeUser: bind', async () => {
  const http = server.http();
  const roles = async () => http.describeUser({ userName: 'u1' });
  await create('u1');
  await http.createRole({ roleName: 'r1' });
  assert.deepEqual(await roles(), { code: 0, data: [], description: '' });
  assert.deepEqual(await http.grantRoleToUser({ ...ROLE }), DONE);
  assert.deepEqual(await roles(), { code: 0, data: ['r1'], description: '' });
  assert.deepEqual(await http.revokeRoleFromUser({ ...ROLE }), DONE);
  assert.deepEqual(await roles(), { code: 0, data: [], description: '' });
});

test('HttpClient.grantRoleToUser, HttpClient.revokeRoleFromUser: refuse what is unknown', async () => {
  const http = server.http();
  await http.createRole({ roleName: 'r1' });
  assert.deepEqual(await http.grantRoleToUser({ ...ROLE }), {
    code: 1100,
    message: 'failed to check if operate user role: user "u1" not found: invalid parameter',
  });
  await create('u1');
  const unknown = { userName: 'u1', roleName: 'r2' };
  assert.deepEqual(await http.grantRoleToUser(unknown), { code: 1100, message: NO_ROLE });
  assert.deepEqual(await http.revokeRoleFromUser(unknown), { code: 1100, message: NO_ROLE });
});

test('HttpClient.describeUser: gives nothing for nobody', async () => {
  assert.deepEqual((await server.http().describeUser({ userName: 'nobody' })).data, []);
});
