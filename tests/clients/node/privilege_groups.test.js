'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { SUCCESS, addRole, groups, ok, refused, useServer } = require('./harness');
const { BUILT_IN_GROUPS } = require('./facts');

const server = useServer();

const members = async () => groups(await server.root.listPrivilegeGroups()).g1?.sort();

async function addGroup(...privileges) {
  ok(await server.root.createPrivilegeGroup({ group_name: 'g1' }));
  if (privileges.length) ok(await server.root.addPrivilegesToGroup({ group_name: 'g1', privileges }));
}

test('createPrivilegeGroup: gives a status, and an empty group', async () => {
  assert.deepEqual(await server.root.createPrivilegeGroup({ group_name: 'g1', timeout: 5000 }), SUCCESS);
  assert.deepEqual(await members(), []);
});

test('createPrivilegeGroup: refuses names that are taken or break the rules', async () => {
  const { root } = server;
  const create = group_name => root.createPrivilegeGroup({ group_name });
  await addGroup();
  refused(
    await create('g1'),
    1100,
    'CreatePrivilegeGroupFailure',
    'failed to check if privilege group creatable: privilege group name [g1] is defined by users: ' +
      'invalid parameter'
  );
  for (const name of ['Search', 'ClusterAdmin', 'ReadOnly']) {
    refused(
      await create(name),
      1100,
      'CreatePrivilegeGroupFailure',
      `failed to check if privilege group creatable: privilege group name [${name}] is defined by built in ` +
        'privileges or privilege groups in system: invalid parameter'
    );
  }
  refused(
    await create(''),
    1402,
    'UnexpectedError',
    'invalid privilege group name[privilegeGroup=privilege group name should not be empty]'
  );
  refused(
    await create('g-1'),
    1100,
    'IllegalArgument',
    'privilege group name g-1 can only contain numbers, letters and underscores: invalid parameter'
  );
});

test('listPrivilegeGroups: gives the groups of users, then the built-in ones', async () => {
  const { root } = server;
  for (const group_name of ['g2', 'g1']) ok(await root.createPrivilegeGroup({ group_name }));
  ok(await root.addPrivilegesToGroup({ group_name: 'g2', privileges: ['Search'] }));
  const answer = await root.listPrivilegeGroups();
  assert.deepEqual(Object.keys(answer).sort(), ['privilege_groups', 'status']);
  ok(answer);
  assert.deepEqual(answer.privilege_groups.slice(0, 2), [
    { group_name: 'g1', privileges: [] },
    { group_name: 'g2', privileges: [{ name: 'Search' }] },
  ]);
  assert.deepEqual(
    answer.privilege_groups.slice(2).map(group => group.group_name),
    BUILT_IN_GROUPS
  );
  assert.deepEqual(answer.privilege_groups[5].privileges, [
    { name: 'ShowCollections' },
    { name: 'DescribeDatabase' },
  ]);
});

test('addPrivilegesToGroup, removePrivilegesFromGroup: change the members', async () => {
  const { root } = server;
  await addGroup();
  const add = privileges => root.addPrivilegesToGroup({ group_name: 'g1', privileges });
  const remove = privileges => root.removePrivilegesFromGroup({ group_name: 'g1', privileges });
  assert.deepEqual(await add(['Query', 'Search']), SUCCESS);
  ok(await add(['Search', 'Insert']));
  assert.deepEqual(await members(), ['Insert', 'Query', 'Search']);
  assert.deepEqual(await remove(['Query', 'Delete']), SUCCESS);
  assert.deepEqual(await members(), ['Insert', 'Search']);
  ok(await remove(['Insert', 'Search']));
  assert.deepEqual(await members(), []);
});

test('addPrivilegesToGroup, removePrivilegesFromGroup: refuse what is unknown', async () => {
  const { root } = server;
  await addGroup('Search');
  const alterable = 'failed to check if privilege group alterable: ';
  const cases = [
    ['g2', ['Search'], 'there is no privilege group name [g2] defined in system to operate'],
    [
      'ClusterAdmin',
      ['Search'],
      'there is no privilege group name [ClusterAdmin] defined in system to operate',
    ],
    ['g1', [], 'privileges is empty when alter the privilege group'],
    [
      'g1',
      ['Nonsense'],
      'there is no privilege name or privilege group name [Nonsense] defined in system to operate',
    ],
  ];
  for (const [group_name, privileges, text] of cases) {
    const reason = `${alterable}${text}: invalid parameter`;
    const request = { group_name, privileges };
    refused(await root.addPrivilegesToGroup(request), 1100, 'OperatePrivilegeGroupFailure', reason);
    refused(await root.removePrivilegesFromGroup(request), 1100, 'OperatePrivilegeGroupFailure', reason);
  }
  assert.deepEqual(await members(), ['Search']);
});

test('addPrivilegesToGroup: refuses another level', async () => {
  await addGroup('Search');
  refused(
    await server.root.addPrivilegesToGroup({ group_name: 'g1', privileges: ['CreateDatabase'] }),
    1100,
    'OperatePrivilegeGroupFailure',
    'failed to check if privilege group alterable: privileges are not the same privilege level: ' +
      'invalid parameter'
  );
});

test('dropPrivilegeGroup: removes a group, and succeeds without one', async () => {
  await addGroup('Search');
  assert.deepEqual(await server.root.dropPrivilegeGroup({ group_name: 'g1' }), SUCCESS);
  assert.equal(await members(), undefined);
  ok(await server.root.dropPrivilegeGroup({ group_name: 'g1' }));
});

test('dropPrivilegeGroup: leaves the built-in groups', async () => {
  ok(await server.root.dropPrivilegeGroup({ group_name: 'ClusterAdmin' }));
  assert.deepEqual(Object.keys(groups(await server.root.listPrivilegeGroups())), BUILT_IN_GROUPS);
});

test('dropPrivilegeGroup: refuses a group in use', async () => {
  await addGroup('Search');
  await addRole(server.root, 'r1', ['g1', 'default', 'c1']);
  refused(
    await server.root.dropPrivilegeGroup({ group_name: 'g1' }),
    1100,
    'DropPrivilegeGroupFailure',
    'failed to check if privilege group dropable: privilege group [g1] is used by role [r1], Use REVOKE ' +
      'API to revoke it first: invalid parameter'
  );
});
