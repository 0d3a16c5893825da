//! The passwords that a document gives for its users, read, compared with those that there are, and
//! hashed.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use super::Passwords;
use crate::model::error::ErrorKind;
use crate::model::name;
use crate::model::state::{Name, State};
use crate::policy::Problems;
use crate::policy::document::{At, Document, Password};

/// Nobody waits for more than that many at a time.
const AT_ONCE: usize = 32;

/// Much more than a login has, with the end of its line.
const MAX_FILE: u64 = 1 << 10;

/// What became of them.
#[derive(Default)]
pub struct Given {
    /// The hash that each user is to have: the one that there is, where it is of the password.
    pub hashes: BTreeMap<Name, Name>,
    /// The passwords themselves, where they were given so.
    pub plain: BTreeMap<Name, Vec<u8>>,
    /// Users whose passwords cannot be compared, since their hashes are not known.
    pub unknown: Vec<Name>,
}

impl std::fmt::Debug for Given {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Given").field("users", &self.hashes.keys()).finish_non_exhaustive()
    }
}

/// Reads and hashes. Files are looked for from `folder` on. `done` hears how many of how many are
/// done.
///
/// # Errors
/// Passwords that are not there, or cannot be one.
pub async fn given(
    document: &Document,
    folder: &Path,
    state: &State,
    passwords: &Passwords,
    mut done: impl FnMut(usize, usize),
) -> Result<Given, Problems> {
    let mut problems = Problems::default();
    let mut given = Given::default();
    let mut jobs = Vec::new();
    for user in &document.users {
        let Some(At { place, value }) = &user.password else { continue };
        let name = &user.name.value;
        let held = state.users.get(name).map(|user| &user.password_hash);
        let unknown = held.is_some_and(|hash| hash.is_empty());
        if unknown {
            given.unknown.push(name.clone());
        }
        let plain = match value {
            Password::Hash(hash) => {
                if !unknown {
                    given.hashes.insert(name.clone(), hash.clone());
                }
                continue;
            }
            Password::File(file) => read_file(&folder.join(file)),
            Password::Variable(variable) => match env::var_os(variable) {
                Some(value) => Ok(value.into_encoded_bytes()),
                None => Err(format!("the environment has no {variable}")),
            },
        };
        let checked = plain.and_then(|plain| {
            name::check_password(&plain).map_err(|e| e.to_string()).map(|()| plain)
        });
        match checked {
            Err(e) => problems.add(*place, e),
            Ok(plain) => {
                if !unknown {
                    jobs.push((*place, name, plain.clone()));
                }
                given.plain.insert(name.clone(), plain);
            }
        }
    }
    let all = jobs.len();
    let mut jobs = jobs.into_iter();
    let mut running = tokio::task::JoinSet::new();
    let mut finished = 0;
    loop {
        while running.len() < AT_ONCE
            && let Some((place, name, plain)) = jobs.next()
        {
            let (state, passwords, name) = (state.clone(), passwords.clone(), name.clone());
            running.spawn(async move {
                let hash = hash_of(&state, &passwords, &name, &plain).await;
                (place, name, hash)
            });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((_, name, Ok(hash)))) => {
                given.hashes.insert(name, hash);
            }
            Some(Ok((place, _, Err(e)))) => problems.add(place, e),
            // It panicked, and its message is told already.
            Some(Err(e)) => {
                problems.add(crate::policy::Place { line: 1, column: 1 }, e);
            }
        }
        finished += 1;
        done(finished, all);
    }
    problems.none().map(|()| given)
}

/// The hash that there is, if it is of the password, or a new one.
async fn hash_of(
    state: &State,
    passwords: &Passwords,
    name: &Name,
    plain: &[u8],
) -> Result<Name, String> {
    loop {
        let outcome = async {
            if state.users.contains_key(name)
                && let Some(held) = passwords.verify(state, name, plain).await?
            {
                return Ok(held);
            }
            passwords.hash(plain.to_vec()).await.map(Name::from)
        };
        match outcome.await {
            // Those who log in come first.
            Err(e) if e.kind() == ErrorKind::Overloaded => {
                tokio::time::sleep(super::PAUSE).await;
            }
            outcome => return outcome.map_err(|e| e.to_string()),
        }
    }
}

/// A password or a login from a file, whose end of the line does not count.
///
/// # Errors
/// It cannot be read.
pub fn read_file(file: &Path) -> Result<Vec<u8>, String> {
    let name = file.display();
    let mut password = Vec::new();
    let read = fs::File::open(file).map(|file| file.take(MAX_FILE + 1));
    read.and_then(|mut file| file.read_to_end(&mut password))
        .map_err(|e| format!("{name}: {e}"))?;
    if password.len() as u64 > MAX_FILE {
        return Err(format!("{name}: it is longer than a password"));
    }
    while password.last().is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
        password.pop();
    }
    Ok(password)
}
