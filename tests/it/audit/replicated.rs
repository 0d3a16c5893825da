//! Several instances over one etcd write one trail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::*;
use crate::cli::as_root;
use crate::etcd::server::Etcd;

/// The keys and the values of all segments, as etcd's gateway writes them.
fn segments(etcd: &Etcd) -> Vec<(Value, Value)> {
    let place =
        |key: &str| Value::from(STANDARD.encode(format!("audited/meta/milvus-rbac-audit{key}")));
    let range = serde_json::json!({ "key": place("/"), "range_end": place("0") }).to_string();
    let answer = etcd.post("kv/range", &range);
    let answer: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let kvs = answer["kvs"].as_array().unwrap().iter();
    kvs.map(|kv| (kv["key"].clone(), kv["value"].clone())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_that_write_at_once_write_one_chain() {
    let etcd = Etcd::shared();
    let store = format!("etcd://{}/audited/meta", etcd.address());
    let flags = ["--audit-max-bytes", "12000"];
    let both = [(); 2].map(|()| Server::run(command(&store).args(FLAGS)));
    let mut writers = Vec::new();
    for (instance, server) in both.iter().enumerate() {
        for writer in 0..4 {
            let mut root = server.root().await;
            writers.push(tokio::spawn(async move {
                for number in 0..20 {
                    let name = format!("r{instance}_{writer}_{number}");
                    let answer = root.create_role(create_role(&name)).await.unwrap().into_inner();
                    assert_eq!(answer.code, 0, "{answer:?}");
                }
            }));
        }
    }
    // It is listed meanwhile, and whole each time.
    for server in &both {
        let whole = as_root(server, &["audit", "verify"]);
        assert_eq!(whole.code, 0, "{}", whole.err);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let (first, events) = listed(&both[0], ListAuditEventsRequest::default()).await.unwrap();
    let created = events.iter().filter(|event| event.command == "CreateRole").count();
    assert_eq!((created, events.len() as u64), (160, first.revision));
    let told = both.each_ref().map(|server| as_root(server, &["audit", "verify"]).out);
    assert!(told[0].starts_with("whole: events 1 to 1"), "{}", told[0]);
    assert_eq!(told[0], told[1]);
    let tip = told[0].trim().rsplit("tip: ").next().unwrap().to_owned();
    // What somebody else takes away is missed.
    let kept = segments(&etcd);
    assert!(kept.len() > 3, "{kept:?}");
    for (key, value) in [&kept[0], &kept[kept.len() / 2], kept.last().unwrap()] {
        etcd.post("kv/deleterange", &format!("{{\"key\":{key}}}"));
        let broken = as_root(&both[1], &["audit", "verify"]);
        assert!(broken.code == 1 && broken.err.contains("are missing"), "{}", broken.err);
        etcd.post("kv/put", &format!("{{\"key\":{key},\"value\":{value}}}"));
        assert_eq!(as_root(&both[1], &["audit", "verify"]).code, 0);
    }
    let [one, other] = both;
    assert!(one.stop().success() && other.stop().success());

    // The oldest go, whoever writes; the tip of before is part of it as long as it is kept.
    let both = [(); 2].map(|()| Server::run(command(&store).args(FLAGS).args(flags)));
    let mut roots = [both[0].root().await, both[1].root().await];
    for number in 0..40 {
        let answer = roots[number % 2].create_role(create_role(&format!("later{number}"))).await;
        assert_eq!(answer.unwrap().into_inner().code, 0);
    }
    let whole = as_root(&both[0], &["audit", "verify"]);
    assert!(whole.code == 0 && !whole.out.contains("events 1 to"), "{}{}", whole.out, whole.err);
    let gone = as_root(&both[0], &["audit", "verify", "--expect", &tip]);
    assert!(gone.code == 0 || gone.err.contains("is not kept any more"), "{}", gone.err);

    // What is damaged is found, stays, and stops nobody.
    for (key, _) in segments(&etcd).iter().take(3) {
        etcd.post("kv/put", &format!("{{\"key\":{key},\"value\":\"Z2FyYmFnZQ==\"}}"));
    }
    for number in 0..40 {
        let answer = roots[number % 2].create_role(create_role(&format!("last{number}"))).await;
        assert_eq!(answer.unwrap().into_inner().code, 0);
    }
    assert_eq!(as_root(&both[0], &["audit", "verify"]).code, 1);
}
