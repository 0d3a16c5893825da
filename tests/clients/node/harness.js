'use strict';

// Starts milvus-rbac servers and calls them through the SDK.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const { createInterface } = require('node:readline');
const { after, before, beforeEach } = require('node:test');
const { HttpClient, MilvusClient, promisify } = require('@zilliz/milvus2-sdk-node');
const { BUILT_IN_GROUPS } = require('./facts');

const START_MILLISECONDS = 20_000;
const STOP_MILLISECONDS = 10_000;

const ROOT_PASSWORD = 'Milvus';
const PASSWORD = 'password';

/** A server. It may be started again on its address, with its flags. */
class Server {
  #process;
  #log = '';
  #clients = [];
  #kill = () => this.#process.kill('SIGKILL');

  async start(...flags) {
    this.#process = spawn(process.env.MILVUS_RBAC_BIN, flags, {
      env: cleanEnvironment(),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    process.once('exit', this.#kill);
    this.#process.stderr.setEncoding('utf8').on('data', text => (this.#log += text));
    this.address = await this.#listening();
    this.endpoint = `http://${this.address}`;
    return this;
  }

  async #listening() {
    const lines = createInterface({ input: this.#process.stdout });
    const signal = AbortSignal.timeout(START_MILLISECONDS);
    const [line] = await Promise.race([once(lines, 'line', { signal }), once(lines, 'close', { signal })]);
    assert.match(line ?? '', /^listening on /, `the server did not start\n${this.#log}`);
    return line.replace('listening on ', '');
  }

  /** Closes the clients and ends the server. */
  async stop() {
    await Promise.all(this.#clients.splice(0).map(client => client.closeConnection()));
    await this.end();
  }

  /** Ends the server as an orchestrator would, and checks that it went well. */
  async end() {
    if (this.#process?.pid === undefined || this.#process.exitCode !== null) return;
    const ended = once(this.#process, 'exit', { signal: AbortSignal.timeout(STOP_MILLISECONDS) });
    this.#process.kill('SIGTERM');
    const [code] = await ended;
    process.removeListener('exit', this.#kill);
    assert.equal(code, 0, this.#log);
    assert.ok(!this.#log.includes('panicked'), this.#log);
  }

  /** A client that is not awaited. What becomes of its login is in `connectPromise`. */
  connecting(config) {
    const client = new MilvusClient({ address: this.address, ...config });
    // Without this a refused login ends the process: nothing else awaits the promise at once.
    client.connectPromise.catch(() => {});
    this.#clients.push(client);
    return client;
  }

  /** A connected client. */
  async client(user = 'root', password = user === 'root' ? ROOT_PASSWORD : PASSWORD, config = {}) {
    const client = this.connecting({ token: `${user}:${password}`, ...config });
    await client.connectPromise;
    return client;
  }

  /** Tells whether someone may log in. REST is asked: its clients cost much less than those of gRPC. */
  async logsIn(user, password = PASSWORD) {
    try {
      return (await this.http(user, password).describeUser({ userName: user })).code === 0;
    } catch (error) {
      assert.equal(error.status, 401);
      return false;
    }
  }

  /** A client of REST. */
  http(user = 'root', password = user === 'root' ? ROOT_PASSWORD : PASSWORD, config = {}) {
    return new HttpClient({ endpoint: this.endpoint, token: `${user}:${password}`, ...config });
  }
}

/** A server for all tests of a file, who find nothing that the tests before them left. */
function useServer(...flags) {
  const server = new Server();
  before(async () => {
    await server.start('--max-users', '0', '--max-roles', '0', ...flags);
    server.root = await server.client();
  });
  beforeEach(() => wipe(server.root));
  after(() => server.stop());
  return server;
}

/** A server for one test. */
async function startServer(t, ...flags) {
  const server = await new Server().start(...flags);
  t.after(() => server.stop());
  return server;
}

/** Removes what a new server does not have. */
async function wipe(root) {
  for (const name of (await root.listUsers()).usernames) {
    if (name !== 'root') ok(await root.deleteUser({ username: name }));
  }
  for (const name of names(await root.listRoles())) {
    // The SDK itself has no way to drop a role with grants.
    if (!['admin', 'public'].includes(name)) {
      ok(await rpc(root, 'DropRole', { role_name: name, force_drop: true }));
    }
  }
  for (const name of Object.keys(groups(await root.listPrivilegeGroups()))) {
    if (!BUILT_IN_GROUPS.includes(name)) ok(await root.dropPrivilegeGroup({ group_name: name }));
  }
  for (const name of (await root.listDatabases()).db_names) {
    if (name !== 'default') ok(await root.dropDatabase({ db_name: name }));
  }
}

/** A call for which the SDK has no method, or one that does more. */
function rpc(client, name, request = {}) {
  return promisify(client.channelPool, name, request, 15_000);
}

/** Creates a user who has some roles. */
async function addUser(root, username, ...roles) {
  ok(await root.createUser({ username, password: PASSWORD }));
  for (const roleName of roles) ok(await root.addUserToRole({ username, roleName }));
}

/** Creates a role with some grants of the second generation: [privilege, database, collection]. */
async function addRole(root, roleName, ...grants) {
  ok(await root.createRole({ roleName }));
  for (const [privilege, db_name, collection_name] of grants) {
    ok(await root.grantPrivilegeV2({ role: roleName, privilege, db_name, collection_name }));
  }
}

const SUCCESS = Object.freeze({
  extra_info: {},
  error_code: 'Success',
  reason: '',
  code: 0,
  retriable: false,
  detail: '',
});

/** The answer, whose status is success to the last field. */
function ok(answer) {
  assert.deepEqual(answer.status ?? answer, SUCCESS);
  return answer;
}

/** The answer has a status of this code, legacy code and text. The caller is to blame unless told. */
function refused(answer, code, error_code, reason, input = true) {
  assert.deepEqual(answer.status ?? answer, {
    extra_info: input ? { is_input_error: 'true' } : {},
    error_code,
    reason,
    code,
    retriable: false,
    detail: reason,
  });
}

/** The call is refused for lack of a privilege. */
function denied(call, privilege, { user = 'u1', database = '*' } = {}) {
  const details = `Privilege${privilege}: permission deny to ${user} in the \`${database}\` database`;
  return assert.rejects(call, { code: 7, details, message: `7 PERMISSION_DENIED: ${details}` });
}

const WRONG_LOGIN = 'auth check failure, please check username and password are correct';

/** The call is refused for its credentials. */
function notLoggedIn(call, details = WRONG_LOGIN) {
  return assert.rejects(call, { code: 16, details, message: `16 UNAUTHENTICATED: ${details}` });
}

/** The names of the roles in an answer. */
function names(answer) {
  return answer.results.map(result => result.role.name);
}

/** The members of the privilege groups in an answer. */
function groups(answer) {
  return Object.fromEntries(
    answer.privilege_groups.map(group => [group.group_name, group.privileges.map(p => p.name)])
  );
}

/** The grants in an answer, as [object type, database, object, privilege]. */
function grants(answer) {
  return answer.entities.map(entity => [
    entity.object.name,
    entity.db_name,
    entity.object_name,
    entity.grantor.privilege.name,
  ]);
}

/** All that the server keeps, as far as clients see it. */
async function everything(root) {
  const roles = ok(await root.listRoles()).results;
  return {
    users: await Promise.all(
      ok(await root.listUsers()).usernames.map(username => root.describeUser({ username }))
    ),
    roles,
    grants: await Promise.all(roles.map(({ role }) => root.listGrants({ roleName: role.name }))),
    groups: ok(await root.listPrivilegeGroups()),
    databases: await Promise.all(
      ok(await root.listDatabases()).db_names.sort().map(db_name => root.describeDatabase({ db_name }))
    ),
  };
}

let addresses = 0;

/**
 * A loopback address for each server. The SDK's channels go on connecting after they were closed, and grpc-js shares
 * what it knows of an address in the whole process: a server that got the port of an earlier one would be taken for
 * down.
 */
function freshAddress() {
  addresses += 1;
  return `127.0.${1 + (addresses >> 8)}.${addresses & 0xff}`;
}

/** Ours, without what would configure the server but for what flags may replace. */
function cleanEnvironment() {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith('MILVUS_'));
  return {
    ...Object.fromEntries(ours),
    MILVUS_RBAC_LISTEN: `${freshAddress()}:0`,
    MILVUS_RBAC_ADMIN_LISTEN: 'off',
    MILVUS_RBAC_STORE: 'memory:',
    MILVUS_RBAC_BCRYPT_COST: '4',
  };
}

module.exports = {
  PASSWORD,
  ROOT_PASSWORD,
  SUCCESS,
  WRONG_LOGIN,
  addRole,
  addUser,
  denied,
  everything,
  grants,
  groups,
  names,
  notLoggedIn,
  ok,
  refused,
  rpc,
  startServer,
  useServer,
};
