//! What servers tell on the admin port, against deploy/observability/METRICS.md, line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use tonic::Code;

use super::exposition::{Family, Sample, read};
use crate::follow::{following, login_file};
use crate::rest::post_as;
use crate::rpc::raw::{Raw, SERVICE, frame, methods};
use crate::rpc::requests::{PASSWORD, create_role, create_user};
use crate::sidecar::upstream::Upstream;
use crate::support::{LIMIT, Server, command, http_get};

type Families = BTreeMap<String, Family>;

/// A line of the table.
struct Documented {
    kind: String,
    /// Each with its values; none where the test knows them.
    labels: BTreeMap<String, BTreeSet<String>>,
}

fn file(name: &str) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/observability");
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn documented() -> BTreeMap<String, Documented> {
    let (mut table, text) = (BTreeMap::new(), file("METRICS.md"));
    for row in text.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, kind, labels, unit, meaning] = cells[..] else { panic!("{row}") };
        assert!(!unit.is_empty() && meaning.ends_with('.'), "{row}");
        // One label with values, or several without.
        let quoted = |text: &str| -> Vec<String> {
            text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
        };
        let labels = match labels.split_once(':') {
            Some((label, values)) => {
                [(quoted(label).remove(0), quoted(values).into_iter().collect())].into()
            }
            None => quoted(labels).into_iter().map(|label| (label, BTreeSet::new())).collect(),
        };
        let row = Documented { kind: kind.to_owned(), labels };
        assert!(table.insert(name.trim_matches('`').to_owned(), row).is_none(), "{name}: twice");
    }
    assert!(table.len() > 30, "the table was not found");
    table
}

fn scrape(server: &Server) -> Families {
    let (status, text) = http_get(&format!("http://{}/metrics", server.admin));
    assert_eq!(status, 200);
    read(&text)
}

