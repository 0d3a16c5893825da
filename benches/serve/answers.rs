//! Listings: beside a constant, with and without a login, and in a storm of wrong passwords.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use milvus_rbac::rpc::proto::service::{
    CreateRoleRequest, GrantEntity, GrantorEntity, ObjectEntity, OperatePrivilegeRequest,
    PrivilegeEntity, RoleEntity, SelectGrantRequest, SelectGrantResponse, UserEntity,
};
use prost::Message;

use crate::shared::load::{self, Call, Calls, Connection, Figures, Load};
use crate::shared::server::{self, ROOT, change};
use crate::{constant, median_of, row};

const GRANTS: usize = 10;
const MANY: Load = Load { connections: 4, in_flight: 16 };
const FEW: Load = Load { connections: 1, in_flight: 4 };
/// Wrong passwords that are under way at a time.
const STORM: usize = 64;

pub(crate) fn measure(binary: &str, rounds: usize, time: Duration) {
    let (process, [data, _]) = server::start(binary, &["--store", "memory:"]);
    let (_open, [open, _]) =
        server::start(binary, &["--store", "memory:", "--authorization", "off"]);
    let calls = listing();
    let mut answer = Default::default();
    for address in [data, open] {
        answer = load::on_this_thread(async {
            let connection = Connection::open(address).await;
            grant(&connection).await;
            call().make(&connection).await
        });
        let listed = SelectGrantResponse::decode(&answer[5..]).unwrap().entities.len();
        assert_eq!(listed, GRANTS);
    }
    let (_constant, constant) = constant::start(&answer);

    let [mut most, mut ours, mut without, mut calm, mut storm] = [(); 5].map(|()| Vec::new());
    for _ in 0..rounds {
        most.push(load::run(constant, None, &MANY, &calls, time));
        ours.push(load::run(data, Some(&process), &MANY, &calls, time));
        without.push(load::run(open, None, &MANY, &calls, time));
        calm.push(load::run(data, None, &FEW, &calls, time));
        storm.push(in_a_storm(data, &calls, time));
    }
    let rate = |figures: &[Figures]| median_of(figures, |f| f.calls_per_second);
    let slow = |figures: &[Figures]| median_of(figures, |f| f.p99.as_secs_f64() * 1e6);
    let processor = median_of(&ours, |f| f.processor.as_secs_f64() * 1e6);
    let (most, ours, without) = (rate(&most), rate(&ours), rate(&without));
    row("a constant from tonic, 64 in flight, per s", &format!("{most:.0}"), None, "");
    let name = format!("SelectGrant with {GRANTS} grants, per s; to the constant");
    row(&name, &format!("{ours:.0}"), Some(ours / most), "≥ 0.80");
    row("its processor time, µs", &format!("{processor:.0}"), None, "");
    let name = "the same without authorization, per s; with to without";
    row(name, &format!("{without:.0}"), Some(ours / without), "≥ 0.90");
    let (calm, storm) = (slow(&calm), slow(&storm));
    row("SelectGrant, 4 in flight, p99 µs", &format!("{calm:.0}"), None, "");
    let name = format!("the same beside {STORM} wrong passwords at a time; to without");
    row(&name, &format!("{storm:.0}"), Some(storm / calm), "≤ 2");
}

fn call() -> Call {
    let role = Some(RoleEntity { name: "reader".to_owned(), ..Default::default() });
    let entity = Some(GrantEntity { role, ..Default::default() });
    Call::new("SelectGrant", ROOT, &SelectGrantRequest { entity, ..Default::default() }, 0)
}

fn listing() -> Calls {
    call().into()
}

async fn grant(connection: &Connection) {
    let role = RoleEntity { name: "reader".to_owned(), ..Default::default() };
    let entity = Some(role.clone());
    change(connection, "CreateRole", &CreateRoleRequest { entity, ..Default::default() }).await;
    for number in 0..GRANTS {
        let entity = GrantEntity {
            role: Some(role.clone()),
            object: Some(ObjectEntity { name: "Collection".to_owned() }),
            object_name: format!("collection_{number}"),
            grantor: Some(GrantorEntity {
                user: Some(UserEntity { name: "root".to_owned() }),
                privilege: Some(PrivilegeEntity { name: "Search".to_owned() }),
            }),
            db_name: "default".to_owned(),
        };
        let request = OperatePrivilegeRequest { entity: Some(entity), ..Default::default() };
        change(connection, "OperatePrivilege", &request).await;
    }
}

/// The load, while others try passwords, from a thread of their own.
fn in_a_storm(data: SocketAddr, calls: &Calls, time: Duration) -> Figures {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let over = &over;
        scope.spawn(move || {
            load::on_this_thread(async {
                let connection = Connection::open(data).await;
                let guess = async |number: usize| {
                    let login = format!("root:wrong{number}");
                    let request = SelectGrantRequest::default();
                    let call = Call::new("SelectGrant", &login, &request, 0);
                    while !over.load(Ordering::Relaxed) {
                        assert_ne!(call.send(&connection).await.1, "0");
                    }
                };
                futures_util::future::join_all((0..STORM).map(guess)).await;
            });
        });
        let figures = load::run(data, None, &FEW, calls, time);
        over.store(true, Ordering::Relaxed);
        figures
    })
}
