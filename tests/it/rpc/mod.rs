//! Every call of the RBAC surface over the wire, row by row of `spec/rbac-management.md`.
//!
//! A row is one request with the answer it must get: [`World::refuses`] for a refusal, which must
//! change nothing; [`World::changes`] for a success that changes something, [`World::keeps`] for
//! one that does not, [`World::gets`] for a reading call; [`World::denies`] for what the caller
//! may not do.

pub(crate) mod answers;
pub(crate) mod calls;
mod databases;
mod denied;
mod grant_checks;
mod grants;
mod groups;
mod hostile;
mod hostile_messages;
mod names;
pub(crate) mod raw;
pub(crate) mod requests;
mod restore;
mod roles;
mod select_grant;
mod system;
mod texts;
mod transact;
mod users;

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt::Debug;

use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::*;
use tonic::Code;

use self::calls::{Answer, Call};
use self::requests::{PASSWORD, create_user, grants_of};
use crate::support::{Client, Server, revision};

/// A server, and `root` who is logged in to it.
struct World {
    server: Server,
    root: Client,
    /// The state after the last row: it is not asked for again before the next one.
    last: Cell<Option<Picture>>,
}

/// All that clients can see of the state.
#[derive(Debug, PartialEq)]
struct Picture {
    revision: u64,
    users: SelectUserResponse,
    names: ListCredUsersResponse,
    roles: SelectRoleResponse,
    backup: BackupRbacMetaResponse,
    public: SelectGrantResponse,
    databases: ListDatabasesResponse,
}

impl World {
    async fn new() -> Self {
        Self::with(&["--max-users", "0", "--max-roles", "0"]).await
    }

    async fn with(flags: &[&str]) -> Self {
        let server = Server::start(flags);
        Self::of(server).await
    }

    async fn of(server: Server) -> Self {
        let root = server.root().await;
        Self { server, root, last: Cell::default() }
    }

    /// A new user with [`PASSWORD`], logged in.
    async fn user(&self, name: &str) -> Client {
        self.changes(create_user(name, PASSWORD)).await;
        self.server.client(name, PASSWORD).await
    }

    async fn picture(&self) -> Picture {
        let root = &self.root;
        let users = SelectUserRequest { include_role_info: true, ..Default::default() };
        let roles = SelectRoleRequest { include_user_info: true, ..Default::default() };
        let names = ListCredUsersRequest::default().send(root).await.unwrap();
        Picture {
            revision: revision(&names),
            names: names.into_inner(),
            users: self.gets(users).await,
            roles: self.gets(roles).await,
            backup: self.gets(BackupRbacMetaRequest::default()).await,
            public: self.gets(grants_of("public", "*")).await,
            databases: self.gets(ListDatabasesRequest::default()).await,
        }
    }

    async fn revision(&self) -> u64 {
        revision(&ListCredUsersRequest::default().send(&self.root).await.unwrap())
    }

    async fn before(&self) -> Picture {
        match self.last.take() {
            Some(last) if last.revision == self.revision().await => last,
            _ => self.picture().await,
        }
    }

    /// Nothing changed since `before`.
    async fn same(&self, before: Picture, row: &str) {
        let now = self.picture().await;
        assert_eq!(now, before, "{row}");
        self.last.set(Some(now));
    }

    /// `root` is refused, in just this way; nothing else is in the answer, and nothing changed.
    async fn refuses(&self, request: impl Call, expected: Refusal) {
        self.refuses_to(&self.root, request, expected).await;
    }

    async fn refuses_to(&self, client: &Client, request: impl Call, expected: Refusal) {
        let (row, before) = (format!("{request:?}"), self.before().await);
        let mut answer = request.send(client).await.unwrap().into_inner();
        expected.check(&answer.take_status(), &row);
        assert!(answer.is_empty(), "{row}: {answer:?}");
        self.same(before, &row).await;
    }

    /// `root` succeeds, and the state's revision rises by one.
    async fn changes(&self, request: impl Call) {
        self.changes_by(&self.root, request).await;
    }

