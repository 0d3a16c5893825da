'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { useServer } = require('./harness');

const server = useServer();

const DONE = { code: 0, data: {} };

/** The properties of a database. */
async function properties(http, dbName) {
  return (await http.describeDatabase({ dbName })).data.properties;
}

test('HttpClient.createDatabase, HttpClient.listDatabases, HttpClient.dropDatabase: create and drop', async () => {
  const http = server.http();
  assert.deepEqual(await http.createDatabase({ dbName: 'db1', properties: {} }), DONE);
  assert.deepEqual(await http.listDatabases(), { code: 0, data: ['db1', 'default'] });
  assert.deepEqual(await http.dropDatabase({ dbName: 'db1' }), DONE);
  assert.deepEqual(await http.listDatabases(), { code: 0, data: ['default'] });
});

test('HttpClient.describeDatabase: an unknown one is refused', async () => {
  const { code } = await server.http().describeDatabase({ dbName: 'nope' });
  assert.equal(code, 800);
});

test('HttpClient.describeDatabase, HttpClient.alterDatabaseProperties, HttpClient.dropDatabaseProperties: change', async () => {
  const http = server.http();
  await http.createDatabase({ dbName: 'db1', properties: { a: '1' } });
  assert.deepEqual(await http.alterDatabaseProperties({ dbName: 'db1', properties: { b: '2' } }), DONE);
  assert.deepEqual(await properties(http, 'db1'), [
    { key: 'a', value: '1' },
    { key: 'b', value: '2' },
  ]);
  assert.deepEqual(await http.dropDatabaseProperties({ dbName: 'db1', propertyKeys: ['a'] }), DONE);
  assert.deepEqual(await properties(http, 'db1'), [{ key: 'b', value: '2' }]);
});
