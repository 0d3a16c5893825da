//! Completions and manual pages tell of every command.

use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_milvus-rbac");

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = Command::new(BINARY).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = listed.lines().filter_map(|line| line.trim().split(' ').next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

#[test]
fn every_shell_is_told_every_command() {
    let commands = commands();
    assert!(commands.iter().any(|name| name == "run-command"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let told = Command::new(BINARY).args(["completions", shell]).output().unwrap();
        assert!(told.status.success());
        let told = String::from_utf8(told.stdout).unwrap();
        for command in &commands {
            assert!(told.contains(command.as_str()), "{shell}: {command}");
        }
        assert!(told.contains("max-staleness"), "{shell}");
    }
}

#[test]
fn bash_completes_a_command() {
    let told = Command::new(BINARY).args(["completions", "bash"]).output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    for (typed, word, before, completed) in [
        ("run-com", "run-com", "milvus-rbac", "run-command"),
        ("check --us", "--us", "check", "--user"),
        ("audit veri", "veri", "audit", "verify"),
    ] {
        let script = format!(
            "{told}\nCOMP_WORDS=(milvus-rbac {typed}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             function=$(complete -p milvus-rbac | sed 's/.*-F \\([^ ]*\\).*/\\1/'); \
             $function milvus-rbac {word} {before}; echo \"${{COMPREPLY[@]}}\""
        );
        let said = Command::new("bash").args(["-c", &script]).output().unwrap();
        assert_eq!(String::from_utf8(said.stdout).unwrap().trim(), completed, "{typed}");
    }
}

#[test]
fn there_is_a_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("pages");
    let written = Command::new(BINARY).arg("man").arg(&pages).status().unwrap();
    assert!(written.success());
    assert!(pages.join("milvus-rbac.1").exists());
    for command in commands() {
        let page = pages.join(format!("milvus-rbac-{command}.1"));
        let page = std::fs::read_to_string(&page).unwrap_or_else(|e| panic!("{page:?}: {e}"));
        assert!(page.contains(".SH DESCRIPTION"), "{command}");
    }
    let in_the_way = folder.path().join("file");
    std::fs::write(&in_the_way, "").unwrap();
    let refused = Command::new(BINARY).arg("man").arg(&in_the_way).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().starts_with("error: "));
}
