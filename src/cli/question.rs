//! Questions as flags, and who answers them: the server, or these rules from what it lists.

use clap::Args;
use std::collections::BTreeSet;
use tonic::{Code, Status};

use super::server::{Server, refused};
use super::{Failure, state};
use crate::authz::{Policy, Subject, View};
use crate::model::builtin::BuiltInGroups;
use crate::model::state::{DEFAULT_DATABASE, State};
use crate::rpc::answers::{self, Question};
use crate::rpc::proto::access::question::{Asked, Subject as Who};
use crate::rpc::proto::access::{self as proto, ExplainResponse};
use crate::storage::Revision;

/// Whose rights.
#[derive(Debug, Args)]
pub(super) struct SubjectFlags {
    /// The user; without it and a role, whoever asks.
    #[arg(long, value_name = "NAME", conflicts_with = "role")]
    pub(super) user: Option<String>,
    /// The role: somebody who holds it, and `public`, and no other.
    #[arg(long, value_name = "NAME")]
    pub(super) role: Option<String>,
}

/// To do what.
#[derive(Debug, Args)]
pub(super) struct AskedFlags {
    /// The privilege, as it is granted (`Search`) or as refusals show it (`PrivilegeSearch`).
    #[arg(long, value_name = "NAME", conflicts_with = "rpc", required_unless_present = "rpc")]
    privilege: Option<String>,
    /// The call, such as `Search` or `/milvus.proto.milvus.MilvusService/Search`.
    #[arg(long, value_name = "NAME")]
    rpc: Option<String>,
    /// The database; `default` without it, `*` for every one.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    db: String,
    /// The collection; without it all of the database.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    collection: String,
    /// The user whom it concerns, for calls such as SelectUser; without it every one.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    about_user: String,
}

impl SubjectFlags {
    /// As in a question.
    pub(super) fn who(&self) -> Option<Who> {
        let user = self.user.clone().map(Who::User);
        user.or_else(|| self.role.clone().map(Who::Role))
    }

    /// As in a sentence.
    pub(super) fn words(&self) -> String {
        match (&self.user, &self.role) {
            (Some(user), _) => user.clone(),
            (None, Some(role)) => format!("role {role}"),
            (None, None) => "you".to_owned(),
        }
    }
}

impl AskedFlags {
    /// The question about that subject.
    pub(super) fn about(self, subject: Option<Who>) -> proto::Question {
        let privilege = self.privilege.map(Asked::Privilege);
        proto::Question {
            subject,
            asked: privilege.or_else(|| self.rpc.map(Asked::Rpc)),
            db_name: self.db,
            collection_name: self.collection,
            user_name: self.about_user,
        }
    }
}

/// Whether the server cannot answer questions at all.
pub(super) fn is_silent(refusal: &Status) -> bool {
    refusal.code() == Code::Unimplemented
}

/// What a server lists, from which these rules answer. They are those of milvus-rbac, whatever that
/// server's are.
pub(super) struct ByRules {
    state: State,
    policy: Policy,
    groups: BuiltInGroups,
    revision: Option<Revision>,
    /// Who asks.
    asker: Option<String>,
}

impl ByRules {
    /// Reads it from a server that does not answer by itself, and says so; `refusal` is what it said.
    pub(super) async fn read(
        server: &Server,
        asker: Option<&str>,
        refusal: &Status,
    ) -> Result<Self, Failure> {
        if !is_silent(refusal) {
            return Err(refused(refusal));
        }
        let state::Found { state, rules, revision, .. } =
            state::read(server, &BTreeSet::new()).await?;
        eprintln!(
            "note: this server does not answer such questions; the answer is by milvus-rbac's rules, \
             from the users, roles and grants that it lists"
        );
        let groups = rules.groups;
        let policy = Policy::compile(&state, &groups);
        Ok(Self { state, policy, groups, revision, asker: asker.map(str::to_owned) })
    }

    /// What is answered from.
    pub(super) fn view(&self) -> View<'_> {
        View { state: &self.state, policy: &self.policy, groups: &self.groups }
    }

    /// The moment, where the server counts them.
    pub(super) fn revision(&self) -> u64 {
        self.revision.unwrap_or_default()
    }

    /// The subject, which must exist; whoever asks if there is none.
    pub(super) fn subject<'a>(&'a self, who: Option<&'a Who>) -> Result<Subject<'a>, Failure> {
        let asker = || self.asker.as_deref().ok_or("name a --user or a --role, or give a --token");
        let subject = match who {
            Some(Who::User(name)) => Subject::User(name),
            Some(Who::Role(name)) => Subject::Role(name),
            None => Subject::User(asker()?),
        };
        match answers::unknown(&self.view(), subject) {
            Some(wrong) => Err(wrong.to_string()),
            None => Ok(subject),
        }
    }

    /// The answer to a question with a subject.
    pub(super) fn explain(&self, asked: &proto::Question) -> Result<ExplainResponse, Failure> {
        let question = read(asked)?;
        let subject = self.subject(asked.subject.as_ref())?;
        let explained = answers::explanation(&self.view(), subject, &question.need(), true);
        Ok(ExplainResponse { revision: self.revision(), ..explained })
    }
}

/// A question whose form is right.
pub(super) fn read(asked: &proto::Question) -> Result<Question<'_>, Failure> {
    Question::read(asked, DEFAULT_DATABASE).map_err(|e| e.to_string())
}
