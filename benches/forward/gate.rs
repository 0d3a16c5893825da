//! The gate, in its release form, with users and grants in memory.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use milvus_rbac::rpc::proto::common::Status;
use milvus_rbac::rpc::proto::service::{
    CreateCredentialRequest, CreateRoleRequest, GrantEntity, GrantorEntity, ObjectEntity,
    OperateUserRoleRequest, PrivilegeEntity, RbacMeta, RestoreRbacMetaRequest, RoleEntity,
    UserEntity,
};
use prost::Message;

use crate::child::Child;
use crate::load::{self, Call, Connection};

/// Who calls: a user with one role.
pub(crate) const LOGIN: &str = "reader:password";
const ROOT: &str = "root:Milvus";
const ROLE: &str = "readers";

/// The collection on which the grant of that number is.
pub(crate) fn collection(number: usize) -> String {
    format!("collection_{number}")
}

/// Starts it on a free port.
pub(crate) fn start(binary: &str, upstream: SocketAddr) -> (Child, SocketAddr) {
    let mut process = Command::new(binary)
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--admin-listen", "off", "--store", "memory:"])
        .args(["--max-users", "0", "--max-roles", "0", "--bcrypt-cost", "4"])
        .args(["--log-level", "error", "--upstream", &format!("http://{upstream}")])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let process = Child::new(process, None);
    let address = line.trim_end().strip_prefix("listening on ");
    (process, address.unwrap().parse().unwrap())
}

/// Creates the user, and grants its role the calls that are measured on that many collections.
pub(crate) fn fill(address: SocketAddr, grants: usize) -> Duration {
    let began = Instant::now();
    load::on_this_thread(async {
        let connection = Connection::open(address).await;
        let change = async |call: Call| {
            let frame = call.make(&connection).await;
            let status = Status::decode(&frame[5..]).unwrap();
            assert_eq!((status.code, status.error_code), (0, 0), "{}", status.reason);
        };
        let (user, password) = LOGIN.split_once(':').unwrap();
        let username = user.to_owned();
        let password = STANDARD.encode(password);
        let user = CreateCredentialRequest { username, password, ..Default::default() };
        change(Call::new("CreateCredential", ROOT, &user)).await;
        let entity = Some(RoleEntity { name: ROLE.to_owned(), ..Default::default() });
        let role = CreateRoleRequest { entity: entity.clone(), ..Default::default() };
        change(Call::new("CreateRole", ROOT, &role)).await;
        let username = user.username;
        let bind =
            OperateUserRoleRequest { username, role_name: ROLE.to_owned(), ..Default::default() };
        change(Call::new("OperateUserRole", ROOT, &bind)).await;

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
        change(Call::new("RestoreRBAC", ROOT, &restore)).await;
    });
    began.elapsed()
}
