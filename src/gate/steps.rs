//! Requests of ours whose parts are bounded and decided on before any of it is decoded: decoded, small
//! parts take many times as much memory, and whoever may log in can send them.

use bytes::Bytes;
use prost::encoding::{WireType, decode_key, decode_varint};
use tonic::Status;

use super::{Caller, Gate, Identity};
use crate::rpc::status;

/// The field of a request that repeats, and how often it may.
const BOUNDS: [(&str, &str, u32, usize); 4] = [
    ("Transact", "steps", STEPS, 10_000),
    ("Check", "questions", 1, 1_000),
    ("GrantPrivilegesToRole", "privileges", 2, 1_000),
    ("RevokePrivilegesFromRole", "privileges", 2, 1_000),
];

/// `TransactRequest.steps`.
const STEPS: u32 = 1;

/// The call that each kind of step is.
const CALLS: [(u32, &str); 13] = [
    (1, "CreateCredential"),
    (2, "UpdateCredential"),
    (3, "DeleteCredential"),
    (4, "CreateRole"),
    (5, "AlterRole"),
    (6, "DropRole"),
    (7, "OperateUserRole"),
    (8, "OperatePrivilege"),
    (9, "OperatePrivilegeV2"),
    (10, "CreatePrivilegeGroup"),
    (11, "DropPrivilegeGroup"),
    (12, "OperatePrivilegeGroup"),
    (13, "RestoreRBAC"),
];

/// A transaction as it came, for whoever decides on its steps once more.
#[derive(Debug, Clone)]
pub struct Encoded(pub(super) Bytes);

/// Checks that nothing in the request of a method repeats too often.
pub(super) fn check_bounds(method: &str, message: &[u8]) -> Result<(), Status> {
    let Some((_, name, number, most)) = BOUNDS.iter().find(|(name, ..)| *name == method) else {
        return Ok(());
    };
    let mut count = 0;
    for field in Fields(message) {
        count += usize::from(field?.0 == *number);
        if count > *most {
            return Err(status::malformed(&format_args!("{name}: there are more than {most}")));
        }
    }
    Ok(())
}

impl Gate {
    /// Decides once more on each step of a transaction.
    ///
    /// # Errors
    /// The caller may not make one of them any more, which is named.
    pub async fn admit_again(&self, caller: &Caller, steps: &Encoded) -> Result<(), Status> {
        self.admit_steps(caller.identity(), caller.database(), &steps.0).await
    }

    /// Decides on each step of an encoded TransactRequest as on the call that it is.
    ///
    /// # Errors
    /// The caller may not make one of them, which is named, or it is none.
    pub(super) async fn admit_steps(
        &self,
        identity: &Identity,
        database: &str,
        message: &[u8],
    ) -> Result<(), Status> {
        let steps = Fields(message).filter(|f| f.as_ref().map_or(true, |f| f.0 == STEPS));
        for (index, step) in steps.enumerate() {
            let name = format!("step {}", index + 1);
            let mut calls = Fields(step?.1);
            let (Some(call), None) = (calls.next(), calls.next()) else {
                return Err(status::malformed(&format_args!("{name} is not one call")));
            };
            let (number, message) = call?;
            let Some((_, method)) = CALLS.iter().find(|(n, _)| *n == number) else {
                return Err(status::malformed(&format_args!("{name} is none that is known")));
            };
            let path = format!("/milvus.proto.milvus.MilvusService/{method}");
            let admitted = self.admit(identity, database, &path, message).await;
            admitted.map_err(|e| status::in_step(&name, &e))?;
        }
        Ok(())
    }
}

/// The fields of a message: their numbers, and the bytes of those that have some.
struct Fields<'m>(&'m [u8]);

impl<'m> Iterator for Fields<'m> {
    type Item = Result<(u32, &'m [u8]), Status>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.read();
        if field.is_err() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'m> Fields<'m> {
    fn read(&mut self) -> Result<(u32, &'m [u8]), Status> {
        let broken = || status::malformed(&"a field is not what it says");
        let (number, wire_type) = decode_key(&mut self.0).map_err(|e| status::malformed(&e))?;
        let length = match wire_type {
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0).map_err(|e| status::malformed(&e))?;
                usize::try_from(length).map_err(|_| broken())?
            }
            WireType::Varint => {
                decode_varint(&mut self.0).map_err(|e| status::malformed(&e))?;
                0
            }
            WireType::SixtyFourBit => 8,
            WireType::ThirtyTwoBit => 4,
            WireType::StartGroup | WireType::EndGroup => return Err(broken()),
        };
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(broken)?;
        self.0 = rest;
        Ok((number, bytes))
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::gate::methods::{self, METHODS};
    use crate::rpc::DESCRIPTORS;
    use crate::rpc::proto::access::{CheckRequest, Question};

    #[test]
    fn the_call_of_each_step_takes_its_message() {
        let pool = prost_reflect::DescriptorPool::decode(DESCRIPTORS).unwrap();
        let step = pool.get_message_by_name("milvus_rbac.v1.Step").unwrap();
        let milvus = pool.get_service_by_name("milvus.proto.milvus.MilvusService").unwrap();
        assert_eq!(step.fields().count(), CALLS.len());
        for (number, name) in CALLS {
            let method = milvus.methods().find(|method| method.name() == name).unwrap();
            let field = step.get_field(number).unwrap();
            assert_eq!(field.kind().as_message(), Some(&method.input()), "{name}");
            assert!(methods::find(&format!("/{}/{name}", milvus.full_name())).is_some());
        }
    }

    #[test]
    fn every_field_that_is_bounded_repeats() {
        let pool = prost_reflect::DescriptorPool::decode(DESCRIPTORS).unwrap();
        for (name, field, number, _) in BOUNDS {
            let row = METHODS.iter().find(|row| row.name == name).unwrap();
            let service = row.path.split('/').nth(1).unwrap();
            let service = pool.get_service_by_name(service).unwrap();
            let method = service.methods().find(|method| method.name() == name).unwrap();
            let repeated = method.input().get_field(number).unwrap();
            assert!(repeated.is_list() && repeated.name() == field, "{name}");
        }
    }

    #[test]
    fn what_repeats_too_often_is_refused_before_it_is_decoded() {
        let check = |questions| {
            let request = CheckRequest { questions: vec![Question::default(); questions] };
            check_bounds("Check", &request.encode_to_vec())
        };
        assert!(check(1_000).is_ok());
        assert!(check(1_001).unwrap_err().message().contains("more than 1000"));
        for broken in [&[0x0a][..], &[0x0a, 5, 0], &[0x0b], &[0xff], &[0x08]] {
            assert!(check_bounds("Check", broken).is_err(), "{broken:?}");
        }
        assert!(check_bounds("CreateRole", &[0xff]).is_ok());
    }
}
