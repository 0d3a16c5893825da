//! Writes, one after the other or many at once.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use milvus_rbac::engine::Engine;
use milvus_rbac::model::command::{Command, MemberOperation, PrivilegeOperation, Target};

use crate::data;

/// Grants `Search` on a collection to a role, or takes it back.
pub(crate) fn grant(role: &str, collection: &str, operation: MemberOperation) -> Command {
    Command::OperatePrivilege(PrivilegeOperation {
        operation: Ok(operation),
        role: role.to_owned(),
        grantor: "root".to_owned(),
        privilege: "Search".to_owned(),
        database: "default".to_owned(),
        target: Target::V2 { collection: collection.to_owned() },
    })
}

/// Executes a command and waits for its answer.
pub(crate) fn execute(engine: &Engine, command: Command) {
    runtime().block_on(engine.execute(command)).unwrap();
}

/// The median time of a single grant, and of its revoke, in microseconds.
pub(crate) fn single(engine: &Engine, role: impl Fn(usize) -> String, times: usize) -> (f64, f64) {
    let runtime = runtime();
    let run = |operation| {
        let mut took = Vec::new();
        for index in 0..times {
            let command = grant(&role(index), &format!("new_{index}"), operation);
            let one = Instant::now();
            runtime.block_on(engine.execute(command)).unwrap();
            took.push(one.elapsed().as_nanos() as f64 / 1e3);
        }
        took.sort_by(f64::total_cmp);
        took[took.len() / 2]
    };
    (run(MemberOperation::Add), run(MemberOperation::Remove))
}

/// Grants and revokes as fast as they go while `work` runs; returns how many a second.
pub(crate) fn flat_out<T>(engine: &Engine, roles: usize, work: impl FnOnce() -> T) -> (f64, T) {
    const IN_FLIGHT: usize = 64;
    let (done, count) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let client = |index: usize| {
                let (done, count) = (&done, &count);
                async move {
                    let mut turn = index;
                    while !done.load(Ordering::Relaxed) {
                        let role = data::role(data::mixed(turn, 3) % roles);
                        for operation in [MemberOperation::Add, MemberOperation::Remove] {
                            let command = grant(&role, &format!("turn_{turn}"), operation);
                            engine.execute(command).await.unwrap();
                            count.fetch_add(1, Ordering::Relaxed);
                        }
                        turn += IN_FLIGHT;
                    }
                }
            };
            runtime().block_on(futures_util::future::join_all((0..IN_FLIGHT).map(client)));
        });
        let began = Instant::now();
        let result = work();
        let rate = count.load(Ordering::Relaxed) as f64 / began.elapsed().as_secs_f64();
        done.store(true, Ordering::Relaxed);
        (rate, result)
    })
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}
