//! What a caller may see of an upstream's answers.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http_body_util::{BodyExt, Collected, Limited};
use serde_json::{Map, Value};

use super::super::envelope::{Refusal, check};
use crate::gate::{Fate, MAX_MESSAGE};
use crate::model::visibility::Visible;
use crate::rpc::status;

/// A part of a description that the caller may not see.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) key: &'static str,
    /// What stands in its place.
    pub(super) empty: Value,
    /// Why it is hidden.
    pub(super) why: String,
}

/// Shortens a list of collections to those in `visible`.
pub(super) async fn shorten(answer: Response, visible: &Visible) -> Result<Response, Refusal> {
    if matches!(visible, Visible::Every) {
        return Ok(answer);
    }
    rewrite(answer, |envelope| match envelope.get_mut("data") {
        None => Some(()),
        Some(Value::Array(names)) => {
            names.retain(|name| name.as_str().is_some_and(|name| visible.contains(name)));
            Some(())
        }
        Some(_) => None,
    })
    .await
}

/// Leaves the `hidden` parts out of a description, and says so.
pub(super) async fn hide(answer: Response, hidden: Vec<Hidden>) -> Result<Response, Refusal> {
    if hidden.is_empty() {
        return Ok(answer);
    }
    rewrite(answer, |envelope| match envelope.get_mut("data") {
        None => Some(()),
        Some(Value::Object(data)) => {
            let mut message = String::new();
            for Hidden { key, empty, why } in hidden {
                data.insert(key.to_owned(), empty);
                message.push_str(&why);
                message.push(';');
            }
            if let Some(Value::String(theirs)) = envelope.get("message") {
                message.push_str(theirs);
            }
            envelope.insert("message".to_owned(), message.into());
            Some(())
        }
        Some(_) => None,
    })
    .await
}

/// The answer to a call that seals the fate of a collection, once the grants on it have followed.
pub(super) async fn seal(answer: Response, fate: Fate) -> Result<Response, Refusal> {
    let (head, body) = answer.into_parts();
    let body = read(body).await?;
    let went_well = head.status.is_success() && {
        let envelope: Map<String, Value> =
            serde_json::from_slice(&body).map_err(|_| unreadable())?;
        // 2.4 told success by the second.
        matches!(envelope.get("code").and_then(Value::as_i64), Some(0 | 200))
    };
    if went_well && let Err(e) = fate.fulfil().await {
        check(Some(status::refused(&e, None)?))?;
    }
    Ok(Response::from_parts(head, Body::from(body)))
}

fn unreadable() -> Refusal {
    status::unimplemented("the upstream's answer cannot be read, and is not shown".to_owned())
        .into()
}

async fn read(body: Body) -> Result<Bytes, Refusal> {
    let body = Limited::new(body, MAX_MESSAGE).collect().await;
    body.map(Collected::to_bytes).map_err(|_| unreadable())
}

/// Changes the envelope of an answer. One that cannot be read is not shown.
async fn rewrite(
    answer: Response,
    change: impl FnOnce(&mut Map<String, Value>) -> Option<()>,
) -> Result<Response, Refusal> {
    let (mut head, body) = answer.into_parts();
    let mut envelope: Map<String, Value> =
        serde_json::from_slice(&read(body).await?).map_err(|_| unreadable())?;
    change(&mut envelope).ok_or_else(unreadable)?;
    head.headers.remove(CONTENT_LENGTH);
    Ok(Response::from_parts(head, Body::from(Value::Object(envelope).to_string())))
}
