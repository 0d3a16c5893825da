//! REST of the data plane: each route is decided as the gRPC call that it stands for, then goes to
//! the upstream's REST.

mod answers;
mod object;
mod routes;

pub(super) use routes::{DataRoute, find};

use axum::body::{Body, HttpBody as _};
use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use prost::Message;
use serde_json::json;
use tonic::Code;

use super::Rest;
use super::call::Told;
use super::envelope::Refusal;
use super::routes::method;
use crate::gate::{
    Caller, Fate, Gate, Identity, Login, MAX_MESSAGE, MAX_SEALING_MESSAGE, Names, Purpose,
    until_done,
};
use crate::model::privilege::ANY;
use crate::model::state::DEFAULT_DATABASE;
use crate::rpc::proto::service::{DropCollectionRequest, RenameCollectionRequest};
use answers::Hidden;
pub(super) use object::Object;
use routes::Kind;

/// What a description of a collection tells beside its schema, and the calls that tell it too.
const DESCRIBED: [(&str, &str); 3] = [
    ("load", method!("GetLoadState")),
    ("indexes", method!("DescribeIndex")),
    ("aliases", method!("ListAliases")),
];

/// Keys of single names that decide nothing.
const OTHER_NAMES: [&str; 4] =
    ["newCollectionName", "targetCollectionName", "partitionName", "aliasName"];

impl Rest {
    /// Answers a call of the data plane; `body` is taken if it was read.
    pub(super) async fn serve_data(
        &self,
        route: &DataRoute,
        parts: &Parts,
        body: &mut Body,
        told: &Told,
    ) -> Result<Response, Refusal> {
        let login = Login::from_http(&parts.headers);
        let certified = parts.extensions.get();
        let identity = self.gate.identify_for(route.method, &parts.headers, login, certified);
        let identity = identity.await?.with(parts);
        let limit = match route.kind {
            Kind::Drop | Kind::Rename => MAX_SEALING_MESSAGE,
            _ => MAX_MESSAGE,
        };
        if body.size_hint().lower() > limit as u64 {
            return Err(Refusal::too_large(limit));
        }
        let (bytes, _room) = self.gate.read_all(&identity, std::mem::take(body), limit).await?;
        let object = Object::read(&bytes)?;
        let from_body = object.text("dbName")?;
        let from_header = if from_body.is_empty() { super::database(&parts.headers) } else { "" };
        let asked = Asked {
            gate: &self.gate,
            identity: &identity,
            database: if from_body.is_empty() { from_header } else { &from_body },
            names: names(&object)?,
            told,
        };
        let caller = asked.decided(route, &object).await?;
        // Whose grants follow is told of a later one.
        if !matches!(route.kind, Kind::Drop | Kind::Rename) {
            told.set(caller.snapshot().revision);
        }
        let hidden = match route.kind {
            Kind::Describe => asked.hidden().await?,
            _ => Vec::new(),
        };
        let upstream = self.upstream.as_ref().ok_or_else(|| not_served(&self.gate))?;
        let body = match from_header {
            "" => bytes.clone(),
            name => with_database(&bytes, object.is_empty(), name),
        };
        let changes = self.gate.names_may_change(route.method);
        let fate = asked.fate(route, &object).await?;
        let (upstream, database) = (upstream.clone(), asked.database().to_owned());
        let (whole, shown_whole, headers) =
            (route.whole, route.kind.is_shown_whole(), parts.headers.clone());
        // INVARIANT: the upstream sees the database for which the call was allowed.
        let forward = async move {
            let _changes = changes;
            let answer = upstream.forward(whole, &headers, &database, shown_whole, body).await?;
            match fate {
                Some(fate) => answers::seal(answer, fate).await,
                None => Ok(answer),
            }
        };
        let answer = match route.kind {
            Kind::Drop | Kind::Rename => until_done(forward).await?,
            _ => forward.await?,
        };
        match route.kind {
            Kind::List => {
                answers::shorten(answer, &caller.visible_collections(caller.database())).await
            }
            Kind::Describe => answers::hide(answer, hidden).await,
            _ => Ok(answer),
        }
    }
}

