//! Questions about decisions, and the answers to them, as messages. They are answered from a state,
//! wherever that comes from.

use std::fmt;

use crate::authz::{self, Decision, Holder, Need, Reason, Subject, View, explain as explained};
use crate::gate::{Named, Rpc, object};
use crate::model::name::{MAX_NAME, shortened};
use crate::model::privilege::{Level, Privilege, PrivilegeKind, api_name};
use crate::model::state::Grant;
use crate::rpc::proto::access as proto;
use crate::rpc::proto::access::question::{self, Asked};

/// A question whose form was checked.
#[derive(Debug, Clone, Copy)]
pub struct Question<'q> {
    /// Who; none for whoever asks.
    pub subject: Option<Subject<'q>>,
    what: What,
    named: Named<'q>,
}

#[derive(Debug, Clone, Copy)]
enum What {
    Privilege(Privilege),
    Rpc(Rpc),
}

/// What is wrong with a question: the field, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wrong(&'static str, String);

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0, self.1)
    }
}

impl<'q> Question<'q> {
    /// Reads a question. `connection` is the database of those that name none.
    ///
    /// # Errors
    /// A field is missing, or is the name of nothing.
    pub fn read(asked: &'q proto::Question, connection: &'q str) -> Result<Self, Wrong> {
        let what = match &asked.asked {
            None => {
                let text = "ask about a privilege or an rpc".to_owned();
                return Err(Wrong("privilege", text));
            }
            Some(Asked::Privilege(name)) => What::Privilege(single(name)?),
            Some(Asked::Rpc(name)) => What::Rpc(Rpc::named(name).ok_or_else(|| {
                Wrong("rpc", format!("`{}` is not the name of a call", shortened(name)))
            })?),
        };
        let database = match asked.db_name.as_str() {
            "" => connection,
            name => name,
        };
        let named = Named { database, collection: &asked.collection_name, user: &asked.user_name };
        let fields = [
            ("db_name", named.database),
            ("collection_name", named.collection),
            ("user_name", named.user),
        ];
        match fields.into_iter().find(|(_, name)| name.len() > MAX_NAME) {
            Some((field, _)) => Err(Wrong(field, format!("it is longer than {MAX_NAME} bytes"))),
            None => {
                let subject = asked.subject.as_ref().map(|subject| match subject {
                    question::Subject::User(name) => Subject::User(name),
                    question::Subject::Role(name) => Subject::Role(name),
                });
                Ok(Self { subject, what, named })
            }
        }
    }

    /// What a call needs that names what the question does.
    pub fn need(&self) -> Need<'q> {
        self.need_on(self.named.collection)
    }

    /// The same on a collection of that name.
    pub fn need_on<'c>(&self, collection: &'c str) -> Need<'c>
    where
        'q: 'c,
    {
        let named = Named { collection, ..self.named };
        match self.what {
            What::Rpc(rpc) => rpc.need(named),
            What::Privilege(privilege) => {
                let collection = match privilege.level() {
                    Some(Level::Collection) => collection,
                    _ => "",
                };
                let object = object(privilege.object_type(), collection, named.user);
                Need::Privilege { privilege, database: named.database, object }
            }
        }
    }

    /// The collection that the question names, and its database; none if it names none.
    pub fn collection(&self) -> Option<(&'q str, &'q str)> {
        let Named { database, collection, .. } = self.named;
        Some((database, collection)).filter(|_| !collection.is_empty())
    }
}

/// The single privilege of that name, be it the one that clients use or the one in refusals.
fn single(name: &str) -> Result<Privilege, Wrong> {
    let known = Privilege::named(name).or_else(|| Privilege::stored_as(name));
    known.filter(|privilege| privilege.kind() == PrivilegeKind::Single).ok_or_else(|| {
        let name = shortened(name);
        let text = format!("`{name}` is no privilege; of a group, ask about one of its privileges");
        Wrong("privilege", text)
    })
}

/// What is wrong with a subject that `state` does not know.
pub fn unknown(view: &View<'_>, subject: Subject<'_>) -> Option<Wrong> {
    let (field, name, known) = match subject {
        Subject::User(name) => ("user", name, view.state.users.contains_key(name)),
        Subject::Role(name) => ("role", name, view.state.roles.contains_key(name)),
    };
    (!known).then(|| Wrong(field, format!("there is no {field} `{}`", shortened(name))))
}

/// Whether the subject may.
pub fn verdict<'a>(view: &View<'a>, subject: Subject<'a>, need: &Need<'_>) -> proto::Verdict {
    proto::Verdict { allowed: view.decide(subject, need) != Decision::Denied }
}

/// Whether the subject may, and why. Roles that it does not hold are told of only to those who may
/// know of `others`.
pub fn explanation<'a>(
    view: &View<'a>,
    subject: Subject<'a>,
    need: &Need<'a>,
    others: bool,
) -> proto::ExplainResponse {
    let explained = explained(view, subject, need, others);
    proto::ExplainResponse {
        allowed: explained.path.is_some(),
        revision: 0,
        requirements: requirements(need),
        roles: explained.roles.into_iter().map(str::to_owned).collect(),
        path: explained.path.map(path),
        nearby: explained.nearby.into_iter().map(nearby).collect(),
        suggestions: explained.suggestions.into_iter().map(suggestion).collect(),
    }
}

