//! Integration tests, one binary. What belongs where:
//!
//! * `support`: a real server as a child process, and a client for it
//! * `certificates`: what TLS needs
//! * `architecture`: the directions between the rooms
//! * `audit`: the audit trail, and the password of root that was lost
//! * `etcd`: the store in a real etcd: answers that get lost, several instances, links between
//!   them that are cut, foreign writes, TLS and passwords
//! * `engine`: the single writer over a store that fails as told
//! * `crash`, `durability`: kill -9 under load; a sync for each commit
//! * `power_loss`, `damage`, `faults`: disks that forget, files that are not what they were, and
//!   writes that fail or hang; see `tests/README.md`
//! * `linear`: concurrent calls, and whether an order explains their answers
//! * `lifecycle`: starting, stopping, ports, configuration
//! * `rolling`: instances that are replaced one by one while clients call through a balancer
//! * `login`: what a refused login tells, and what ends one
//! * `thrift`: what a start and idleness do not cost
//! * `in_force`: acknowledged changes decide the next call, and those under way
//! * `follow`: instances that follow another one
//! * `ext_authz`: the decision as Envoy asks for it
//! * `rpc`: every call over the wire, row by row of the specification: what is refused and how,
//!   what changes, what is denied; and bad input of every kind
//! * `rest`: REST v2: what the routes answer, what is refused and how, and broken HTTP
//! * `cli`: the commands that ask a server, as they are typed
//! * `sidecar`: calls that go on to a Milvus, which a server in this process plays
//! * `decisions`: who may do what, from the tables in `tests/cases/`
//! * `tls`: TLS on the data port and towards the upstream, and users whom certificates name
//! * `telemetry`: what is told of calls: metrics, spans, log lines
//! * `overload`: more of everything than can be served
//! * `policy`: access as code: documents, plans, and what becomes of a server
//! * `property`: random requests and restarts, the product beside the oracle
//! * `oracle`: a naive model of the whole specification, sharing nothing with the product
//! * `answers`: what is said of decisions, against the decisions
//! * `product`: the oracle's requests put to the product, and its answers in the oracle's terms

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on fails"
)]

mod answers;
mod architecture;
mod audit;
mod certificates;
mod cli;
mod crash;
mod damage;
mod decisions;
mod durability;
mod engine;
mod etcd;
mod ext_authz;
mod faults;
mod follow;
mod in_force;
mod lifecycle;
mod linear;
mod login;
mod oracle;
mod overload;
mod policy;
mod power_loss;
mod product;
mod property;
mod rest;
mod rolling;
mod rpc;
mod sidecar;
mod support;
mod telemetry;
mod thrift;
mod tls;
