//! The schema for editors says what the parser says, as far as a schema can.

use std::process::Command;

use serde_json::Value;

use super::cases::cases;

fn schema() -> jsonschema::Validator {
    let printed = Command::new(env!("CARGO_BIN_EXE_milvus-rbac")).arg("policy-schema").output();
    let schema: Value = serde_json::from_slice(&printed.unwrap().stdout).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn value(document: &str) -> Value {
    serde_saphyr::from_str(document).unwrap()
}

#[test]
fn every_good_document_is_valid() {
    let schema = schema();
    for case in cases("plans.yaml") {
        let errors: Vec<_> =
            schema.iter_errors(&value(&case.document)).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?}", case.document);
    }
}

#[test]
fn what_has_the_wrong_structure_is_not_valid() {
    let schema = schema();
    let parts = [
        "[]",
        "rolls: {}",
        "groups: {g: Search}",
        "groups: {'1': [Search]}",
        "groups: {g: [1]}",
        "groups: {g: [Search, Search]}",
        "roles: []",
        "roles: {r: []}",
        "roles: {r: {description: 5}}",
        "roles: {r: {grant: []}}",
        "roles: {r: {grants: {}}}",
        "roles: {'a b': {}}",
        "roles: {r: {grants: [text]}}",
        "roles: {r: {grants: [{privilege: Search, database: d}]}}",
        "roles: {r: {grants: [{privilege: Search, collection: c}]}}",
        "roles: {r: {grants: [{database: d, collection: c}]}}",
        "roles: {r: {grants: [{privilege: Search, database: d, collection: c, db: d}]}}",
        "roles: {r: {grants: [{privilege: Search, database: d, collection: c, object: c}]}}",
        "roles: {r: {grants: [{privilege: Search, database: d, object: c}]}}",
        "roles: {r: {grants: [{privilege: Search, database: d, object_type: Thing, object: c}]}}",
        "roles: {r: {grants: [{privilege: Search, database: 'd d', collection: c}]}}",
        "roles: {admin: {grants: [{privilege: Search, database: d, collection: c}]}}",
        "roles: {public: {description: text}}",
        "users: {u: {password: secret}}",
        "users: {u: {password_env: ''}}",
        "users: {u: {password_hash: hash}}",
        "users: {u: {password_env: E, password_file: f}}",
        "users: {u: {roles: r}}",
        "users: {-x: {}}",
        "users: {root: {password_env: E}}",
    ];
    for part in parts {
        assert!(!schema.is_valid(&value(part)), "{part}");
        let (_, problems) = milvus_rbac::policy::document::Document::read(part);
        assert!(problems.none().is_err(), "{part}");
    }
    for case in cases("problems.yaml").into_iter().filter(|case| case.structure) {
        assert!(!schema.is_valid(&value(&case.document)), "{}", case.document);
    }
}
