//! The tables in `tests/cases/policy/`.

use std::path::Path;

use milvus_rbac::model::state::State;
use milvus_rbac::policy::difference::{Counts, difference, lines};
use serde::Deserialize;

use super::{after, asked_for, new_state, steps_of};

/// A row of `plans.yaml` or `problems.yaml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Case {
    case: String,
    #[serde(default = "of_nothing")]
    state: String,
    pub(super) document: String,
    #[serde(default)]
    prune: bool,
    #[serde(default)]
    plan: String,
    #[serde(default)]
    problems: String,
    #[serde(default)]
    pub(super) structure: bool,
}

fn of_nothing() -> String {
    "{}".to_owned()
}

pub(super) fn cases(file: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/policy");
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let cases: Vec<Case> = serde_saphyr::from_str(&text).unwrap();
    assert!(!cases.is_empty());
    cases
}

fn shown(before: &State, after: &State) -> String {
    let items = difference(before, after);
    let mut text: Vec<String> = lines(&items, |_, line| line).collect();
    text.push(Counts::of(&items).to_string());
    text.join("\n") + "\n"
}

#[test]
fn a_document_changes_what_its_plan_shows_and_then_nothing() {
    let mut wrong = Vec::new();
    for Case { case, state, document, prune, plan, .. } in cases("plans.yaml") {
        let before = after(new_state(), &steps_of(&state, &new_state(), true));
        let steps = steps_of(&document, &before, prune);
        let changed = after(before.clone(), &steps);
        let shown = shown(&before, &changed);
        if shown != plan {
            wrong.push(format!("{case}:\n{shown}instead of\n{plan}"));
        }
        let wanted = asked_for(&document, &before, prune).unwrap();
        assert_eq!(difference(&changed, &wanted), [], "{case}");
        assert_eq!(steps_of(&document, &changed, prune), [], "{case}");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_document_takes_for_ever() {
    let bomb: String = (0..30)
        .map(|n| format!("{}: &a{} [*a{}, *a{}]\n", n + 1, n + 1, n, n))
        .fold("0: &a0 [x, x]\n".to_owned(), |text, line| text + &line);
    let deep = "[".repeat(100_000);
    let wide = format!("users: {{{}}}", "a: {},".repeat(50_000));
    for hostile in [bomb, deep, wide, "a".repeat((64 << 20) + 1)] {
        let began = std::time::Instant::now();
        assert!(asked_for(&hostile, &new_state(), true).is_err());
        assert!(began.elapsed() < crate::support::LIMIT);
    }
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let mut wrong = Vec::new();
    for Case { case, state, document, problems, prune, .. } in cases("problems.yaml") {
        let before = after(new_state(), &steps_of(&state, &new_state(), true));
        let told = match asked_for(&document, &before, prune) {
            Ok(_) => "nothing\n".to_owned(),
            Err(problems) => {
                let lines = problems.of("it");
                lines.lines().map(|line| line.replacen("it:", "", 1) + "\n").collect()
            }
        };
        if told != problems {
            wrong.push(format!("{case}:\n{told}instead of\n{problems}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
