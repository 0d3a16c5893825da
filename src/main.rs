//! Arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use milvus_rbac::config::{Cli, Config, Ends, Reset, Task};
use milvus_rbac::telemetry::LogFormat;
use milvus_rbac::{app, telemetry};

/// Answers are made of many small texts: a fifth less of the processor's time than with glibc's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const FAILED: u8 = 1;
const BAD_USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        // A plan that changes something ends with what bad usage ends with elsewhere.
        Err(e) if e.use_stderr() && std::env::args_os().nth(1).is_some_and(|arg| arg == "plan") => {
            let _ = e.print();
            return ExitCode::from(FAILED);
        }
        Err(e) => e.exit(),
    };
    let outcome = match Task::try_from(cli) {
        Ok(Task::Serve(config)) => return serve(*config),
        Ok(Task::Copy(ends)) => copy(*ends),
        Ok(Task::Reset(reset)) => reset_root(*reset),
        Ok(Task::Manual(manual)) => manual.print(),
        Ok(Task::Client(command)) => return command.run(),
        Err(e) => return fail(&e, BAD_USAGE),
    };
    ended(outcome)
}

fn serve(config: Config) -> ExitCode {
    if let Err(e) = telemetry::start_logs(config.log_format, &config.log_level) {
        return fail(&e, BAD_USAGE);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let outcome = match runtime {
        Ok(runtime) => {
            let outcome = runtime.block_on(app::run(config));
            // A store that is still being opened uses it until the process ends.
            std::mem::forget(runtime);
            outcome
        }
        Err(e) => Err(e.to_string()),
    };
    ended(outcome)
}

/// What is passed over in a store is told, as it is by a server.
fn copy(ends: Ends) -> Result<(), String> {
    telemetry::start_logs(LogFormat::Text, "warn")?;
    app::copy(ends)
}

fn reset_root(reset: Reset) -> Result<(), String> {
    telemetry::start_logs(LogFormat::Text, "warn")?;
    let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
    runtime.block_on(app::reset(reset))
}

fn ended(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => fail(&e, FAILED),
    }
}

/// What ends the process is told whatever the log level.
fn fail(error: &str, code: u8) -> ExitCode {
    eprintln!("error: {error}");
    ExitCode::from(code)
}
