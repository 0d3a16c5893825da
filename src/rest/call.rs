//! One request on its way to whoever answers it: the same gate and the same service, or the same
//! upstream, as gRPC, so that no rule exists twice.

use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use prost::Message;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::envelope::Refusal;
use crate::gate::{Caller, Gate, Identity};
use crate::rpc::{Service, status};
use crate::storage::Revision;

/// The revision that an answer tells: the last that it rests on, if any is known.
#[derive(Debug, Default)]
pub(super) struct Told(AtomicU64);

impl Told {
    pub(super) fn set(&self, revision: Revision) {
        self.0.store(revision, Ordering::Relaxed);
    }

    pub(super) fn note(&self, told: &MetadataMap) {
        let told = told.get(status::REVISION).and_then(|told| told.to_str().ok()?.parse().ok());
        told.into_iter().for_each(|revision| self.set(revision));
    }

    pub(super) fn revision(&self) -> Option<Revision> {
        Some(self.0.load(Ordering::Relaxed)).filter(|revision| *revision > 0)
    }
}

/// An identified request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) gate: &'a Gate,
    pub(super) service: &'a Service,
    pub(super) identity: Identity,
    /// The database that the request chose; empty for the default one.
    pub(super) database: String,
    /// The caller's login, in gRPC's form.
    pub(super) login: Option<HeaderValue>,
    pub(super) told: &'a Told,
}

impl Call<'_> {
    /// Asks the method at `path` if the caller may; the decision is made on the request as it would
    /// travel.
    pub(super) async fn ask<Q: Message, A: Message + Default>(
        &self,
        path: &str,
        request: Q,
        method: impl AsyncFnOnce(&Service, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<(A, Caller), Refusal> {
        let message = request.encode_to_vec();
        let admitted = self.gate.admit(&self.identity, &self.database, path, &message).await;
        let caller = admitted.inspect_err(|refusal| self.told.note(refusal.metadata()))?;
        let asked =
            self.gate.ask_upstream(&caller, &self.database, path, self.login.as_ref(), &message);
        if let Some(answer) = asked.await? {
            let unreadable = |e| status::unimplemented(format!("the upstream's answer: {e}"));
            return Ok((A::decode(&*answer).map_err(unreadable)?, caller));
        }
        let mut request = Request::new(request);
        request.extensions_mut().insert(caller.clone());
        let answer = method(self.service, request).await;
        let answer = answer.inspect_err(|refusal| self.told.note(refusal.metadata()))?;
        self.told.note(answer.metadata());
        Ok((answer.into_inner(), caller))
    }
}
