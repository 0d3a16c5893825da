'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const { MilvusClient } = require('@zilliz/milvus2-sdk-node');
const { ROOT_PASSWORD, SUCCESS, ok, refused, useServer } = require('./harness');
const { startRelay } = require('./relay');

const server = useServer();

const CONNECTED = 1;
const SHUTDOWN = 5;
const LOGIN = Buffer.from(`root:${ROOT_PASSWORD}`).toString('base64');

test('connect, closeConnection: with a token, and with a name and password', async () => {
  const clients = [
    server.connecting({ token: `root:${ROOT_PASSWORD}` }),
    server.connecting({ username: 'root', password: ROOT_PASSWORD }),
    new MilvusClient(server.endpoint, false, 'root', ROOT_PASSWORD),
  ];
  for (const client of clients) {
    const answer = ok(await client.connectPromise);
    assert.match(answer.identifier, /^[1-9]\d*$/);
    assert.equal(client.connectStatus, CONNECTED);
    assert.match(client.serverInfo.build_tags, /^v\d+\.\d+\.\d+/);
    ok(await client.listUsers());
    assert.equal(await client.closeConnection(), SHUTDOWN);
  }
});

test('connect: is one call, and each call is one', async t => {
  const relay = await startRelay(t, server.address);
  const client = server.connecting({
    address: relay.address,
    token: `root:${ROOT_PASSWORD}`,
    database: 'default',
  });
  ok(await client.connectPromise);
  const { identifier } = await client.connectPromise;
  assert.deepEqual(relay.names(), ['Connect']);
  ok(await client.listUsers({ client_request_id: '0123456789abcdef0123456789abcdef' }));
  refused(
    await client.createUser({ username: 'u1', password: 'x' }),
    1100,
    'IllegalArgument',
    'invalid password length: invalid parameter[1 out of range 6 <= value <= 72]'
  );
  assert.deepEqual(relay.names(), ['Connect', 'ListCredUsers', 'CreateCredential']);
  const last = relay.calls.at(-1);
  assert.equal(last.headers.authorization, LOGIN);
  assert.equal(last.headers.dbname, 'default');
  assert.equal(last.headers.identifier, identifier);
  assert.ok(relay.calls.every(call => call.status === 0));
});

test('connect: heartbeats are answered at once, and not repeated at once', async t => {
  const relay = await startRelay(t, server.address);
  const client = server.connecting({ address: relay.address, token: `root:${ROOT_PASSWORD}` });
  await client.connectPromise;
  const heartbeats = () => relay.calls.filter(call => call.name === 'ClientHeartbeat');
  for (let i = 0; i < 100 && heartbeats()[0]?.status === undefined; i++) await sleep(20);
  await sleep(300);
  assert.equal(heartbeats().length, 1);
  assert.equal(heartbeats()[0].status, 0);
  ok(await client.listUsers());
});

test('connect: to a database that is not there is refused, which the SDK overlooks', async () => {
  const client = server.connecting({ token: `root:${ROOT_PASSWORD}`, database: 'db1' });
  const answer = await client.connectPromise;
  refused(answer, 800, 'UnexpectedError', 'database not found[database=db1]');
  // RBAC calls do not depend on the database.
  ok(await client.listUsers());
});

test('getVersion: gives the version that Connect gives', async () => {
  assert.deepEqual(await server.root.getVersion(), {
    status: SUCCESS,
    version: server.root.serverInfo.build_tags,
  });
});

test('checkHealth: gives health', async () => {
  assert.deepEqual(await server.root.checkHealth(), {
    status: SUCCESS,
    isHealthy: true,
    reasons: [],
    quota_states: [],
  });
});

test('showCollections, listCollections: there are none', async () => {
  assert.deepEqual(ok(await server.root.showCollections()).data, []);
  assert.deepEqual(ok(await server.root.listCollections()).data, []);
});

test('calls that the server does not serve look like successes', async () => {
  // The SDK makes an empty answer of UNIMPLEMENTED.
  assert.deepEqual(await server.root.createResourceGroup({ resource_group: 'rg1' }), {});
});
