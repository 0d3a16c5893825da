'use strict';

// What a user with wrong credentials meets, and how much of it.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { test } = require('node:test');
const { ROOT_PASSWORD, WRONG_LOGIN, addUser, notLoggedIn, ok, useServer } = require('./harness');
const { startRelay } = require('./relay');

const server = useServer();

/** The SDK tries again what it does not take for final. */
const SOON_MILLISECONDS = 5000;

/** What a promise takes, in milliseconds. */
async function duration(promise) {
  const start = performance.now();
  await promise;
  return performance.now() - start;
}

test('connect, listUsers: wrong credentials are refused', async () => {
  const cases = [
    [{ token: 'root:wrong one' }],
    [{ username: 'root', password: 'wrong one' }],
    [{ token: `nobody:${ROOT_PASSWORD}` }],
    [{ token: `ROOT:${ROOT_PASSWORD}` }],
    [{ token: `root:${ROOT_PASSWORD} ` }],
    [{ token: 'a key' }, 'auth check failure, please check api key is correct'],
    [{}, 'missing authorization in header'],
  ];
  for (const [config, details] of cases) {
    const client = server.connecting(config);
    await notLoggedIn(client.connectPromise, details);
    await notLoggedIn(client.listUsers(), details);
  }
});

test('connect, listUsers, createUser: each is refused after one call, and soon', async t => {
  const relay = await startRelay(t, server.address);
  const client = server.connecting({ address: relay.address, token: 'root:wrong one' });
  const taken = await duration(notLoggedIn(client.connectPromise));
  assert.ok(taken < SOON_MILLISECONDS, `${taken} ms`);
  assert.deepEqual(relay.names(), ['Connect']);

  const calls = 20;
  const all = Promise.all(
    Array.from({ length: calls }, (_, i) =>
      notLoggedIn(i % 2 ? client.listUsers() : client.createUser({ username: 'u1', password: 'password' }))
    )
  );
  assert.ok((await duration(all)) < SOON_MILLISECONDS);
  assert.equal(relay.calls.length, 1 + calls);
  assert.ok(relay.calls.every(call => call.status === 16));
  assert.deepEqual(ok(await server.root.listUsers()).usernames, ['root']);
});

test('connect: a refused login ends a process that does not catch it', async t => {
  // A trap of the SDK: nothing awaits the promise of the connection before the first call.
  const script = `
    const { MilvusClient } = require('@zilliz/milvus2-sdk-node');
    new MilvusClient({ address: '${server.address}', token: 'root:wrong one' });
    setTimeout(() => process.exit(7), 30_000);
  `;
  const child = spawn(process.execPath, ['-e', script], {
    cwd: __dirname,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr.setEncoding('utf8').on('data', data => (text += data));
  const [code] = await once(child, 'close');
  assert.equal(code, 1);
  assert.ok(text.includes(`16 UNAUTHENTICATED: ${WRONG_LOGIN}`), text);
  t.diagnostic('outcome of connect: works; a refused login must be caught at `client.connectPromise`');
});

test('deleteUser, listDatabases: a deleted user is out with the next call', async () => {
  await addUser(server.root, 'u1');
  const u1 = await server.client('u1');
  ok(await u1.listDatabases());
  ok(await server.root.deleteUser({ username: 'u1' }));
  await notLoggedIn(u1.listDatabases());
});
