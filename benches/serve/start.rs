//! The start with an empty store, and what the server takes while nothing happens.

use std::thread;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::ConnectRequest;

use crate::shared::load::{self, Call, Connection};
use crate::shared::server::{self, ROOT};
use crate::{median, row};

const IDLE: Duration = Duration::from_secs(5);

pub(crate) fn measure(binary: &str, rounds: usize) {
    let (mut took, mut again, mut memory, mut processor) = (vec![], vec![], vec![], vec![]);
    for _ in 0..rounds {
        let folder = tempfile::tempdir().unwrap();
        let store = format!("sled:{}", folder.path().join("store").display());
        for took in [&mut took, &mut again] {
            let began = Instant::now();
            let (_server, [data, _]) = server::start(binary, &["--store", &store]);
            load::on_this_thread(async {
                let connection = Connection::open(data).await;
                Call::new("Connect", ROOT, &ConnectRequest::default(), 0).make(&connection).await
            });
            took.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let (process, _) = server::start(binary, &["--store", &store]);
        let before = process.processor_time();
        thread::sleep(IDLE);
        let used = process.processor_time() - before;
        processor.push(used.div_duration_f64(IDLE) * 100.0);
        memory.push(process.memory() as f64 / 1024.0);
    }
    row(
        "start with no store to the first answer, ms",
        &format!("{:.0}", median(&took)),
        None,
        "≤ 50",
    );
    row(
        "start with an empty store to the first answer, ms",
        &format!("{:.0}", median(&again)),
        None,
        "≤ 50",
    );
    row("resident memory, idle, MiB", &format!("{:.1}", median(&memory)), None, "≤ 20");
    row("processor, idle, %", &format!("{:.2}", median(&processor)), None, "about 0");
}
