//! All methods, one after the other.

use std::collections::BTreeSet;

use tonic::Code;

use super::Sidecar;
use super::fields::named;
use super::upstream::Upstream;
use crate::rpc::raw::{Raw, frame, methods};

/// What every authenticated caller may.
const OPEN: &str = "AllocTimestamp CalcDistance CheckHealth ComputePhraseMatchSlop Connect \
    GetComponentStates GetVersion ListDatabases RunAnalyzer ShowCollections";

/// What the three grants of `public` open beside.
const PUBLIC: &str = "BatchDescribeCollection DescribeCollection DescribeIndex \
    GetIndexBuildProgress GetIndexState GetIndexStatistics HasCollection ListAliases";

/// What is never forwarded.
const HERE: &str = "AddUserTags AlterRole BackupRBAC CreateCredential CreatePrivilegeGroup \
    CreateRole CreateRowPolicy DeleteCredential DeleteRLSPrincipalTags DeleteUserTags \
    DropPrivilegeGroup DropRole DropRowPolicy GetRLSPrincipalTags GetUserTags ListCredUsers \
    ListPrivilegeGroups ListRLSPrincipals ListRowPolicies ListUsersWithTag OperatePrivilege \
    OperatePrivilegeGroup OperatePrivilegeV2 OperateUserRole RestoreRBAC SelectGrant SelectRole \
    SelectUser SetRLSPrincipalTags UpdateCredential UpdateRowPolicy";

fn set<'a>(lists: &[&'a str]) -> BTreeSet<&'a str> {
    lists.iter().flat_map(|list| list.split_whitespace()).collect()
}

/// Those of all methods that let the caller pass; the upstream hears of them and of no others.
async fn passed(upstream: &Upstream, caller: &Raw, refusal: Code) -> BTreeSet<String> {
    let mut passed = BTreeSet::new();
    for method in methods() {
        let answer = caller.unary(&method.path, frame(&[])).await;
        let calls = upstream.calls();
        if answer.code == refusal {
            assert!(calls.is_empty(), "{}: {calls:?}", method.name);
            continue;
        }
        assert_eq!(answer.code, Code::Ok, "{}: {}", method.name, answer.text);
        let forwarded = usize::from(!set(&[HERE]).contains(method.name.as_str()));
        assert_eq!(calls.len(), forwarded, "{}: {calls:?}", method.name);
        assert!(calls.iter().all(|call| call.path.ends_with(&method.path)), "{calls:?}");
        passed.insert(method.name);
    }
    passed
}

#[tokio::test]
async fn strangers_reach_nothing() {
    let w = Sidecar::new().await;
    let anonymous = Raw::anonymous(&w.server).await;
    let wrong = Raw::user(&w.server, "root", "wrong").await;
    for caller in [anonymous, wrong] {
        let passed = passed(&w.upstream, &caller, Code::Unauthenticated).await;
        assert!(passed.is_empty(), "{passed:?}");
    }
}

#[tokio::test]
async fn without_privileges_just_the_open_calls_pass() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[]).await;
    let open = passed(&w.upstream, &user, Code::PermissionDenied).await;
    assert_eq!(open.iter().map(String::as_str).collect::<BTreeSet<_>>(), set(&[OPEN, PUBLIC]));
    w.close_public().await;
    let open = passed(&w.upstream, &user, Code::PermissionDenied).await;
    assert_eq!(open.iter().map(String::as_str).collect::<BTreeSet<_>>(), set(&[OPEN]));
}

#[tokio::test]
async fn root_reaches_the_upstream_with_all_but_access_control() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    assert_eq!(set(&[HERE]).len(), 31);
    // Each is answered, here or by the upstream.
    assert_eq!(passed(&w.upstream, &root, Code::PermissionDenied).await.len(), 149);
}

#[tokio::test]
async fn what_no_proto_declares_goes_nowhere() {
    let w = Sidecar::new().await;
    let root = Raw::root(&w.server).await;
    for path in [
        "/milvus.proto.milvus.MilvusService/Nonsense",
        "/milvus.proto.milvus.MilvusService/search",
        "/milvus.proto.milvus.MilvusService/Search/",
        "//milvus.proto.milvus.MilvusService/Search",
        "/milvus.proto.milvus.MilvusService/%53earch",
        "/milvus.proto.milvus.ProxyService/RegisterLink",
        "/milvus.proto.proxy.Proxy/InvalidateCollectionMetaCache",
        "/nonsense.Service/Search",
    ] {
        let answer = root.unary(path, frame(&[])).await;
        assert_eq!(answer.code, Code::Unimplemented, "{path}: {}", answer.text);
        assert!(w.upstream.calls().is_empty(), "{path}");
    }
    // What was found by its path goes on by just that path.
    let answer = root.unary("/milvus.proto.milvus.MilvusService/Search?x=Insert", frame(&[])).await;
    assert_eq!(answer.code, Code::Ok);
    assert!(w.upstream.call().path.ends_with("/Search"));
}

#[tokio::test]
async fn grants_and_revokes_are_in_force_for_the_next_call() {
    let w = Sidecar::new().await;
    let user = w.user("u1", &[]).await;
    let message = named("", "c1");
    for _ in 0..200 {
        w.denies(&user, "Search", &message).await;
        w.grant("u1", ("Search", "default", "c1")).await;
        w.allows(&user, "Search", &message).await;
        w.revoke("u1", ("Search", "default", "c1")).await;
    }
}

#[tokio::test]
async fn with_authorization_off_all_pass_and_access_control_stays_here() {
    let w = Sidecar::with(&["--authorization", "off"]).await;
    let anonymous = Raw::anonymous(&w.server).await;
    assert_eq!(passed(&w.upstream, &anonymous, Code::PermissionDenied).await.len(), 149);
}
