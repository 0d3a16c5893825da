//! Milvus' access control as one small server.
//!
//! # The rooms
//!
//! | room | what happens there |
//! |---|---|
//! | [`config`] | the command line, checked |
//! | [`cli`] | the commands that ask a server, over the wire like all other clients |
//! | [`app`] | puts everything together, and takes it apart in order |
//! | [`listener`], [`admin`] | ports |
//! | [`gate`] | every call is identified and decided before anything else sees it |
//! | [`rpc`] | Milvus' messages in and out |
//! | [`rest`] | Milvus' REST v2, on the same service |
//! | [`run_command`] | commands in MongoDB's form |
//! | [`engine`] | the single writer, and the snapshots that everybody reads |
//! | [`authz`] | grants compiled into a policy, the decision, and what there is to say of it; pure |
//! | [`model`] | users, roles, grants, groups, databases, and every rule about them; pure |
//! | [`policy`] | access as code: documents compared with what holds; pure |
//! | [`storage`] | where changes are kept |
//! | [`passwords`], [`clock`], [`telemetry`], [`tls`] | what several rooms need |
//!
//! # The rules that must never break
//!
//! 1. Durable before visible, visible before acknowledged. One writer orders all changes; commands
//!    that wait together share a commit, each still succeeding or failing alone.
//! 2. A failed commit changes nothing; after one that may have happened, the store is read again
//!    before anything else.
//! 3. Reads never touch the store and take no lock: one immutable snapshot serves a whole call.
//! 4. Each change raises the revision by one; every answer carries it as `milvus-rbac-revision`.
//! 5. Closed by default: a method without a classification is refused, and a password check never
//!    tells whether the user exists.
//! 6. The bytes that are checked are the bytes that are served, or forwarded.
//! 7. Nothing that a client sends is unbounded.
//!
//! # The path of a grant
//!
//! [`gate`] looks up what `OperatePrivilegeV2` requires, verifies the credentials, and decides on
//! the newest [`engine::Snapshot`]. [`rpc`] checks the form of the message and makes a
//! [`model::command::Command`] of it. The [`engine`]'s writer plans it against the newest state,
//! commits the changes to the [`storage`], with an event that tells who made them, alters what the
//! policy says of them, publishes the next snapshot and answers. The next call is decided on that
//! snapshot.
//!
//! # The path of a search
//!
//! As a sidecar nothing of the data is kept here. [`gate`] verifies the credentials and reads the whole
//! message, of which it decodes the names of database and collection alone; an alias is looked up in the
//! Milvus behind. It decides on the newest snapshot, and sends the very bytes on. The answer passes
//! through as it comes, at the pace of its reader. The answers to calls that drop or rename a collection
//! are read first: the grants on it go or move with it before the caller hears of the success.
//!
//! # The path of a revoke to a follower
//!
//! A follower's [`storage`] is another instance: [`storage::follow`] reads everything from it over one stream
//! and then hears of each commit, which the [`engine`] there keeps for a while, encoded once for all. A
//! revoke asked of a follower passes its [`gate`], which has the centre make it with the caller's
//! credentials in the store on which it was decided, and waits until the follower's own snapshot of that
//! store has it. Of the grants on a collection that a sidecar drops the same is asked by the follower's own.

pub mod admin;
pub mod app;
pub mod authz;
pub mod cli;
pub mod clock;
pub mod config;
pub mod engine;
pub mod gate;
pub mod listener;
pub mod model;
pub mod passwords;
pub mod policy;
pub mod rest;
pub mod rpc;
pub mod run_command;
pub mod storage;
pub mod telemetry;
pub mod tls;
