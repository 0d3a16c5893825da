'use strict';

// A server that is restarted in its place, and callers who meanwhile go on.

const assert = require('node:assert/strict');
const { once } = require('node:events');
const { mkdtemp, rm } = require('node:fs/promises');
const { createServer } = require('node:net');
const { tmpdir } = require('node:os');
const { join } = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { startServer } = require('./harness');

const LIMIT_MILLISECONDS = 30_000;

/**
 * A port that is free, and not one that the system gives to connections: while the server is away, one of
 * those could take it, or be connected to itself.
 */
async function freePort() {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000);
    const probe = createServer();
    try {
      await once(probe.listen(port, '127.0.0.1'), 'listening');
    } catch {
      continue;
    }
    await once(probe.close(), 'close');
    return port;
  }
}

/** A server on a port and a folder that outlive it. */
async function startService(t) {
  const folder = await mkdtemp(join(tmpdir(), 'milvus-rbac-'));
  const flags = [
    ...['--listen', `127.0.0.1:${await freePort()}`, '--store', `sled:${folder}`],
    ...['--max-users', '0', '--max-roles', '0', '--bcrypt-cost', '8'],
  ];
  const server = await startServer(t, ...flags);
  t.after(() => rm(folder, { recursive: true }));
  return {
    server,
    async restart() {
      await server.end();
      await server.start(...flags);
    },
  };
}

/** Makes calls, given by name, one after the other until told to stop. They get their numbers. */
class Callers {
  #stopped = false;
  #failure;

  constructor(calls) {
    /** How many of each were answered. */
    this.done = Object.fromEntries(Object.keys(calls).map(name => [name, 0]));
    this.ended = Promise.all(Object.entries(calls).map(([name, call]) => this.#run(name, call)));
  }

  async #run(name, call) {
    try {
      for (; !this.#stopped; this.done[name]++) await call(this.done[name]);
    } catch (error) {
      this.#failure ??= Object.assign(error, { call: `${name} ${this.done[name]}` });
      this.#stopped = true;
    }
  }

  /** Waits until each of them was answered so many times more. */
  async goOn(calls) {
    const goals = Object.entries(this.done).map(([name, done]) => [name, done + calls]);
    const until = performance.now() + LIMIT_MILLISECONDS;
    for (const [name, goal] of goals) {
      while (this.done[name] < goal) {
        if (this.#failure) throw this.#failure;
        assert.ok(performance.now() < until, `${name} does not go on`);
        await sleep(5);
      }
    }
  }

  async stop() {
    this.#stopped = true;
    await this.ended;
    if (this.#failure) throw this.#failure;
  }
}

/** Restarts a service in the middle of calls, and tells how many of each were answered. */
async function throughRestarts(service, calls, restarts = 3, between = 5) {
  const callers = new Callers(calls);
  try {
    for (let i = 0; i < restarts; i++) {
      await callers.goOn(between);
      await service.restart();
    }
    await callers.goOn(between);
  } finally {
    await callers.stop();
  }
  return callers.done;
}

module.exports = { startService, throughRestarts };