/// A call on its way to a decision.
struct Asked<'a> {
    gate: &'a Gate,
    identity: &'a Identity,
    database: &'a str,
    names: Names,
    told: &'a Told,
}

impl Asked<'_> {
    fn database(&self) -> &str {
        if self.database.is_empty() { DEFAULT_DATABASE } else { self.database }
    }

    async fn decided(&self, route: &DataRoute, object: &Object<'_>) -> Result<Caller, Refusal> {
        if route.kind == Kind::Everywhere {
            self.admit(ANY, route.method, &Names::default()).await?;
        }
        let caller = self.admit(self.database, route.method, &self.names).await?;
        if route.kind == Kind::Create && builds_index(object)? {
            self.admit(self.database, method!("CreateIndex"), &self.names).await?;
            self.admit(self.database, method!("LoadCollection"), &self.names).await?;
        }
        Ok(caller)
    }

    async fn admit(&self, database: &str, path: &str, names: &Names) -> Result<Caller, Refusal> {
        let decided =
            self.gate.admit_names(self.identity, Purpose::Call, database, path, names).await;
        match decided.inspect_err(|refusal| self.told.note(refusal.metadata())) {
            Err(e) if e.code() == Code::Unimplemented => Err(not_served(self.gate)),
            decided => Ok(decided?),
        }
    }

    /// What the call does to a collection, if anything.
    async fn fate(&self, route: &DataRoute, object: &Object<'_>) -> Result<Option<Fate>, Refusal> {
        let Names { collection, target_database, .. } = &self.names;
        let (db_name, collection) = (self.database().to_owned(), collection.clone());
        let message = match route.kind {
            Kind::Drop => {
                DropCollectionRequest { db_name, collection_name: collection }.encode_to_vec()
            }
            Kind::Rename => RenameCollectionRequest {
                db_name,
                old_name: collection,
                new_name: object.text("newCollectionName")?,
                new_db_name: target_database.clone(),
            }
            .encode_to_vec(),
            _ => return Ok(None),
        };
        Ok(self.gate.fate(route.method, self.identity, self.database(), &message).await?)
    }

    /// The parts of a description that the caller may not see. Milvus tells the rest all the same.
    async fn hidden(&self) -> Result<Vec<Hidden>, Refusal> {
        let mut hidden = Vec::new();
        for (key, path) in DESCRIBED {
            let Self { gate, identity, database, names, .. } = self;
            match gate.admit_names(identity, Purpose::Part, database, path, names).await {
                Ok(_) => {}
                Err(e) if e.code() == Code::PermissionDenied => {
                    let empty = if key == "load" { json!("") } else { json!([]) };
                    hidden.push(Hidden { key, empty, why: Refusal::from(e).into_message() });
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(hidden)
    }
}

fn not_served(gate: &Gate) -> Refusal {
    let both = "--upstream and --upstream-rest";
    Refusal::not_served(if gate.has_upstream() { "--upstream-rest" } else { both })
}

fn names(object: &Object<'_>) -> Result<Names, Refusal> {
    let collection = object.text("collectionName")?;
    let target_database = object.text("newDbName")?;
    let mut others = object.texts("partitionNames")?;
    for key in OTHER_NAMES {
        others.push(object.text(key)?);
    }
    // Not every call has a place for these.
    others.extend([collection.clone(), target_database.clone()]);
    Ok(Names { collection, target_database, others })
}

/// Whether a collection gets an index and is loaded when it is created. Only one with fields and
/// without parameters for an index does not.
fn builds_index(object: &Object<'_>) -> Result<bool, Refusal> {
    let fields = match object.object("schema")? {
        Some(schema) => schema.length("fields")?,
        None => 0,
    };
    Ok(fields == 0 || object.length("indexParams")? > 0)
}

/// The body with the database from the header, which not every Milvus looks at. The last of
/// several keys counts there.
fn with_database(body: &Bytes, is_empty: bool, name: &str) -> Bytes {
    let text = body.trim_ascii_end();
    let open = text.strip_suffix(b"}").unwrap_or(text);
    let comma = if is_empty { "" } else { "," };
    let added = format!("{comma}\"dbName\":{}}}", json!(name));
    [open, added.as_bytes()].concat().into()
}
