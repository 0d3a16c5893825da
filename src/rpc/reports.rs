//! `ClientTelemetryService`: what clients report about themselves is taken, and kept nowhere.

use tonic::Request;

use super::proto::service::client_telemetry_service_server::ClientTelemetryService;
use super::proto::service::*;
use super::service::{Answer, Service, not_supported, open, reply};
use super::status;
use crate::clock;

const COMMANDS: &str = "commands to clients";

#[tonic::async_trait]
impl ClientTelemetryService for Service {
    async fn client_heartbeat(
        &self,
        request: Request<ClientHeartbeatRequest>,
    ) -> Answer<ClientHeartbeatResponse> {
        let (caller, _) = open(request)?;
        let server_timestamp = clock::milliseconds().cast_signed();
        reply(
            &caller,
            ClientHeartbeatResponse {
                status: status::ok(),
                server_timestamp,
                commands: Vec::new(),
            },
        )
    }

    async fn get_client_telemetry(
        &self,
        request: Request<GetClientTelemetryRequest>,
    ) -> Answer<GetClientTelemetryResponse> {
        let (caller, _) = open(request)?;
        let status = status::ok();
        reply(&caller, GetClientTelemetryResponse { status, ..Default::default() })
    }

    async fn push_client_command(
        &self,
        request: Request<PushClientCommandRequest>,
    ) -> Answer<PushClientCommandResponse> {
        let (caller, _) = open(request)?;
        let status = Some(not_supported(COMMANDS, "PushClientCommand")?);
        reply(&caller, PushClientCommandResponse { status, ..Default::default() })
    }

    async fn delete_client_command(
        &self,
        request: Request<DeleteClientCommandRequest>,
    ) -> Answer<DeleteClientCommandResponse> {
        let (caller, _) = open(request)?;
        let status = Some(not_supported(COMMANDS, "DeleteClientCommand")?);
        reply(&caller, DeleteClientCommandResponse { status })
    }
}