/// Waits until it is so of what is told.
fn until(server: &Server, what: &str, so: impl Fn(&Families) -> bool) -> Families {
    let give_up = std::time::Instant::now() + LIMIT;
    loop {
        let told = scrape(server);
        if so(&told) {
            return told;
        }
        assert!(std::time::Instant::now() < give_up, "not in time: {what}: {told:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The sum of those samples of a metric that have that label.
fn value(told: &Families, name: &str, label: Option<(&str, &str)>) -> f64 {
    let samples = told.values().flat_map(|family| &family.samples);
    let is = |sample: &&Sample| {
        let of =
            |(label, value): (&str, &str)| sample.labels.get(label).is_some_and(|v| v == value);
        sample.name == name && label.is_none_or(of)
    };
    samples.filter(is).map(|sample| sample.value).sum()
}

/// Fails unless everything is documented as it is; returns the names.
fn check(told: &Families) -> BTreeSet<String> {
    let documented = documented();
    let routes = post_routes();
    let names: BTreeSet<_> = methods().into_iter().map(|method| method.name).collect();
    let ours = ["Check", "SetLogLevel", "WatchChanges", "Health", "Reflection", "unknown"];
    for (name, family) in told {
        let row = documented.get(name).unwrap_or_else(|| panic!("{name} is not documented"));
        assert_eq!(family.kind, row.kind, "{name}");
        assert!(!family.help.is_empty(), "{name} has no help");
        for sample in &family.samples {
            let mut labels = sample.labels.clone();
            if let Some(le) = labels.remove("le") {
                assert!(le == "+Inf" || le.parse::<f64>().is_ok(), "{sample:?}");
            }
            assert!(labels.keys().eq(row.labels.keys()), "{sample:?}");
            for (label, value) in &labels {
                let fits = match label.as_str() {
                    "method" => {
                        let value = value.as_str();
                        names.contains(value) || ours.contains(&value) || routes.contains(value)
                    }
                    "code" => value.parse::<u16>().is_ok_and(|code| code <= 16 || code >= 200),
                    "version" => value == env!("CARGO_PKG_VERSION"),
                    _ => row.labels[label].contains(value),
                };
                assert!(fits, "{name}: {label}={value}");
            }
        }
        if family.kind == "histogram" {
            check_histogram(name, family);
        }
    }
    told.keys().cloned().collect()
}

/// The routes of REST: what it tells of itself, and those of data, which are in a table.
fn post_routes() -> BTreeSet<String> {
    let table = include_str!("../../../src/rest/data/routes.rs");
    let data = table.split('"').skip(1).step_by(2).filter(|text| text.starts_with('/'));
    let data: BTreeSet<_> = data.map(str::to_owned).collect();
    assert!(data.len() > 20, "{data:?}");
    let server = Server::start(&[]);
    let (_, text) = http_get(&format!("http://{}/v2/openapi.json", server.address));
    let document: Value = serde_json::from_str(&text).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let own = paths.keys().map(|path| path.strip_prefix("/v2/vectordb").unwrap().to_owned());
    own.chain(data).collect()
}

fn check_histogram(name: &str, family: &Family) {
    let mut counts = BTreeMap::<_, (f64, f64)>::new();
    for sample in &family.samples {
        let mut labels = sample.labels.clone();
        let le = labels.remove("le");
        let (rising, count) = counts.entry(labels).or_default();
        if sample.name.ends_with("_bucket") {
            assert!(sample.value >= *rising, "{name}: {sample:?}");
            *rising = sample.value;
            if le.as_deref() == Some("+Inf") {
                *count = sample.value;
            }
        } else if sample.name.ends_with("_count") {
            assert!((sample.value - *count).abs() < 0.5, "{name}: {sample:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_is_documented_and_what_is_documented_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut names = BTreeSet::new();

    // Alone, with a policy, and a collector that is not there.
    let policy = folder.path().join("policy.yaml");
    std::fs::write(&policy, "roles:\n  r0: {}\n").unwrap();
    let policy = policy.display().to_string();
    let alone = Server::start(&[
        "--bcrypt-cost",
        "8",
        "--policy",
        &policy,
        "--otlp-endpoint",
        "http://127.0.0.1:1",
    ]);
    let mut root = alone.root().await;
    root.create_role(create_role("r1")).await.unwrap();
    root.create_credential(create_user("u1", PASSWORD)).await.unwrap();
    let user = Raw::user(&alone, "u1", PASSWORD).await;
    let created = user.unary(&format!("{SERVICE}CreateRole"), frame(&[])).await;
    assert_eq!(created.code, Code::PermissionDenied);
    let wrong = Raw::user(&alone, "u1", "wrong!").await;
    let refused = wrong.unary(&format!("{SERVICE}ListCredUsers"), frame(&[])).await;
    assert_eq!(refused.code, Code::Unauthenticated);
    assert_eq!(post_as(&alone, "root:Milvus", "/users/list", "{}").status, 200);
    // More logins than may wait.
    let many: Vec<_> = (0..300)
        .map(|n| {
            let user = wrong.with("x-n", n.to_string().as_bytes());
            tokio::spawn(
                async move { user.unary(&format!("{SERVICE}Connect"), frame(&[])).await.code },
            )
        })
        .collect();
    let mut codes = Vec::new();
    for call in many {
        codes.push(call.await.unwrap());
    }
    let shed = codes.iter().filter(|code| **code == Code::ResourceExhausted).count();
    assert!(shed > 0, "{codes:?}");
    let told = until(&alone, "lost spans", |told| {
        value(told, "milvus_rbac_spans_total", Some(("outcome", "lost"))) > 0.0
    });
    let count = |name: &str, label| value(&told, name, label);
    assert_eq!(count("milvus_rbac_shed_total", Some(("what", "passwords"))), shed as f64);
    assert_eq!(count("milvus_rbac_decisions_total", Some(("outcome", "denied"))), 1.0);
    let wrong_ones = (codes.len() - shed + 1) as f64;
    let unauthenticated = Some(("outcome", "unauthenticated"));
    assert_eq!(count("milvus_rbac_decisions_total", unauthenticated), wrong_ones);
    assert!(count("milvus_rbac_login_cache_total", Some(("result", "hit"))) >= 1.0);
    assert!(count("milvus_rbac_login_cache_total", Some(("result", "miss"))) > wrong_ones);
    let named = |name: &str| count(name, None);
    assert_eq!(named("milvus_rbac_store_state"), 1.0);
    assert_eq!(count("milvus_rbac_store_state", Some(("state", "healthy"))), 1.0);
    assert_eq!((named("milvus_rbac_users"), named("milvus_rbac_roles")), (2.0, 4.0));
    assert!(named("milvus_rbac_grants") >= 3.0);
    assert_eq!((named("milvus_rbac_ready"), named("milvus_rbac_policy_in_force")), (1.0, 1.0));
    assert!(named("milvus_rbac_commit_seconds_count") >= 3.0);
    assert!(named("milvus_rbac_revision") >= 3.0);
    let began = named("milvus_rbac_start_time_seconds");
    let changed = named("milvus_rbac_revision_timestamp_seconds");
    assert!(began > 1.6e9 && changed >= began && changed < began + 600.0, "{began} {changed}");
    names.extend(check(&told));

    // Before a Milvus, over gRPC and REST; the latter is not there.
    let upstream = Upstream::start().await;
    let rest = "http://127.0.0.1:1";
    let sidecar = Server::start(&["--upstream", &upstream.url(), "--upstream-rest", rest]);
    let raw = Raw::root(&sidecar).await;
    assert_eq!(raw.unary(&format!("{SERVICE}GetVersion"), frame(&[])).await.code, Code::Ok);
    post_as(&sidecar, "root:Milvus", "/entities/search", r#"{"collectionName":"c"}"#);
    let told =
        until(&sidecar, "upstream", |told| value(told, "milvus_rbac_upstream_ready", None) == 1.0);
    let of = |name: &str, protocol: &str| value(&told, name, Some(("protocol", protocol)));
    assert_eq!(of("milvus_rbac_upstream_seconds_count", "grpc"), 1.0);
    assert_eq!(of("milvus_rbac_upstream_failures_total", "grpc"), 0.0);
    assert_eq!(of("milvus_rbac_upstream_failures_total", "rest"), 1.0);
    names.extend(check(&told));

    // Following another one.
    let login = login_file(folder.path(), "root:Milvus");
    let center = Server::start(&[]);
    let follower = Server::run(&mut following(&center.address, &login));
    let told =
        until(&center, "a follower", |told| value(told, "milvus_rbac_followers", None) == 1.0);
    names.extend(check(&told));
    let told = scrape(&follower);
    assert_eq!(value(&told, "milvus_rbac_max_staleness_seconds", None), 10.0);
    names.extend(check(&told));

    let documented: BTreeSet<_> = documented().into_keys().collect();
    assert_eq!(names, documented);
}

#[tokio::test]
async fn no_client_can_add_a_series() {
    let upstream = Upstream::start().await;
    let flags = ["--upstream", &upstream.url(), "--audit-only"];
    let server = Server::run(command("memory:").args(flags));
    let mut raw = Raw::root(&server).await;
    let search = |database: &str, collection: &str| {
        use prost::Message as _;
        let request = milvus_rbac::rpc::proto::service::SearchRequest {
            db_name: database.to_owned(),
            collection_name: collection.to_owned(),
            ..Default::default()
        };
        frame(&request.encode_to_vec())
    };
    let series = |told: &Families| -> BTreeSet<_> {
        let samples = told.values().flat_map(|family| &family.samples);
        samples.map(|sample| (sample.name.clone(), sample.labels.clone())).collect()
    };
    let mut before = BTreeSet::new();
    for n in 0..1000 {
        if n % 100 == 99 {
            // Of those whose calls are refused before they are read, h2 takes no more than some.
            raw = Raw::root(&server).await;
        }
        let name = format!("invented{n}");
        let method = raw.unary(&format!("{SERVICE}{name}"), frame(&[])).await;
        assert_eq!(method.code, Code::Unimplemented);
        let service = raw.unary(&format!("/{name}/{name}"), frame(&[])).await;
        assert_eq!(service.code, Code::Unimplemented);
        let user = raw.with("authorization", &[]).with("x-request-id", name.as_bytes());
        user.unary(&format!("{SERVICE}Search"), search(&name, &name)).await;
        let named = raw.with("dbname", name.as_bytes()).with("user-agent", name.as_bytes());
        assert_eq!(
            named.unary(&format!("{SERVICE}Search"), search("", &name)).await.code,
            Code::Ok
        );
        let health = raw.unary(&format!("/grpc.health.v1.Health/{name}"), frame(&[])).await;
        assert_ne!(health.code, Code::Ok);
        if n == 0 {
            before = series(&scrape(&server));
        }
    }
    let told = scrape(&server);
    let after = series(&told);
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
    check(&told);
    assert!(value(&told, "milvus_rbac_requests_total", Some(("method", "unknown"))) >= 2000.0);
    let (_, text) = http_get(&format!("http://{}/metrics", server.admin));
    assert!(!text.contains("invented"));
}

/// Every metric that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c)).filter(|word| word.starts_with("milvus_rbac_"));
    words.map(str::to_owned).collect()
}

#[test]
fn alerts_and_the_dashboard_name_what_is_documented() {
    let documented = documented();
    for name in ["alerts.yaml", "dashboard.json"] {
        let used = named(&file(name));
        assert!(used.len() > 10, "{name}: {used:?}");
        for metric in used {
            let base = ["_bucket", "_sum", "_count"].iter().find_map(|s| metric.strip_suffix(s));
            let base =
                base.filter(|base| documented.get(*base).is_some_and(|d| d.kind == "histogram"));
            let found = documented.contains_key(base.unwrap_or(&metric));
            assert!(found, "{name}: {metric} is not documented");
        }
    }
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let shown = named(&dashboard.to_string());
    let unseen: Vec<_> = documented
        .iter()
        .filter(|(name, row)| {
            let bucket = format!("{name}_bucket");
            row.kind != "histogram" && !shown.contains(*name)
                || row.kind == "histogram" && !shown.contains(&bucket)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(unseen.is_empty(), "no panel shows {unseen:?}");
}
