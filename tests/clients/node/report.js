'use strict';

// A reporter of node:test that tells which methods of the SDK work: it appends one JSON line for each to
// the file that MILVUS_RBAC_COMPAT names. A method works if all tests that name it passed. What else there
// is to say of it, a test that shows it says: t.diagnostic('outcome of METHOD: TEXT'). A test that did not
// run fails the suite.

const { appendFileSync } = require('node:fs');
const { basename } = require('node:path');
const { dependencies } = require('./package.json');
const { METHODS, shownBy } = require('./methods');

module.exports = async function* report(events) {
  const passed = new Map();
  const failed = new Map();
  const left = [];
  for await (const { type, data } of events) {
    if (type === 'test:diagnostic') {
      const [, method, text] = /^outcome of ([\w.]+): (.*)$/.exec(data.message) ?? [];
      if (method) passed.set(method, text);
    }
    if (type !== 'test:pass' && type !== 'test:fail') continue;
    if (data.skip !== undefined || data.todo !== undefined) left.push(data.name);
    for (const method of shownBy(data.name)) {
      if (type === 'test:pass') passed.set(method, passed.get(method) ?? 'works');
      else if (!failed.has(method)) failed.set(method, `${basename(data.file)}: ${data.name}`);
    }
  }

  const file = process.env.MILVUS_RBAC_COMPAT;
  if (file) {
    const lines = METHODS.map(method => {
      const outcome = failed.has(method)
        ? `fails in ${failed.get(method)}`
        : (passed.get(method) ?? 'no test saw it succeed');
      return JSON.stringify({
        client: 'Node SDK',
        version: dependencies['@zilliz/milvus2-sdk-node'],
        method,
        outcome,
      });
    });
    appendFileSync(file, lines.join('\n') + '\n');
  }

  for (const name of left) yield `did not run: ${name}\n`;
  if (left.length) process.exitCode = 1;
};
