//! Access as code: a document that says who may do what, compared with what holds, and made to hold.
//!
//! | part | what it knows |
//! |---|---|
//! | [`document`] | the form: YAML or JSON with a place for everything |
//! | [`wanted`] | the state that a document asks for, given the one that there is |
//! | [`steps`] | the commands that lead from one to the other |
//! | [`difference`] | what that changes, for people |
//! | [`export`] | a state as a document, always the same for the same state |
//! | [`lockout`] | whether somebody could still do it again |
//!
//! Without pruning a document only adds: nothing is revoked, removed or emptied. With it everything
//! goes that is not in the document, except `root`, `admin`, `public` and Milvus' own groups; what
//! `root` and `public` hold goes only where the document names them.

pub mod difference;
pub mod document;
pub mod export;
pub mod lockout;
mod node;
mod problem;
pub mod steps;
pub mod wanted;

pub use self::problem::{Place, Problem, Problems};
