//! The command line, told to shells and to readers of manual pages.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::{CommandFactory as _, Subcommand};
use clap_complete::Shell;

use super::Cli;

/// What is printed about the command line itself.
#[derive(Debug, Subcommand)]
pub enum Manual {
    /// Print what a shell needs to complete commands and flags.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Write the manual pages, one for each command.
    Man {
        /// The folder into which they are written; it is created if need be.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

impl Manual {
    /// Prints or writes it.
    ///
    /// # Errors
    /// A text that says what could not be written.
    pub fn print(self) -> Result<(), String> {
        let command = Cli::command();
        match self {
            Self::Completions { shell } => {
                // With a hyphen in the name, what is made for bash completes no flag of a command.
                let name = if shell == Shell::Bash { "milvus_rbac" } else { "milvus-rbac" };
                let mut text = Vec::new();
                clap_complete::generate(shell, &mut command.name(name), name, &mut text);
                let text = String::from_utf8_lossy(&text);
                let text = text.replace("default milvus_rbac\n", "default milvus-rbac\n");
                io::stdout().lock().write_all(text.as_bytes()).map_err(|e| e.to_string())
            }
            Self::Man { folder } => {
                let tell = |e: io::Error| format!("{}: {e}", folder.display());
                fs::create_dir_all(&folder).map_err(tell)?;
                clap_mangen::generate_to(command.disable_help_subcommand(true), &folder)
                    .map_err(tell)
            }
        }
    }
}
