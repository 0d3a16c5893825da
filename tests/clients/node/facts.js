'use strict';

/** The privilege groups of every server, in the order of their listing. */
const BUILT_IN_GROUPS = [
  'ClusterReadOnly',
  'ClusterReadWrite',
  'ClusterAdmin',
  'DatabaseReadOnly',
  'DatabaseReadWrite',
  'DatabaseAdmin',
  'CollectionReadOnly',
  'CollectionReadWrite',
  'CollectionAdmin',
];

/** The grants that every user has through the role public. */
const PUBLIC_GRANTS = [
  ['Collection', '*', '*', 'IndexDetail'],
  ['Global', '*', '*', 'DescribeCollection'],
  ['Global', '*', '*', 'ListAliases'],
];

const NO_ROLE =
  "not found the role, maybe the role isn't existed or internal system error: invalid parameter";

module.exports = { BUILT_IN_GROUPS, NO_ROLE, PUBLIC_GRANTS };
