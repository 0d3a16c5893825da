//! Custom privilege groups.

use imbl::OrdSet;

use super::{MemberOperation, level_of};
use crate::model::error::{Error, ErrorKind};
use crate::model::name::MAX_RECORD;
use crate::model::privilege::is_defined;
use crate::model::state::{Change, Group, Name, State};

pub(super) fn create(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    if name.is_empty() {
        return Err(Error::invalid("privilege group name is empty"));
    }
    if state.groups.contains_key(name) {
        return Err(Error::invalid(format_args!(
            "privilege group name [{name}] is defined by users"
        )));
    }
    if is_defined(name) {
        return Err(Error::invalid(format_args!(
            "privilege group name [{name}] is defined by built in privileges or privilege groups in system"
        )));
    }
    Ok(vec![Change::PutGroup { name: name.into(), group: Group::default() }])
}

pub(super) fn drop(state: &State, name: &str) -> Result<Vec<Change>, Error> {
    let Some((name, _)) = state.groups.get_key_value(name) else {
        return Ok(Vec::new());
    };
    if let Some(role) = state.roles_using(name).next() {
        return Err(Error::invalid(format_args!(
            "privilege group [{name}] is used by role [{role}], Use REVOKE API to revoke it first"
        )));
    }
    Ok(vec![Change::DeleteGroup { name: name.clone() }])
}

pub(super) fn operate(
    state: &State,
    name: &str,
    sent: &[String],
    operation: Option<MemberOperation>,
) -> Result<Vec<Change>, Error> {
    let check = |e: Error| e.context("failed to check if privilege group alterable");
    let refuse = |message: String| Err(check(Error::invalid(message)));
    if name.is_empty() {
        return refuse("privilege group name is empty".to_owned());
    }
    let Some((name, group)) = state.groups.get_key_value(name) else {
        return refuse(format!(
            "there is no privilege group name [{name}] defined in system to operate"
        ));
    };
    if sent.is_empty() {
        return refuse("privileges is empty when alter the privilege group".to_owned());
    }
    let unknown = |p: &&String| !is_defined(p) && !state.groups.contains_key(p.as_str());
    if let Some(unknown) = sent.iter().find(unknown) {
        return refuse(format!(
            "there is no privilege name or privilege group name [{unknown}] defined in system to operate"
        ));
    }
    let sent: OrdSet<Name> = sent.iter().map(|p| Name::from(p.as_str())).collect();
    let present = group.privileges.clone();
    let privileges = match operation {
        None => {
            return Err(Error::verbatim(
                ErrorKind::Unclassified,
                "invalid operate privilege group type",
            ));
        }
        Some(MemberOperation::Remove) => present.relative_complement(sent),
        Some(MemberOperation::Add) => {
            let union = present.union(sent);
            same_level(union.iter().map(|member| &**member)).map_err(check)?;
            union
        }
    };
    check_size(name, &privileges).map_err(check)?;
    if privileges == group.privileges {
        return Ok(Vec::new());
    }
    Ok(vec![Change::PutGroup { name: name.clone(), group: Group { privileges } }])
}

/// Checks the levels of a group's members.
///
/// # Errors
/// They differ.
pub fn same_level<'a>(members: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut levels = members.map(level_of);
    let first = levels.next();
    if levels.any(|level| Some(level) != first) {
        return Err(Error::invalid("privileges are not the same privilege level"));
    }
    Ok(())
}

/// Whether a group of these members can be kept.
pub(in crate::model) fn check_size(name: &str, privileges: &OrdSet<Name>) -> Result<(), Error> {
    let bytes: usize = privileges.iter().map(|member| member.len()).sum();
    if bytes <= MAX_RECORD {
        return Ok(());
    }
    Err(Error::invalid(format_args!(
        "the members of privilege group [{name}] take {bytes} bytes, more than {MAX_RECORD}"
    )))
}
