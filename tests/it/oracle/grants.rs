//! Granting, revoking and listing grants.

use super::{ADD, Grant, Oracle, REMOVE, Refused, Verdict, catalogue, invalid, names};

/// A grant or a revoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantOp {
    pub(crate) number: i32,
    pub(crate) role: String,
    /// The current user.
    pub(crate) grantor: String,
    pub(crate) privilege: String,
    pub(crate) database: String,
    pub(crate) target: Target,
}

/// The object, in one of the two generations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    V1 { object_type: String, object: String },
    V2 { collection: String },
}

/// A grant as listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantRow {
    pub(crate) object_type: String,
    pub(crate) database: String,
    pub(crate) object: String,
    /// The name that clients see.
    pub(crate) privilege: String,
    pub(crate) grantor: String,
}

fn common(refused: Refused) -> Refused {
    refused.told_by("failed to operate privilege common check")
}

/// What is granted and revoked along.
fn related(privilege: &str) -> &'static [&'static str] {
    match privilege {
        "Load" => &["GetLoadState", "GetLoadingProgress"],
        "Flush" => &["GetFlushState"],
        _ => &[],
    }
}

impl Oracle {
    pub(super) fn operate_privilege(&mut self, op: &GrantOp) -> Verdict {
        check_names(op)?;
        let GrantOp { number, role, grantor, privilege, .. } = op;
        if ![ADD, REMOVE].contains(number) {
            return Err(common(invalid(format!(
                "invalid operate privilege type, current type: {number}, valid value: [Grant, \
                 Revoke]"
            ))));
        }
        if let Target::V1 { object_type, .. } = &op.target
            && !["Collection", "Global", "User"].contains(&object_type.as_str())
        {
            return Err(common(invalid("the object entity in the request is nil or invalid")));
        }
        if !self.roles.contains_key(role) {
            return Err(common(invalid(format!("the role \"{role}\" does not exist"))));
        }
        if !self.users.contains_key(grantor) {
            return Err(common(invalid(format!("the grantor user \"{grantor}\" does not exist"))));
        }
        match &op.target {
            Target::V1 { object_type, .. } => self.check_v1(privilege, object_type)?,
            Target::V2 { collection } => self.check_v2(privilege, &op.database, collection)?,
        }
        // The specification knows that new ones are refused, but not the text.
        if *number == ADD && privilege == "Expr" {
            return Err(invalid("the privilege [Expr] is deprecated and can only be revoked"));
        }
        for privilege in [&[privilege.as_str()], related(privilege)].concat() {
            let grant = to_store(op, privilege);
            let same =
                |held: &Grant| Grant { grantor: grant.grantor.clone(), ..held.clone() } == grant;
            let held = self.grants.iter().any(same);
            if *number == REMOVE {
                self.grants.retain(|held| !same(held));
            } else if !held {
                self.grants.push(grant);
            }
        }
        Ok(())
    }

    fn check_v1(&self, privilege: &str, object_type: &str) -> Verdict {
        if privilege == "*" {
            return Ok(());
        }
        if self.groups.contains_key(privilege) {
            return Err(invalid(format!(
                "can not operate the custom privilege group [{privilege}]"
            )));
        }
        if catalogue::built_in(privilege).is_some() {
            return Err(invalid(format!(
                "can not operate the built-in privilege group [{privilege}]"
            )));
        }
        if catalogue::named(privilege).is_some_and(|entry| entry.v1_type == Some(object_type)) {
            return Ok(());
        }
        Err(invalid(format!("not found the privilege name[{privilege}] in object[{object_type}]")))
    }

    fn check_v2(&self, privilege: &str, database: &str, collection: &str) -> Verdict {
        let custom = self.groups.get(privilege);
        if privilege != "*" && custom.is_none() && catalogue::defined(privilege).is_none() {
            return Err(invalid(format!("not found the privilege name[{privilege}]")));
        }
        let first = match custom {
            Some(members) => members.first().map(String::as_str),
            None => catalogue::built_in(privilege).and_then(|members| members.first().copied()),
        };
        let Some(first) = first else {
            return Ok(());
        };
        let whole = collection == "*";
        match catalogue::level_of(first) {
            Some("Cluster") if database != "*" || !whole => Err(invalid(format!(
                "dbName and collectionName should be * for the cluster level privilege: {privilege}"
            ))),
            Some("Database") if !whole => Err(invalid(format!(
                "collectionName should be * for the database level privilege: {privilege}"
            ))),
            Some("Collection") if database == "*" && !whole => Err(invalid(format!(
                "please specify database name for the collection level privilege: {privilege}"
            ))),
            Some(_) => Ok(()),
            None => Err(invalid("not found the privilege level")),
        }
    }

    /// List mode without an object, lookup mode with one.
    pub(crate) fn select_grant(
        &self,
        role: &str,
        database: &str,
        object: Option<(&str, &str)>,
    ) -> Vec<GrantRow> {
        let Some((object_type, object)) = object else {
            return self.sorted(role, |grant| {
                grant.database == database || grant.database == "*" || database == "*"
            });
        };
        let stored_under = |database: &str| {
            self.sorted(role, |grant| {
                grant.object_type == object_type
                    && grant.object == object
                    && grant.database == database
            })
        };
        let mut rows = if database == "*" { Vec::new() } else { stored_under("*") };
        rows.extend(stored_under(database));
        rows
    }

    /// In the byte order of Milvus' storage keys.
    fn sorted(&self, role: &str, keep: impl Fn(&Grant) -> bool) -> Vec<GrantRow> {
        let of_role = self.grants.iter().filter(|grant| grant.role == role);
        let mut grants: Vec<_> = of_role.filter(|grant| keep(grant)).collect();
        grants.sort_by_key(|grant| {
            let Grant { object_type, database, object, privilege, .. } = grant;
            (object_type.clone(), format!("{database}.{object}"), privilege.clone())
        });
        let row = |grant: &Grant| GrantRow {
            object_type: grant.object_type.clone(),
            database: grant.database.clone(),
            object: grant.object.clone(),
            privilege: catalogue::api(&grant.privilege).to_owned(),
            grantor: grant.grantor.clone(),
        };
        grants.into_iter().map(row).collect()
    }
}

fn check_names(op: &GrantOp) -> Verdict {
    match &op.target {
        Target::V1 { object_type, object } => {
            names::general("Privilege", &op.privilege)?;
            names::general("ObjectType", object_type)?;
            names::general("object name", object)?;
            names::general("role name", &op.role)?;
            // Milvus takes any text here, and cannot read back what it then stores.
            names::grant_database(&op.database)
        }
        Target::V2 { collection } => {
            names::general("role name", &op.role)?;
            names::general("Privilege", &op.privilege)?;
            names::grant_database(&op.database)?;
            names::general("collection name", collection)
        }
    }
}

fn to_store(op: &GrantOp, privilege: &str) -> Grant {
    let (object_type, object) = match &op.target {
        Target::V1 { object_type, .. } if object_type == "Global" && privilege != "Admin" => {
            (object_type.as_str(), "*")
        }
        Target::V1 { object_type, object } => (object_type.as_str(), object.as_str()),
        Target::V2 { collection } => (catalogue::type_of(privilege), collection.as_str()),
    };
    let database = if op.database.is_empty() { "default" } else { &op.database };
    Grant {
        role: op.role.clone(),
        object_type: object_type.to_owned(),
        database: database.to_owned(),
        object: object.to_owned(),
        privilege: catalogue::stored(privilege),
        grantor: op.grantor.clone(),
    }
}
