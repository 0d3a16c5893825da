'use strict';

// All tests in one process: to load the SDK takes longer than most files.

const { readdirSync } = require('node:fs');
const { describe } = require('node:test');

for (const file of readdirSync(__dirname).filter(name => name.endsWith('.test.js')).sort()) {
  describe(file, () => {
    require(`./${file}`);
  });
}
