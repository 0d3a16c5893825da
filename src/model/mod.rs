//! The domain: users, roles, grants, privilege groups and databases, and every rule about them.
//! No I/O, no clock, no wire types: all of it can be tested as plain values.

pub mod builtin;
pub mod command;
pub mod error;
pub mod event;
pub mod grants;
pub mod load;
pub mod map;
pub mod name;
#[cfg(test)]
mod name_fuzz;
pub mod names;
pub mod origin;
pub mod privilege;
pub mod restore;
pub mod state;
pub mod visibility;
