//! `audit list` and `audit verify`.

use std::fs;
use std::path::Path;

use super::*;
use crate::cli::{Said, as_root};

fn verified(file: &Path) -> Said {
    let server = Server::start(&FLAGS);
    as_root(&server, &["audit", "verify", "--file", file.to_str().unwrap()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trail_is_listed_and_verified() {
    let server = Server::start(&FLAGS);
    let empty = as_root(&server, &["audit", "verify"]);
    assert_eq!(empty.code, 0, "{}", empty.err);
    busy(&mut server.root().await).await;
    let list = as_root(&server, &["audit", "list"]);
    assert_eq!(list.code, 0, "{}", list.err);
    let lines: Vec<&str> = list.out.lines().collect();
    assert!(
        lines[0].starts_with("1  20") && lines[0].contains("Z  (start)  Seed  revision 1"),
        "{}",
        lines[0]
    );
    assert!(list.out.contains("\n    user alice: new (password changed)\n"), "{}", list.out);
    assert!(
        list.out.contains(
            "    grant PrivilegeSearch on Collection shop.books to role reader: gone (by root)"
        ),
        "{}",
        list.out
    );
    let narrow =
        ["audit", "list", "--target", "shop", "--kind", "grant", "--since", "2026-01-31T12:00:00Z"];
    let narrow = as_root(&server, &narrow);
    assert_eq!(
        narrow.out.lines().filter(|line| !line.starts_with(' ')).count(),
        2,
        "{}",
        narrow.out
    );
    let odd = as_root(&server, &["audit", "list", "--since", "yesterday"]);
    assert!(odd.code == 2 && odd.err.contains("2026-01-31T12:00:00Z"), "{}", odd.err);

    let whole = as_root(&server, &["audit", "verify"]);
    assert!(
        whole.out.starts_with("whole: events 1 to 10, revisions 1 to 10\ntip: 10:"),
        "{}",
        whole.out
    );
    let tip = whole.out.trim().rsplit("tip: ").next().unwrap().to_owned();
    server.root().await.create_role(create_role("next")).await.unwrap();
    let expected = as_root(&server, &["audit", "verify", "--expect", &tip]);
    assert!(expected.code == 0 && expected.out.contains("event 10 is the one"), "{}", expected.err);
    let other = format!("10:{}", "0".repeat(64));
    let late = format!("12:{}", "0".repeat(64));
    for (expect, text) in [(&*other, "event 10 is not the one"), (&late, "event 12 is missing")] {
        let broken = as_root(&server, &["audit", "verify", "--expect", expect]);
        assert!(broken.code == 1 && broken.err.contains(text), "{}", broken.err);
    }
    assert_eq!(as_root(&server, &["audit", "verify", "--expect", "ten"]).code, 2);
}

/// INVARIANT: an export of which anything was changed is found to be, without its server. One whose first or
/// last line was written anew to fit is found by `--expect` alone.
#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_verified_alone_and_every_change_of_it_is_found() {
    let (server, folder) = (Server::start(&FLAGS), TempDir::new().unwrap());
    busy(&mut server.root().await).await;
    let export = as_root(&server, &["audit", "list", "--json"]).out;
    let lines: Vec<&str> = export.lines().collect();
    assert_eq!(lines.len(), 12);
    let file = folder.path().join("trail.jsonl");
    let check = |text: &str| {
        fs::write(&file, text).unwrap();
        verified(&file)
    };
    let whole = check(&export);
    assert_eq!((whole.code, &*whole.err), (0, ""));
    assert_eq!(whole.out, as_root(&server, &["audit", "verify"]).out);
    // The same in other words: a line at a time, with whatever is told in it.
    let event: serde_json::Value = serde_json::from_str(lines[5]).unwrap();
    let mut changed =
        vec![lines[1..].join("\n"), lines[..11].join("\n"), export.replace("alice", "alicf")];
    for (key, value) in event.as_object().unwrap() {
        let mut other = event.clone();
        other[key] = match value {
            serde_json::Value::Number(number) => (number.as_u64().unwrap() + 1).into(),
            serde_json::Value::String(text) => {
                let last = if text.ends_with('0') { '1' } else { '0' };
                let cut = text.get(..text.len().saturating_sub(1)).unwrap();
                format!("{cut}{last}").into()
            }
            _ => serde_json::json!([]),
        };
        changed.push(export.replace(lines[5], &other.to_string()));
        let mut less = event.clone();
        less.as_object_mut().unwrap().remove(key);
        changed.push(export.replace(lines[5], &less.to_string()));
    }
    let mut more = event;
    more["note"] = "added".into();
    changed.push(export.replace(lines[5], &more.to_string()));
    for at in 0..lines.len() {
        let mut removed = lines.clone();
        removed.remove(at);
        changed.push(removed.join("\n"));
        let mut twice = lines.clone();
        twice.insert(at, lines[at]);
        changed.push(twice.join("\n"));
        if at > 0 {
            let mut swapped = lines.clone();
            swapped.swap(at, at - 1);
            changed.push(swapped.join("\n"));
        }
    }
    for text in changed {
        fs::write(&file, &text).unwrap();
        let said = as_root(&server, &["audit", "verify", "--file", file.to_str().unwrap()]);
        assert!(
            said.code == 1 && said.err.contains("trail.jsonl: "),
            "{}{}\n{text}",
            said.out,
            said.err
        );
    }
}
