//! The texts that the state is made of, each held once however often it is used.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::state::{Change, Grant, Name};

/// Names in use. Equal names out of one pool share their text.
#[derive(Debug, Default)]
pub struct Names {
    known: HashSet<Name, RandomState>,
    /// How many there were when those out of use were last let go.
    kept: usize,
}

impl Names {
    /// The name of that text.
    pub fn name(&mut self, text: &str) -> Name {
        self.known.get(text).cloned().unwrap_or_else(|| self.add(text.into()))
    }

    fn add(&mut self, name: Name) -> Name {
        // Twice as many as were in use: time to look again, at a constant cost for each new name.
        if self.known.len() > 1024.max(2 * self.kept) {
            self.known.retain(|name| Name::strong_count(name) != Some(1));
            self.kept = self.known.len();
        }
        self.known.insert(name.clone());
        name
    }

    fn share(&mut self, name: &mut Name) {
        match self.known.get(&**name) {
            Some(known) => name.clone_from(known),
            None => {
                self.add(name.clone());
            }
        }
    }

    /// Makes the names of a change those of the pool, as far as they repeat from change to change.
    pub fn share_in(&mut self, change: &mut Change) {
        match change {
            Change::Grant { role, grant, grantor } => {
                let Grant { database, object, privilege, .. } = grant;
                for name in [role, database, object, privilege, grantor] {
                    self.share(name);
                }
            }
            Change::Bind { user: a, role: b } => {
                self.share(a);
                self.share(b);
            }
            Change::PutUser { name, .. } | Change::PutRole { name, .. } => self.share(name),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_names_share_their_text_and_unused_ones_go() {
        let mut names = Names::default();
        let kept = names.name("kept");
        assert!(Name::ptr_eq(&kept, &names.name("kept")));
        for i in 0..100_000 {
            names.name(&i.to_string());
        }
        assert!(names.known.len() < 3_000, "{}", names.known.len());
        assert!(Name::ptr_eq(&kept, &names.name("kept")));
    }
}
