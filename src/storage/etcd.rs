//! The store in an etcd, in Milvus' own metadata layout.

#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the store that uses it comes next")
)]
mod layout;
