//! What `plan` and `apply` have in common: a document, the server that it is for, and what leads
//! from the one to the other.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;

use super::progress::Progress;
use super::server::Server;
use super::state::{self, Found};
use super::{Failure, ServerFlags};
use crate::model::command::Command;
use crate::model::state::{Name, ROOT};
use crate::passwords::{self, Passwords};
use crate::policy::difference::{Item, difference};
use crate::policy::document::Document;
use crate::policy::wanted::{Target, wanted};
use crate::policy::{Problems, lockout, steps};

/// The cost of hashes that are made here: Milvus' own.
const BCRYPT_COST: u32 = 10;

/// The document and where it is for.
#[derive(Debug, Args)]
pub(super) struct PolicyFlags {
    #[command(flatten)]
    pub(super) server: ServerFlags,
    /// The document, in YAML or JSON; `-` is standard input. Password files in it are looked for
    /// beside it.
    #[arg(long, short, value_name = "FILE")]
    file: PathBuf,
    /// Remove what is not in the document. `root`, `admin`, `public` and Milvus' own groups stay,
    /// and what `root` and `public` hold unless the document names them.
    #[arg(long)]
    prune: bool,
}

/// What a document comes to.
#[derive(Debug)]
pub(super) struct Plan {
    /// What holds now.
    pub(super) found: Found,
    /// What it leads to, for people.
    pub(super) items: Vec<Item>,
    /// What leads there.
    pub(super) steps: Vec<Command>,
    /// Passwords that were given as such.
    pub(super) plain: BTreeMap<Name, Vec<u8>>,
    /// What could not be done or compared.
    pub(super) notes: Vec<String>,
    /// Why it is not applied: who asks could not ask again.
    pub(super) lockout: Option<String>,
}

/// A document that was read.
pub(super) struct Source {
    name: String,
    folder: PathBuf,
    document: Document,
    problems: Problems,
}

impl PolicyFlags {
    /// Reads the document.
    ///
    /// # Errors
    /// It cannot be read at all.
    pub(super) fn read(&self) -> Result<Source, Failure> {
        let is_input = self.file == Path::new("-");
        let name =
            if is_input { "standard input".to_owned() } else { self.file.display().to_string() };
        let tell = |e: std::io::Error| format!("{name}: {e}");
        let text = if is_input {
            std::io::read_to_string(std::io::stdin().lock()).map_err(tell)?
        } else {
            fs::read_to_string(&self.file).map_err(tell)?
        };
        let (document, problems) = Document::read(&text);
        let folder = if is_input { Path::new("") } else { self.file.as_path() };
        let folder = folder.parent().unwrap_or(Path::new("")).to_owned();
        Ok(Source { name, folder, document, problems })
    }

    /// Compares the document with what holds at the server.
    ///
    /// # Errors
    /// Something is wrong with it, or the server does not tell.
    pub(super) async fn plan(&self, server: &Server, source: &Source) -> Result<Plan, Failure> {
        let grants = source.document.roles.iter().flat_map(|role| &role.grants);
        let databases = grants.map(|grant| grant.value.grant.database.clone()).collect();
        let found = state::read(server, &databases).await?;
        let passwords = Passwords::new(BCRYPT_COST)?;
        let mut problems = source.problems.clone();
        let mut progress = Progress::of("passwords compared or hashed");
        let given = passwords::given(
            &source.document,
            &source.folder,
            &found.state,
            &passwords,
            |done, all| progress.tell(done, all),
        );
        let given = given.await.unwrap_or_else(|more| {
            problems.extend(more);
            passwords::Given::default()
        });
        let target = Target {
            current: &found.state,
            rules: &found.rules,
            prune: self.prune,
            descriptions: found.groups,
        };
        let wanted = wanted(&source.document, &given.hashes, target).unwrap_or_else(|more| {
            problems.extend(more);
            found.state.clone()
        });
        problems.none().map_err(|problems| source.told(&problems))?;
        if !found.groups && !wanted.groups.is_empty() {
            return Err("this Milvus has no privilege groups, and the document has".to_owned());
        }
        let caller = self.server.user().unwrap_or(ROOT);
        let steps = steps::steps(&found.state, &wanted, caller, &found.rules)
            .map_err(|e| format!("this cannot be applied: {e}"))?;
        let mut notes = Vec::new();
        if !given.unknown.is_empty() {
            let names = given.unknown.join(", ");
            notes.push(format!(
                "the hashes of passwords are not told to this login, so passwords are set at \
                 creation only and left as they are for: {names}"
            ));
        }
        let lost = lockout::lost(caller, &found.state, &wanted, &found.rules.groups);
        let between = || lockout::lost_between(caller, &found.state, &steps, &found.rules);
        // Transactions show nobody what is in between.
        let lost = lost.or_else(|| found.revision.is_none().then(between).flatten());
        let lockout = lost.map(|lost| {
            format!("{caller}, who asks for this, would lose {lost}, and could not apply it again")
        });
        let items = difference(&found.state, &wanted);
        Ok(Plan { found, items, steps, plain: given.plain, notes, lockout })
    }
}

impl Source {
    /// All that is wrong, each with its place.
    fn told(&self, problems: &Problems) -> Failure {
        format!("the document is not applied:\n{}", problems.of(&self.name))
    }
}
