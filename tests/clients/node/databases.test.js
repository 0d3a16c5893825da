'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, addUser, denied, ok, refused, useServer } = require('./harness');

const server = useServer();

const REPLICAS = 'database.replica.number';
const COLLECTIONS = 'database.max.collections';

const properties = async () =>
  ok(await server.root.describeDatabase({ db_name: 'db1' })).properties.map(({ key, value }) => [
    key,
    value,
  ]);

const MISSING = [800, 'UnexpectedError', 'database not found[database=db1]', false];

test('createDatabase, describeDatabase: give a status, and a database', async () => {
  const answer = await server.root.createDatabase({ db_name: 'db1', properties: { [REPLICAS]: 1 } });
  assert.deepEqual(answer, SUCCESS);
  const described = ok(await server.root.describeDatabase({ db_name: 'db1' }));
  assert.match(described.dbID, /^[1-9]\d*$/);
  assert.match(described.created_timestamp, /^[1-9]\d*$/);
  assert.deepEqual(described, {
    status: SUCCESS,
    db_name: 'db1',
    dbID: described.dbID,
    created_timestamp: described.created_timestamp,
    properties: [{ key: REPLICAS, value: '1' }],
  });
});

test('createDatabase: refuses one that is there, and bad names', async () => {
  const create = db_name => server.root.createDatabase({ db_name });
  ok(await create('db1'));
  for (const name of ['db1', 'default']) {
    const answer = await create(name);
    assert.equal(answer.code, 1100);
    assert.match(answer.reason, new RegExp(`database already exist: ${name}`));
  }
  for (const name of ['', '1db', 'db 1', 'a'.repeat(256)]) {
    assert.equal((await create(name)).code, 802);
  }
});

test('describeDatabase, dropDatabase: refuse one that is not there', async () => {
  refused(await server.root.describeDatabase({ db_name: 'db1' }), ...MISSING);
  refused(await server.root.dropDatabase({ db_name: 'db1' }), ...MISSING);
});

test('dropDatabase: removes a database, but not default', async () => {
  ok(await server.root.createDatabase({ db_name: 'db1' }));
  assert.deepEqual(await server.root.dropDatabase({ db_name: 'db1' }), SUCCESS);
  assert.deepEqual((await server.root.listDatabases()).db_names, ['default']);
  const answer = await server.root.dropDatabase({ db_name: 'default' });
  assert.notEqual(answer.code, 0);
  assert.match(answer.reason, /can not drop default database/);
  assert.deepEqual((await server.root.listDatabases()).db_names, ['default']);
});

test('listDatabases: gives names, identities and times side by side', async () => {
  ok(await server.root.createDatabase({ db_name: 'db1' }));
  const answer = ok(await server.root.listDatabases());
  assert.deepEqual(Object.keys(answer).sort(), ['created_timestamp', 'db_ids', 'db_names', 'status']);
  assert.deepEqual([...answer.db_names].sort(), ['db1', 'default']);
  for (const [i, db_name] of answer.db_names.entries()) {
    const described = ok(await server.root.describeDatabase({ db_name }));
    assert.equal(answer.db_ids[i], described.dbID);
    assert.equal(answer.created_timestamp[i], described.created_timestamp);
  }
});

test('listDatabases: users see those that their roles name', async () => {
  const { root } = server;
  for (const db_name of ['db1', 'db2']) ok(await root.createDatabase({ db_name }));
  await addRole(root, 'r1', ['DescribeDatabase', 'db1', '*']);
  await addUser(root, 'u1');
  const u1 = await server.client('u1');
  assert.deepEqual(ok(await u1.listDatabases()).db_names, []);
  ok(await root.addUserToRole({ username: 'u1', roleName: 'r1' }));
  assert.deepEqual(ok(await u1.listDatabases()).db_names, ['db1']);
  ok(await u1.describeDatabase({ db_name: 'db1' }));
  await denied(u1.describeDatabase({ db_name: 'db2' }), 'DescribeDatabase', { database: 'db2' });
});

test('alterDatabase, alterDatabaseProperties, dropDatabaseProperties: change properties', async () => {
  const { root } = server;
  ok(await root.createDatabase({ db_name: 'db1' }));
  const set = value => ({ db_name: 'db1', properties: value });
  assert.deepEqual(await root.alterDatabase(set({ [COLLECTIONS]: 5 })), SUCCESS);
  ok(await root.alterDatabaseProperties(set({ [REPLICAS]: 1, [COLLECTIONS]: 6 })));
  assert.deepEqual(await properties(), [
    [COLLECTIONS, '6'],
    [REPLICAS, '1'],
  ]);
  assert.deepEqual(await root.dropDatabaseProperties(set([COLLECTIONS])), SUCCESS);
  assert.deepEqual(await properties(), [[REPLICAS, '1']]);
});

test('alterDatabase, dropDatabaseProperties: refuse a database that is not there', async () => {
  const { root } = server;
  const answers = [
    await root.alterDatabase({ db_name: 'db1', properties: { [COLLECTIONS]: 5 } }),
    await root.dropDatabaseProperties({ db_name: 'db1', properties: [COLLECTIONS] }),
  ];
  for (const answer of answers) refused(answer, ...MISSING);
});

test('use, useDatabase: change the database of the calls that follow', async () => {
  const { root } = server;
  await addUser(root, 'u1');
  const u1 = await server.client('u1');
  const ask = () => u1.getLoadState({ collection_name: 'c1' });
  await denied(ask(), 'GetLoadState', { database: 'default' });
  assert.equal((await u1.use({ db_name: 'db1' })).error_code, 'Success');
  await denied(ask(), 'GetLoadState', { database: 'db1' });
  assert.equal((await u1.useDatabase({ db_name: '' })).error_code, 'Success');
  await denied(ask(), 'GetLoadState', { database: 'default' });
});