fn requirements(need: &Need<'_>) -> Vec<proto::Requirement> {
    let level = |privilege: &Privilege| match privilege.level() {
        Some(Level::Cluster) => "Cluster",
        Some(Level::Database) => "Database",
        Some(Level::Collection) => "Collection",
        None => "",
    };
    // Where any object will do, none is named.
    let anywhere = matches!(need, Need::Anywhere(_));
    let or_any = |name: Option<&str>| match name {
        None if anywhere => String::new(),
        name => name.unwrap_or("*").to_owned(),
    };
    let requirement = |privilege: &Privilege| proto::Requirement {
        privilege: privilege.stored_name().to_owned(),
        object_type: need.object_type().unwrap_or(privilege.object_type()).name().to_owned(),
        level: level(privilege).to_owned(),
        db_name: or_any(need.database()),
        object_name: or_any(need.object_name()),
    };
    need.privileges().iter().map(requirement).collect()
}

fn held(grant: &Grant) -> proto::HeldGrant {
    proto::HeldGrant {
        object_type: grant.object_type.name().to_owned(),
        object_name: grant.object.to_string(),
        db_name: grant.database.to_string(),
        privilege: api_name(&grant.privilege).to_owned(),
    }
}

fn path(path: authz::Path<'_>) -> proto::Path {
    use proto::path::Reason as Told;
    let reason = match path.reason {
        Reason::Root => Told::Root,
        Reason::Oneself => Told::Oneself,
        Reason::Admin => Told::Admin,
        Reason::Role(_) => Told::Grant,
        Reason::Authenticated => Told::Authenticated,
    };
    proto::Path {
        reason: reason.into(),
        role: path.role().unwrap_or_default().to_owned(),
        grant: path.grant.map(held),
        group: path.group().unwrap_or_default().to_owned(),
        wildcards: path.wildcards().map(str::to_owned).collect(),
    }
}

fn nearby(near: authz::Nearby<'_>) -> proto::Nearby {
    let authz::Nearby { role, grant, why } = near;
    proto::Nearby { role: role.to_owned(), grant: Some(held(grant)), why: why.to_string() }
}

fn suggestion(suggestion: authz::Suggestion<'_>) -> proto::Suggestion {
    let authz::Suggestion { role, privilege, database, collection } = suggestion;
    proto::Suggestion {
        role: role.unwrap_or_default().to_owned(),
        privilege: privilege.to_owned(),
        db_name: database,
        collection_name: collection,
    }
}

/// One who may, as it is told.
pub fn holder(holder: Holder<'_>) -> proto::Holder {
    proto::Holder {
        holder: Some(match holder.holder {
            Subject::User(name) => proto::holder::Holder::User(name.to_owned()),
            Subject::Role(name) => proto::holder::Holder::Role(name.to_owned()),
        }),
        path: Some(path(holder.path)),
    }
}

/// What is permitted, as it is told.
pub fn capability(capability: authz::Capability<'_>) -> proto::Capability {
    let reach = |reach: authz::Reach| proto::Reach {
        db_name: reach.database.to_string(),
        object_name: reach.object.to_string(),
        privileges: reach.privileges.iter().map(|p| p.name().to_owned()).collect(),
    };
    proto::Capability {
        path: Some(path(capability.path)),
        reaches: capability.reaches.into_iter().map(reach).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(question: &proto::Question) -> String {
        Question::read(question, "default").unwrap_err().to_string()
    }

    #[test]
    fn a_question_that_cannot_be_answered_names_its_field() {
        let privilege = |name: &str| proto::Question {
            asked: Some(Asked::Privilege(name.to_owned())),
            ..proto::Question::default()
        };
        assert_eq!(
            wrong(&proto::Question::default()),
            "privilege: ask about a privilege or an rpc"
        );
        for name in
            ["", "*", "All", "ReadOnly", "ClusterAdmin", "PrivilegeAll", "search", "my_group"]
        {
            let expected = format!(
                "privilege: `{name}` is no privilege; of a group, ask about one of its privileges"
            );
            assert_eq!(wrong(&privilege(name)), expected);
        }
        let rpc = proto::Question {
            asked: Some(Asked::Rpc("Searching".to_owned())),
            ..proto::Question::default()
        };
        assert_eq!(wrong(&rpc), "rpc: `Searching` is not the name of a call");
        let long = "c".repeat(256);
        let question = proto::Question { collection_name: long, ..privilege("Search") };
        assert_eq!(wrong(&question), "collection_name: it is longer than 255 bytes");
    }

    #[test]
    fn both_names_of_a_privilege_ask_for_the_same() {
        for (name, collection) in
            [("Search", "c"), ("PrivilegeSearch", "c"), ("CreateDatabase", "")]
        {
            let question = proto::Question {
                asked: Some(Asked::Privilege(name.to_owned())),
                collection_name: "c".to_owned(),
                ..proto::Question::default()
            };
            let need = Question::read(&question, "own").unwrap().need();
            let expected = Some(collection).filter(|name| !name.is_empty());
            assert_eq!(need.object_name(), expected);
            let database = Some("own").filter(|_| expected.is_some());
            assert_eq!(need.database(), database);
        }
    }
}
