'use strict';

// The server is restarted three times under load: what its callers see of that, and what is kept.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { PASSWORD, addRole, addUser, denied, grants, groups, names, ok } = require('./harness');
const { startService, throughRestarts } = require('./restarts');

const UNAVAILABLE = 14;
const GAVE_UP = /^No connection established\. .*\(retried 3 times, /;
/** Roles that are created at once. */
const AT_ONCE = 4;

/**
 * Calls of many kinds, which fail if an answer is wrong. They are given their numbers, and make each call of
 * the SDK by way of `make`.
 */
async function load(server, config, make = call => call()) {
  const root = await server.client();
  await addRole(root, 'r1');
  await addRole(root, 'r2');
  await addUser(root, 'u1', 'r1');
  // Half of them share a client.
  const shared = await server.client('root', undefined, config);
  const own = await Promise.all([1, 2, 3].map(() => server.client('root', undefined, config)));
  const u1 = await server.client('u1', undefined, config);
  const done = async call => ok(await make(call));
  let created = 0;
  return {
    createRole: async n => {
      const names = numbered('role_', AT_ONCE, n * AT_ONCE);
      await Promise.all(names.map(roleName => done(() => shared.createRole({ roleName }))));
      created += AT_ONCE;
    },
    createUser: n => done(() => shared.createUser({ username: `user_${n}`, password: PASSWORD })),
    createPrivilegeGroup: n => done(() => shared.createPrivilegeGroup({ group_name: `group_${n}` })),
    listRoles: async () => {
      const expected = created;
      assert.ok(names(await done(() => shared.listRoles())).length >= 4 + expected);
    },
    bind: n => {
      const binding = { username: 'u1', roleName: 'r2' };
      return done(() => (n % 2 ? own[0].removeUserFromRole(binding) : own[0].addUserToRole(binding)));
    },
    grantV2: n => done(() => own[1].grantPrivilegeV2(grantOf('r1', n))),
    grantV1: n => done(() => own[2].grantPrivilege(grantV1Of('r2', n))),
    describeOneself: async () => {
      const { results } = await done(() => u1.describeUser({ username: 'u1' }));
      assert.ok(results[0].roles.some(role => role.name === 'r1'));
    },
    tryInVain: () => denied(make(() => u1.createRole({ roleName: 'not_for_u1' })), 'CreateOwnership'),
  };
}

function grantV1Of(roleName, number) {
  return { roleName, object: 'Collection', objectName: `c${number}`, privilegeName: 'Query' };
}

function grantOf(role, number) {
  return { role, privilege: 'Search', db_name: 'default', collection_name: `c${number}` };
}

function numbered(prefix, count, first = 0) {
  return Array.from({ length: count }, (_, n) => `${prefix}${first + n}`);
}

/** What was acknowledged is there, and nothing else. */
async function checkWhatIsKept(root, done) {
  const same = (some, others) => assert.deepEqual(new Set(some), new Set(others));
  const roles = names(ok(await root.listRoles()));
  same(roles, ['admin', 'public', 'r1', 'r2', ...numbered('role_', AT_ONCE * done.createRole)]);
  const users = ok(await root.listUsers()).usernames;
  same(users, ['root', 'u1', ...numbered('user_', done.createUser)]);
  const made = Object.keys(groups(ok(await root.listPrivilegeGroups()))).filter(name => name.includes('_'));
  same(made, numbered('group_', done.createPrivilegeGroup));
  const [{ roles: held }] = ok(await root.describeUser({ username: 'u1' })).results;
  assert.equal(held.length, 1 + (done.bind % 2));
  for (const [roleName, count] of [['r1', done.grantV2], ['r2', done.grantV1]]) {
    const collections = grants(ok(await root.listGrants({ roleName }))).map(([, , name]) => name);
    same(collections, numbered('c', count));
  }
}

test('createRole, createUser, grantPrivilege: restarts go unnoticed', async t => {
  const service = await startService(t);
  // By default the SDK repeats a call for 140 ms alone.
  const calls = await load(service.server, { maxRetries: 8, retryDelay: 20 });
  const done = await throughRestarts(service, calls);
  await checkWhatIsKept(await service.server.client(), done);
});

test('createRole, createUser, grantPrivilege: with few retries, callers notice that nobody listens', async t => {
  const service = await startService(t);
  const refusals = [];
  const patiently = async call => {
    for (;;) {
      try {
        return await call();
      } catch (error) {
        if (error.code !== UNAVAILABLE) throw error;
        refusals.push(error.details);
      }
      await sleep(20);
    }
  };
  // Who then repeats a call must not find it done.
  const done = await throughRestarts(service, await load(service.server, {}, patiently));
  await checkWhatIsKept(await service.server.client(), done);
  assert.ok(refusals.length > 0);
  for (const details of refusals) assert.match(details, GAVE_UP);
});
