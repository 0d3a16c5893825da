//! The OpenAPI document, made from the table of routes.

use std::sync::LazyLock;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value, json};

use super::routes::{BASE, Field, Kind, ROUTES, Route};

pub(super) async fn document() -> Response {
    // Strangers may ask for it as often as they like, and take it as slowly.
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| made().to_string().into());
    ([(CONTENT_TYPE, "application/json")], TEXT.clone()).into_response()
}

fn made() -> Value {
    let paths: Map<String, Value> =
        ROUTES.iter().map(|route| (format!("{BASE}{}", route.path), operation(route))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "milvus-rbac",
            "description": "Milvus' REST v2, as far as it concerns access control and databases.",
            "version": env!("CARGO_PKG_VERSION"),
        },
        "security": [{"bearer": []}, {"basic": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The token is `user:password`, in plain text.",
                },
                "basic": {"type": "http", "scheme": "basic"},
            },
            "schemas": {
                "Answer": {
                    "type": "object",
                    "required": ["code"],
                    "properties": {
                        "code": {"type": "integer", "description": "0 for success"},
                        "data": {"description": "What was asked for; with code 0 alone."},
                        "description": {"type": "string"},
                        "message": {"type": "string", "description": "What failed."},
                    },
                },
            },
        },
    })
}

fn operation(route: &Route) -> Value {
    let properties: Map<String, Value> =
        route.fields.iter().map(|field| (field.key.to_owned(), schema(field))).collect();
    let required: Vec<_> = route.fields.iter().filter(|f| f.required).map(|f| f.key).collect();
    let mut body = json!({"type": "object", "properties": properties});
    if let (false, Some(body)) = (required.is_empty(), body.as_object_mut()) {
        body.insert("required".to_owned(), json!(required));
    }
    let answer = |description: &str| {
        let schema = json!({"$ref": "#/components/schemas/Answer"});
        json!({"description": description, "content": {"application/json": {"schema": schema}}})
    };
    json!({"post": {
        "summary": route.summary,
        "operationId": route.path.trim_start_matches('/').replace('/', "_"),
        "parameters": [
            {"name": "DB-Name", "in": "header", "schema": {"type": "string"}},
            {"name": "Request-Timeout", "in": "header", "schema": {"type": "integer"}},
        ],
        "requestBody": {"required": true, "content": {"application/json": {"schema": body}}},
        "responses": {
            "200": answer("Success, or an error that its code tells"),
            "400": answer("The request cannot be read"),
            "401": answer("No or wrong credentials"),
            "403": answer("A privilege is missing"),
            "408": answer("Not done in time"),
            "413": answer("The body is too large"),
            "429": answer("Too much at once"),
        },
    }})
}

fn schema(field: &Field) -> Value {
    match field.kind {
        Kind::Text if field.required => json!({"type": "string", "minLength": 1}),
        Kind::Text => json!({"type": ["string", "null"]}),
        Kind::Texts => json!({"type": ["array", "null"], "items": {"type": "string"}}),
        Kind::Object => json!({"type": ["object", "null"]}),
        Kind::Objects => json!({"type": ["array", "null"], "items": {"type": "object"}}),
        Kind::Any => json!({}),
    }
}