    async fn changes_by(&self, client: &Client, request: impl Call) {
        let row = format!("{request:?}");
        let before = self.revision().await;
        let mut response = request.send(client).await.unwrap_or_else(|e| panic!("{row}: {e}"));
        assert_eq!(response.get_mut().take_status(), Status::default(), "{row}");
        assert_eq!(revision(&response), before + 1, "{row}");
        assert_eq!(self.revision().await, before + 1, "{row}");
    }

    /// `root` succeeds, and nothing changes.
    async fn keeps(&self, request: impl Call) {
        let (row, before) = (format!("{request:?}"), self.before().await);
        let mut response = request.send(&self.root).await.unwrap();
        assert_eq!(response.get_mut().take_status(), Status::default(), "{row}");
        assert_eq!(revision(&response), before.revision, "{row}");
        self.same(before, &row).await;
    }

    /// `root` is refused, or succeeds where no refusal is expected.
    async fn meets(&self, request: impl Call, refusal: Option<Refusal>) {
        match refusal {
            Some(refusal) => self.refuses(request, refusal).await,
            None => drop(self.gets(request).await),
        }
    }

    /// What a reading call answers to `root`; its status is checked and taken out.
    async fn gets<C: Call>(&self, request: C) -> C::Answer {
        gets(&self.root, request).await
    }

    /// `client` is refused by gRPC's own status, and nothing changed.
    async fn denies(&self, client: &Client, request: impl Call, text: &str) {
        let (row, before) = (format!("{request:?}"), self.before().await);
        let status = request.send(client).await.err().unwrap_or_else(|| panic!("{row} is allowed"));
        assert_eq!((status.code(), status.message()), (Code::PermissionDenied, text), "{row}");
        self.same(before, &row).await;
    }

    /// Whether that login works.
    async fn logs_in(&self, user: &str, password: &str) -> bool {
        let client = self.server.client(user, password).await;
        match GetVersionRequest::default().send(&client).await {
            Ok(_) => true,
            Err(e) => {
                let text = "auth check failure, please check username and password are correct";
                assert_eq!((e.code(), e.message()), (Code::Unauthenticated, text));
                false
            }
        }
    }
}

/// What a reading call answers; its status is checked and taken out.
async fn gets<C: Call>(client: &Client, request: C) -> C::Answer {
    let row = format!("{request:?}");
    let response = request.send(client).await.unwrap_or_else(|e| panic!("{row}: {e}"));
    let mut answer = response.into_inner();
    assert_eq!(answer.take_status(), Status::default(), "{row}");
    answer
}

/// The whole `Status` of a refused request.
#[derive(Debug, Clone)]
struct Refusal {
    status: Status,
    /// The reason goes on after the text: Milvus has a formatting slip there.
    leading: bool,
}

impl Refusal {
    fn new(code: i32, error_code: i32, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        let detail = reason.clone();
        let status = Status { code, error_code, reason, detail, ..Status::default() };
        Self { status, leading: false }
    }

    /// Marked as the caller's fault.
    fn input(mut self) -> Self {
        self.status.extra_info = HashMap::from([("is_input_error".to_owned(), "true".to_owned())]);
        self
    }

    /// Only the leading words count.
    fn leading(mut self) -> Self {
        self.leading = true;
        self
    }

    fn check(&self, status: &Status, row: &dyn Debug) {
        let mut expected = self.status.clone();
        if self.leading && status.reason.starts_with(&expected.reason) {
            expected.reason.clone_from(&status.reason);
            expected.detail.clone_from(&status.reason);
        }
        assert_eq!(*status, expected, "{row:?}");
    }
}

/// 1100 of the first layer of checks.
fn p(reason: impl Into<String>) -> Refusal {
    Refusal::new(1100, 5, reason).input()
}

/// 1100 of the second layer, with the legacy code of its call.
fn r(error_code: i32, reason: impl Into<String>) -> Refusal {
    Refusal::new(1100, error_code, reason).input()
}
