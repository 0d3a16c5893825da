'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { addRole, useServer } = require('./harness');
const { NO_ROLE } = require('./facts');

const server = useServer();

const DONE = { code: 0, data: {} };
const SEARCH = { roleName: 'r1', objectType: 'Collection', objectName: 'c1', privilege: 'Search' };
const ENTRY = {
  dbName: 'default',
  grantor: 'root',
  objectName: 'c1',
  objectType: 'Collection',
  privilege: 'Search',
};

/** The SDK writes a database into what it is given. */
const search = change => ({ ...SEARCH, ...change });

test('HttpClient.createRole, HttpClient.listRoles: create and list', async () => {
  const http = server.http();
  assert.deepEqual(await http.createRole({ roleName: 'r1' }), DONE);
  assert.deepEqual(await http.listRoles(), { code: 0, data: ['admin', 'public', 'r1'] });
});

test('HttpClient.createRole: refuses one that is there, and what breaks the rules', async () => {
  const http = server.http();
  await http.createRole({ roleName: 'r1' });
  assert.deepEqual(await http.createRole({ roleName: 'r1' }), {
    code: 1100,
    message: 'role [name:"r1"] already exists: invalid parameter',
  });
  assert.deepEqual(await http.createRole({ roleName: '' }), {
    code: 1802,
    message:
      "missing required parameters, error: Key: 'RoleReq.RoleName' Error:Field validation for 'RoleName' " +
      "failed on the 'required' tag",
  });
});

test('HttpClient.dropRole: removes a role', async () => {
  const http = server.http();
  await http.createRole({ roleName: 'r1' });
  assert.deepEqual(await http.dropRole({ roleName: 'r1' }), DONE);
  assert.deepEqual((await http.listRoles()).data, ['admin', 'public']);
});

test('HttpClient.dropRole: refuses roles that are unknown, built in or in use', async () => {
  const http = server.http();
  assert.deepEqual(await http.dropRole({ roleName: 'r1' }), { code: 1100, message: NO_ROLE });
  assert.deepEqual(await http.dropRole({ roleName: 'admin' }), {
    code: 1401,
    message: "the role[admin] is a default role, which can't be dropped: privilege not permitted",
  });
  await http.createRole({ roleName: 'r1' });
  await http.grantPrivilegeToRole(search());
  assert.deepEqual(await http.dropRole({ roleName: 'r1' }), {
    code: 1100,
    message:
      'failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to revoke ' +
      'privileges: invalid parameter',
  });
});

test('HttpClient.grantPrivilegeToRole, HttpClient.revokePrivilegeFromRole: grant and revoke', async () => {
  const http = server.http();
  await http.createRole({ roleName: 'r1' });
  assert.deepEqual(await http.grantPrivilegeToRole(search()), DONE);
  const answer = await http.describeRole({ roleName: 'r1' });
  assert.deepEqual(answer, { code: 0, data: [ENTRY], description: '' });
  assert.deepEqual(await http.revokePrivilegeFromRole(search()), DONE);
  assert.deepEqual((await http.describeRole({ roleName: 'r1' })).data, []);
});

test('HttpClient.grantPrivilegeToRole, HttpClient.describeRole: act in a database', async () => {
  await addRole(server.root, 'r1', ['Query', '*', '*']);
  const everywhere = { ...ENTRY, dbName: '*', objectName: '*', privilege: 'Query' };
  const http = server.http('root', undefined, { database: 'db1' });
  await http.grantPrivilegeToRole(search());
  const inDb1 = { ...ENTRY, dbName: 'db1' };
  assert.deepEqual((await http.describeRole({ roleName: 'r1' })).data, [everywhere, inDb1]);
  assert.deepEqual((await server.http().describeRole({ roleName: 'r1' })).data, [everywhere]);
  const all = await server.http().describeRole({ roleName: 'r1', dbName: '*' });
  assert.deepEqual(all.data, [everywhere, inDb1]);
});

test('HttpClient.grantPrivilegeToRole, HttpClient.revokePrivilegeFromRole: refuse what is unknown', async () => {
  const http = server.http();
  await http.createRole({ roleName: 'r1' });
  const cases = [
    [
      { roleName: 'r2' },
      1100,
      'failed to operate privilege common check: the role "r2" does not exist: invalid parameter',
    ],
    [
      { privilege: 'Nonsense' },
      1100,
      'not found the privilege name[Nonsense] in object[Collection]: invalid parameter',
    ],
    [
      { objectName: '' },
      1802,
      "missing required parameters, error: Key: 'GrantReq.ObjectName' Error:Field validation for " +
        "'ObjectName' failed on the 'required' tag",
    ],
  ];
  for (const [change, code, message] of cases) {
    assert.deepEqual(await http.grantPrivilegeToRole(search(change)), { code, message });
    assert.deepEqual(await http.revokePrivilegeFromRole(search(change)), { code, message });
  }
});

test('HttpClient.describeRole: refuses an unknown role', async () => {
  assert.deepEqual(await server.http().describeRole({ roleName: 'r1' }), {
    code: 1100,
    message: 'the role "r1" does not exist: invalid parameter',
  });
});
