//! Lines that concern a call say which.

use serde_json::Value;

use super::Logged;
use crate::follow::make_user;
use crate::rpc::raw::{Raw, SERVICE, frame};
use crate::rpc::requests::PASSWORD;
use crate::support::command;

/// One that is allowed, one that is denied, and one with a wrong password, each with an id.
async fn traffic(w: &Logged) {
    make_user(&mut w.server.root().await, "u1").await;
    let call = async |password: &str, method: &str, id: &[u8]| {
        let caller = Raw::user(&w.server, "u1", password).await.with("client-request-id", id);
        caller.unary(&format!("{SERVICE}{method}"), frame(&[])).await.code
    };
    assert_eq!(call(PASSWORD, "GetVersion", b"good-1").await, tonic::Code::Ok);
    assert_eq!(call(PASSWORD, "CreateRole", b"bad\t\xff\"2").await, tonic::Code::PermissionDenied);
    assert_eq!(call("wrong!", "CreateRole", b"wrong-3").await, tonic::Code::Unauthenticated);
    let long = [b'x'; 4000];
    assert_eq!(call(PASSWORD, "GetVersion", &long).await, tonic::Code::Ok);
    let login = format!("u1:{PASSWORD}");
    assert_eq!(crate::rest::post_as(&w.server, &login, "/roles/create", "{}").status, 200);
}

#[tokio::test]
async fn lines_for_machines_are_json_and_name_the_call() {
    let mut command = command("memory:");
    command.args(["--log-format", "json", "--log-level", "debug"]);
    let w = Logged::run(&mut command);
    traffic(&w).await;
    let text = w.text();
    let lines: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap_or_else(|e| panic!("{l}: {e}")))
        .collect();
    let about = |id: &str| -> Vec<&Value> {
        lines.iter().filter(|line| line["call"]["request_id"] == id).collect()
    };
    let says = |line: &Value, text: &str| line["fields"]["message"] == text;
    let with = |id: &str, message: &str| -> Value {
        let found: Vec<_> = about(id).into_iter().filter(|line| says(line, message)).collect();
        assert_eq!(found.len(), 1, "{id} {message}: {text}");
        found[0].clone()
    };
    let allowed = with("good-1", "answered");
    assert_eq!(allowed["call"]["user"], "u1");
    let revision = allowed["call"]["revision"].as_u64().unwrap();
    assert!(revision > 0, "{allowed}");
    // Signs that are none are gone, and what is long is cut.
    let denied = with("bad\"2", "decision");
    assert_eq!(
        (&denied["fields"]["decision"], &denied["call"]["user"]),
        (&"denied".into(), &"u1".into())
    );
    assert_eq!(denied["call"]["revision"], denied["fields"]["revision"]);
    with("bad\"2", "answered");
    let wrong = with("wrong-3", "login refused");
    assert_eq!((&wrong["call"]["user"], &wrong["fields"]["user"]), (&"".into(), &"u1".into()));
    assert!(wrong["call"]["from"].as_str().unwrap().starts_with("127.0.0.1:"), "{wrong}");
    assert_eq!(about(&"x".repeat(128)).len(), 1, "{text}");
    // What concerns no call names none.
    let started = lines.iter().find(|line| says(line, "starting")).unwrap();
    assert!(started.get("call").is_none(), "{started}");
    for line in &lines {
        let level = line["level"].as_str().unwrap();
        assert!(["DEBUG", "INFO", "WARN"].contains(&level), "{line}");
        let of_call = says(line, "answered") || says(line, "decision");
        assert_eq!(line.get("call").is_some(), of_call || says(line, "login refused"), "{line}");
    }
}

#[tokio::test]
async fn lines_for_people_stay_lines() {
    let mut command = command("memory:");
    let w = Logged::run(command.args(["--log-level", "debug"]));
    traffic(&w).await;
    let nobody = Raw::user(&w.server, "evil\n2026 INFO all is well\u{1b}[2J", "wrong!").await;
    nobody.unary(&format!("{SERVICE}GetVersion"), frame(&[])).await;
    let text = w.text();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text}");
    for line in text.lines() {
        assert!(line.starts_with("20") && line.len() < 2000, "{line}");
    }
    let line = |part: &str| text.lines().find(|line| line.contains(part)).unwrap();
    assert!(line("evil").contains("login refused"), "{text}");
    assert!(line("evil").contains(" from=127.0.0.1:"), "{text}");
    let denied = line("decision=\"denied\"");
    let call = denied.split_once(" call{").unwrap().1;
    assert!(call.starts_with("request_id=\"bad\\\"2\" user=\"u1\" revision="), "{denied}");
    assert!(line("good-1").contains("GetVersion"));
}
