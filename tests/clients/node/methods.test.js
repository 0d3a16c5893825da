'use strict';

// The suite knows every method of the SDK that concerns access.

const assert = require('node:assert/strict');
const { readdirSync, readFileSync } = require('node:fs');
const { test } = require('node:test');
const { HttpClient, MilvusClient } = require('@zilliz/milvus2-sdk-node');
const { dependencies } = require('./package.json');
const { GRPC, HTTP, METHODS, shownBy } = require('./methods');

const ACCESS = /user|role|grant|privilege|password|rbac|database/i;

/** The public methods of an object that concern access. */
function methodsOf(object) {
  const found = new Set();
  for (let level = object; level !== Object.prototype; level = Object.getPrototypeOf(level)) {
    for (const [name, { value }] of Object.entries(Object.getOwnPropertyDescriptors(level))) {
      if (typeof value === 'function' && name !== 'constructor' && ACCESS.test(name)) found.add(name);
    }
  }
  return [...found].sort();
}

test('the SDK is the one of package.json', () => {
  assert.equal(MilvusClient.sdkInfo.version, dependencies['@zilliz/milvus2-sdk-node']);
});

test('no method of MilvusClient is forgotten', async () => {
  const client = new MilvusClient({ address: '127.0.0.1:1', __SKIP_CONNECT__: true });
  assert.deepEqual(methodsOf(client), GRPC.filter(name => ACCESS.test(name)).sort());
  await client.closeConnection();
});

test('no method of HttpClient is forgotten', () => {
  const client = new HttpClient({ endpoint: 'http://127.0.0.1:1' });
  assert.deepEqual(methodsOf(client), [...HTTP].sort());
});

test('every method has a test, and titles name methods that exist', () => {
  const named = new Set();
  for (const file of readdirSync(__dirname).filter(name => name.endsWith('.test.js'))) {
    const text = readFileSync(`${__dirname}/${file}`, 'utf8');
    for (const [, title] of text.matchAll(/^ *test\(\s*(?:'|`)(.*)$/gm)) {
      for (const method of shownBy(title)) named.add(method);
    }
  }
  assert.deepEqual([...named].sort(), [...METHODS].sort());
});
