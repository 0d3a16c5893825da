'use strict';

// What a user without credentials or privileges meets in REST.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { HttpClient, HttpError } = require('@zilliz/milvus2-sdk-node');
const { addRole, addUser, everything, useServer } = require('./harness');

const server = useServer();

const user = { userName: 'u2' };
const role = { roleName: 'r1' };
const grant = { ...role, objectType: 'Global', objectName: '*', privilege: 'All' };

const CALLS = [
  ['createUser', { userName: 'u9', password: 'password' }, 'CreateOwnership'],
  ['updateUserPassword', { ...user, password: 'password', newPassword: 'another' }, 'UpdateUser'],
  ['dropUser', user, 'DropOwnership'],
  ['describeUser', user, 'SelectUser'],
  ['listUsers', undefined, 'SelectOwnership'],
  ['grantRoleToUser', { userName: 'u1', roleName: 'admin' }, 'ManageOwnership'],
  ['revokeRoleFromUser', { ...user, ...role }, 'ManageOwnership'],
  ['createRole', { roleName: 'r9' }, 'CreateOwnership'],
  ['dropRole', role, 'DropOwnership'],
  ['describeRole', role, 'SelectOwnership'],
  ['listRoles', undefined, 'SelectOwnership'],
  ['grantPrivilegeToRole', grant, 'ManageOwnership'],
  ['revokePrivilegeFromRole', grant, 'ManageOwnership'],
];

/** Calls a method with a request of its own: the SDK writes into it. */
const call = (http, method, request) => http[method](...(request ? [{ ...request }] : []));

/** The answer's body, which the SDK puts behind a text of its own. */
function body(error) {
  assert.ok(error instanceof HttpError);
  return JSON.parse(error.message.slice(error.message.indexOf(' - ') + 3));
}

async function prepare() {
  await addRole(server.root, 'r1', ['Search', 'default', 'c1']);
  await addUser(server.root, 'u1');
  await addUser(server.root, 'u2', 'r1');
}

for (const [method, request, privilege] of CALLS) {
  test(`HttpClient.${method}: is refused without the privilege`, async () => {
    await prepare();
    await assert.rejects(call(server.http('u1'), method, request), error => {
      assert.equal(error.status, 403);
      assert.deepEqual(body(error), {
        code: 65535,
        message:
          `rpc error: code = PermissionDenied desc = Privilege${privilege}: permission deny to u1 in the ` +
          '`*` database',
      });
      return true;
    });
  });

  test(`HttpClient.${method}: is refused without a login, after one request`, async () => {
    for (const config of [{ token: 'root:wrong one' }, { token: 'nobody:password' }, { token: 'key' }, {}]) {
      let requests = 0;
      const counted = (...request) => {
        requests += 1;
        return fetch(...request);
      };
      const http = new HttpClient({ endpoint: server.endpoint, ...config, fetch: counted });
      await assert.rejects(call(http, method, request), error => {
        assert.equal(error.status, 401);
        assert.deepEqual(body(error), { code: 1800, message: "user hasn't authenticated" });
        return true;
      });
      assert.equal(requests, 1);
    }
  });
}

test('refused requests change nothing', async () => {
  await prepare();
  const before = await everything(server.root);
  for (const [method, request] of CALLS) {
    for (const http of [server.http('u1'), server.http('u1', 'wrong one')]) {
      await assert.rejects(call(http, method, request));
    }
  }
  assert.deepEqual(await everything(server.root), before);
});
