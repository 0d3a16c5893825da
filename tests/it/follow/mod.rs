//! Instances that follow another one, as real processes: `writes` what is changed through them,
//! `resume` centres and followers that go and come back, `replaced` another store in the place of the
//! one that was followed, `refused` who may not follow, `secure` TLS towards the centre, `cost` what
//! followers cost it, `stopped` their end.

mod cost;
mod refused;
mod replaced;
mod resume;
mod secure;
mod stopped;
mod writes;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use milvus_rbac::rpc::proto::service::*;
use tempfile::TempDir;

use crate::rpc::requests::*;
use crate::support::{Client, LIMIT, Server, command, http_get, revision};

/// Room for any number of users and roles.
pub(crate) const FLAGS: [&str; 4] = ["--max-roles", "0", "--max-users", "0"];

/// A login as a file.
pub(crate) fn login_file(folder: &Path, login: &str) -> PathBuf {
    let file = folder.join(login.replace(':', "-"));
    std::fs::write(&file, format!("{login}\n")).unwrap();
    file
}

/// The command that starts a follower of the instance at `center`.
pub(crate) fn following(center: &str, login: &Path) -> Command {
    let mut command = command(&format!("follow://{center}"));
    command.arg("--store-login-file").arg(login);
    command
}

/// A centre in memory and a follower that is root to it.
fn pair() -> (TempDir, Server, Server) {
    let folder = TempDir::new().unwrap();
    let center = Server::start(&FLAGS);
    let login = login_file(folder.path(), "root:Milvus");
    let follower = Server::run(&mut following(&center.address, &login));
    (folder, center, follower)
}

/// An address at which nobody listens, for a centre that comes back.
pub(crate) fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

async fn until<T>(mut what: impl AsyncFnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + LIMIT;
    loop {
        if let Some(found) = what().await {
            return found;
        }
        assert!(Instant::now() < give_up, "it does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn listed(client: &mut Client) -> Option<Vec<String>> {
    let answer = client.select_role(SelectRoleRequest::default()).await.ok()?.into_inner();
    Some(answer.results.into_iter().map(|result| result.role.unwrap().name).collect())
}

async fn roles(client: &mut Client) -> Vec<String> {
    listed(client).await.unwrap()
}

/// Makes a role, and returns the revision.
async fn make(client: &mut Client, name: &str) -> u64 {
    let answer = client.create_role(create_role(name)).await.unwrap();
    assert_eq!(answer.get_ref().code, 0, "{}", answer.get_ref().reason);
    revision(&answer)
}

/// Makes a user with a role of the same name.
pub(crate) async fn make_user(root: &mut Client, name: &str) {
    let made = root.create_credential(create_user(name, PASSWORD)).await.unwrap();
    assert_eq!(made.into_inner().code, 0);
    make(root, name).await;
    let bound = root.operate_user_role(bind(name, name)).await.unwrap();
    assert_eq!(bound.into_inner().code, 0);
}

/// What the server's metric says.
pub(crate) fn metric(server: &Server, name: &str) -> f64 {
    let (_, text) = http_get(&format!("http://{}/metrics", server.admin));
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0.0, |value| value.parse().unwrap())
}
