//! What a caller may see of an upstream's listings.

use axum::response::Response;
use bytes::Bytes;
use prost::Message;
use tonic::{Code, Status};

use super::forward::Answer;
use super::{departure, frame};
use crate::model::visibility::Visible;
use crate::rpc::proto::service::{ListDatabasesResponse, ShowCollectionsResponse};
use crate::rpc::status;

/// Shortens an answer to `method` to the names in `visible`.
///
/// # Errors
/// The answer cannot be read; it is not shown then.
pub(super) async fn shorten(
    method: &str,
    response: Response,
    visible: &Visible,
) -> Result<Response, Status> {
    let mut answer = Answer::read(response).await?;
    let failed = answer.status.as_ref().is_some_and(|status| status.code() != Code::Ok);
    answer.body = if failed || answer.body.is_empty() {
        Bytes::new()
    } else {
        let unreadable =
            |_| status::unimplemented(format!("the upstream's {method} cannot be filtered"));
        let message = frame::message(&answer.body).map_err(|_| unreadable(()))?;
        let shortened = match method {
            "ListDatabases" => databases(message, visible),
            _ => collections(message, visible),
        };
        frame::of(&shortened.map_err(|_| unreadable(()))?)
    };
    Ok(whole(answer))
}

/// The response that an answer stands for.
pub(super) fn whole(answer: Answer) -> Response {
    let Answer { head, body, trailers, status: _ } = answer;
    let mut response = Response::from_parts(head, departure::whole(body, trailers));
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    response
}

fn databases(message: &[u8], visible: &Visible) -> Result<Vec<u8>, prost::DecodeError> {
    let mut answer = ListDatabasesResponse::decode(message)?;
    let keep: Vec<bool> = answer.db_names.iter().map(|name| visible.contains(name)).collect();
    retain(&mut answer.db_names, &keep);
    retain(&mut answer.created_timestamp, &keep);
    retain(&mut answer.db_ids, &keep);
    Ok(answer.encode_to_vec())
}

fn collections(message: &[u8], visible: &Visible) -> Result<Vec<u8>, prost::DecodeError> {
    let mut answer = ShowCollectionsResponse::decode(message)?;
    let keep: Vec<bool> =
        answer.collection_names.iter().map(|name| visible.contains(name)).collect();
    retain(&mut answer.collection_names, &keep);
    retain(&mut answer.collection_ids, &keep);
    retain(&mut answer.created_timestamps, &keep);
    retain(&mut answer.created_utc_timestamps, &keep);
    retain(&mut answer.in_memory_percentages, &keep);
    retain(&mut answer.query_service_available, &keep);
    retain(&mut answer.shards_num, &keep);
    Ok(answer.encode_to_vec())
}

/// The lists of an answer belong together by position; older versions leave some of them empty.
fn retain<T>(list: &mut Vec<T>, keep: &[bool]) {
    let mut keep = keep.iter();
    list.retain(|_| keep.next().copied().unwrap_or(false));
}
