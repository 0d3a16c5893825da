//! What is wrong with a document, and where.

use std::fmt;

use crate::model::error::Error;

/// A place in a document, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: u64,
    /// The character in that line.
    pub column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub text: String,
}

/// Everything that is wrong with a document, in its order. While there is anything, nothing is done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// Adds one.
    pub fn add(&mut self, place: Place, text: impl fmt::Display) {
        self.0.push(Problem { place, text: text.to_string() });
    }

    /// Adds what a rule of the model says, without what ends all its texts.
    pub(super) fn refused(&mut self, place: Place, e: &Error) {
        let text = e.text();
        self.add(place, text.split(": invalid parameter").next().unwrap_or(text));
    }

    /// Takes the problems of another look at the same document.
    pub fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Nothing, if there is none.
    ///
    /// # Errors
    /// There are some.
    pub fn none(mut self) -> Result<(), Self> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort();
        self.0.dedup();
        Err(self)
    }

    /// One line for each, of a document with that name.
    pub fn of(&self, document: &str) -> String {
        let lines = self.0.iter().map(|p| format!("{document}:{}: {}", p.place, p.text));
        lines.collect::<Vec<_>>().join("\n")
    }
}
