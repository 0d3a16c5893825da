//! Durable grants, beside the rate at which the same disk takes small writes one by one.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::{
    CreateRoleRequest, GrantorEntity, OperatePrivilegeV2Request, PrivilegeEntity, RoleEntity,
    UserEntity,
};

use crate::shared::load::{self, Call, Calls, Connection, Load};
use crate::shared::server::{self, ROOT, change};
use crate::{median, median_of, row};

const MANY: Load = Load { connections: 4, in_flight: 16 };
const ALONE: Load = Load { connections: 1, in_flight: 1 };
/// Grants that are made before they are taken back.
const GRANTS: usize = 20_000;
const ROLES: usize = 100;

pub(crate) fn measure(binary: &str, rounds: usize, time: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("sled:{}", folder.path().join("store").display());
    let (_server, [data, admin]) = server::start(binary, &["--store", &store]);
    load::on_this_thread(async {
        let connection = Connection::open(data).await;
        for number in 0..ROLES {
            let entity = Some(role(number));
            let request = CreateRoleRequest { entity, ..Default::default() };
            change(&connection, "CreateRole", &request).await;
        }
    });
    let calls =
        Calls::new([0, 1].into_iter().flat_map(|o| (0..GRANTS).map(move |n| call(n, o))).collect());
    let (mut disk, mut shared, mut many, mut alone) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        disk.push(append(folder.path(), time / 2));
        let before = commits(admin);
        many.push(load::run(data, None, &MANY, &calls, time));
        let after = commits(admin);
        shared.push((after.commands - before.commands) / (after.commits - before.commits));
        alone.push(load::run(data, None, &ALONE, &calls, time));
    }
    let disk = median(&disk);
    row("4 KiB appended and synced, one by one, per s", &format!("{disk:.0}"), None, "");
    let rate = median_of(&many, |f| f.calls_per_second);
    row(
        "durable grants, 64 in flight, per s; to the disk",
        &format!("{rate:.0}"),
        Some(rate / disk),
        "≥ 3",
    );
    row("commands that share a sync", &format!("{:.0}", median(&shared)), None, "≥ 30");
    let p50 = median_of(&many, |f| f.p50.as_secs_f64() * 1e3);
    row("their p50, ms", &format!("{p50:.2}"), None, "");
    let rate = median_of(&alone, |f| f.calls_per_second);
    row(
        "durable grants, 1 in flight, per s; to the disk",
        &format!("{rate:.0}"),
        Some(rate / disk),
        "≥ 0.3",
    );
}

fn role(number: usize) -> RoleEntity {
    RoleEntity { name: format!("role_{number}"), ..Default::default() }
}

fn call(number: usize, operation: i32) -> Call {
    let request = OperatePrivilegeV2Request {
        role: Some(role(number % ROLES)),
        grantor: Some(GrantorEntity {
            user: Some(UserEntity { name: "root".to_owned() }),
            privilege: Some(PrivilegeEntity { name: "Search".to_owned() }),
        }),
        db_name: "default".to_owned(),
        collection_name: format!("collection_{number}"),
        r#type: operation,
        ..Default::default()
    };
    Call::new("OperatePrivilegeV2", ROOT, &request, 0)
}

/// How often the disk takes 4 KiB at the end of a file, and says so, in a second.
fn append(folder: &Path, time: Duration) -> f64 {
    let path = folder.join("appended");
    let mut file = File::create(&path).unwrap();
    let (began, mut times) = (Instant::now(), 0);
    while began.elapsed() < time {
        file.write_all(&[7; 4096]).unwrap();
        file.sync_data().unwrap();
        times += 1;
    }
    std::fs::remove_file(path).unwrap();
    f64::from(times) / began.elapsed().as_secs_f64()
}

/// What was committed so far.
struct Commits {
    commands: f64,
    commits: f64,
}

/// As the server itself counts.
fn commits(admin: SocketAddr) -> Commits {
    let mut stream = TcpStream::connect(admin).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().parse().unwrap()
    };
    Commits {
        commands: value("milvus_rbac_commit_changes_sum "),
        commits: value("milvus_rbac_commit_changes_count "),
    }
}
