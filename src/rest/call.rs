//! One request on its way to the service: the same gate and the same service as gRPC, so that no
//! rule exists twice.

use prost::Message;
use tonic::{Request, Response, Status};

use super::envelope::Refusal;
use crate::gate::{Caller, Gate, Identity};
use crate::rpc::Service;

/// An identified request.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) gate: &'a Gate,
    pub(super) service: &'a Service,
    pub(super) identity: Identity,
    /// The database that the request chose; empty for the default one.
    pub(super) database: String,
}

impl Call<'_> {
    /// Asks the method at `path` if the caller may; the decision is made on the request as it would
    /// travel.
    pub(super) async fn ask<Q: Message, A>(
        &self,
        path: &str,
        request: Q,
        method: impl AsyncFnOnce(&Service, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<(A, Caller), Refusal> {
        let message = request.encode_to_vec();
        let caller = self.gate.admit(&self.identity, &self.database, path, &message).await?;
        let mut request = Request::new(request);
        request.extensions_mut().insert(caller.clone());
        Ok((method(self.service, request).await?.into_inner(), caller))
    }
}
