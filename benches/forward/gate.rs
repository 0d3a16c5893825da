//! The gate, in its release form, with users and grants in memory.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::service::{
    CreateCredentialRequest, CreateRoleRequest, GrantEntity, GrantorEntity, InsertRequest,
    ObjectEntity, OperateUserRoleRequest, PrivilegeEntity, QueryRequest, RbacMeta,
    RestoreRbacMetaRequest, RoleEntity, UserEntity,
};

use crate::shared::child::Child;
use crate::shared::load::{self, Call, Connection};
use crate::shared::server::{self, change};

/// Who calls: a user with one role.
pub(crate) const LOGIN: &str = "reader:password";
const ROLE: &str = "readers";

/// The collection on which the grant of that number is.
pub(crate) fn collection(number: usize) -> String {
    format!("collection_{number}")
}

/// A small call of that size.
pub(crate) fn query(size: usize) -> Call {
    let message = QueryRequest { collection_name: collection(0), ..Default::default() };
    Call::new("Query", LOGIN, &message, size)
}

/// A large one.
pub(crate) fn insert(size: usize) -> Call {
    let message = InsertRequest { collection_name: collection(0), ..Default::default() };
    Call::new("Insert", LOGIN, &message, size)
}

/// Starts it on a free port.
pub(crate) fn start(binary: &str, upstream: SocketAddr) -> (Child, SocketAddr) {
    let upstream = format!("http://{upstream}");
    let arguments = ["--store", "memory:", "--bcrypt-cost", "4", "--upstream", &upstream];
    let (process, [data, _]) = server::start(binary, &arguments);
    (process, data)
}

/// Creates the user, and grants its role the calls that are measured on that many collections.
pub(crate) fn fill(address: SocketAddr, grants: usize) -> Duration {
    let began = Instant::now();
    load::on_this_thread(async {
        let connection = Connection::open(address).await;
        let (user, password) = LOGIN.split_once(':').unwrap();
        let username = user.to_owned();
        let password = STANDARD.encode(password);
        let user = CreateCredentialRequest { username, password, ..Default::default() };
        change(&connection, "CreateCredential", &user).await;
        let entity = Some(RoleEntity { name: ROLE.to_owned(), ..Default::default() });
        let role = CreateRoleRequest { entity: entity.clone(), ..Default::default() };
        change(&connection, "CreateRole", &role).await;
        let username = user.username;
        let bind =
            OperateUserRoleRequest { username, role_name: ROLE.to_owned(), ..Default::default() };
        change(&connection, "OperateUserRole", &bind).await;

        // A backup, since each grant of its own would have the whole role compiled anew.
        let grants = (0..grants).map(|number| GrantEntity {
            role: entity.clone(),
            object: Some(ObjectEntity { name: "Global".to_owned() }),
            object_name: collection(number),
            grantor: Some(GrantorEntity {
                user: Some(UserEntity { name: "root".to_owned() }),
                privilege: Some(PrivilegeEntity { name: "CollectionReadWrite".to_owned() }),
            }),
            db_name: "default".to_owned(),
        });
        let backup = RbacMeta { grants: grants.collect(), ..Default::default() };
        let restore = RestoreRbacMetaRequest { rbac_meta: Some(backup), ..Default::default() };
        change(&connection, "RestoreRBAC", &restore).await;
    });
    began.elapsed()
}
