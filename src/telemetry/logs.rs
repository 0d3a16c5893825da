//! Lines on standard error, and how much is told in them.

use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use super::call::Call;

/// These log what they carry, and that holds secrets.
const CARRIERS: [&str; 5] = ["sled", "h2", "hyper", "tonic", "tower"];
/// The longest level or filter.
const LONGEST: usize = 1 << 10;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// What this process logs.
struct Logs {
    filter: Box<dyn Fn(EnvFilter) -> Result<(), String> + Send + Sync>,
    level: Mutex<String>,
}

static LOGS: OnceLock<Logs> = OnceLock::new();

/// Starts logging to standard error.
///
/// # Errors
/// The level is not a filter that the subscriber understands.
pub fn start_logs(format: LogFormat, level: &str) -> Result<(), String> {
    let filter = filter(level).map_err(|e| format!("--log-level: {e}"))?;
    let (filter, handle) = reload::Layer::new(filter);
    // INVARIANT: no level and no filter has the carriers log more than warnings. Defended by
    // `tests/it/telemetry/log_level.rs`.
    let carried = filter_fn(|of| {
        *of.level() <= Level::WARN || !CARRIERS.iter().any(|name| of.target().starts_with(name))
    });
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(std::io::stderr);
    let lines: Box<dyn Layer<_> + Send + Sync> = match format {
        LogFormat::Text => Box::new(lines.map_event_format(Text)),
        LogFormat::Json => Box::new(lines.json().map_event_format(Json)),
    };
    let logs = tracing_subscriber::registry().with(filter).with(carried).with(lines);
    logs.try_init().map_err(|e| e.to_string())?;
    let change = move |filter| Handle::<_, Registry>::reload(&handle, filter);
    let filter = Box::new(move |filter| change(filter).map_err(|e| e.to_string()));
    LOGS.get_or_init(|| Logs { filter, level: Mutex::new(level.to_owned()) });
    Ok(())
}

/// Changes what is logged from now on; `tell` is called with the level before, while it or the new
/// one lets warnings through. Returns it.
///
/// # Errors
/// It is no level; nothing changes.
pub fn set_log_level(level: &str, tell: impl Fn(&str)) -> Result<String, String> {
    let filter = filter(level)?;
    let logs = LOGS.get().ok_or("nothing is logged by this process")?;
    // Until it is told: of two who change it at a time, the last is the last in the log too.
    let mut current = logs.level.lock().unwrap_or_else(PoisonError::into_inner);
    let told = tracing::enabled!(target: "milvus_rbac", Level::WARN);
    if told {
        tell(&current);
    }
    (logs.filter)(filter)?;
    let before = std::mem::replace(&mut *current, level.to_owned());
    if !told {
        tell(&before);
    }
    Ok(before)
}

fn filter(level: &str) -> Result<EnvFilter, String> {
    if level.len() > LONGEST {
        return Err(format!("it is longer than {LONGEST} bytes"));
    }
    // A bare word that is no level would be taken for a target, and silence everything else.
    if level.is_empty() || !level.contains('=') && level.parse::<LevelFilter>().is_err() {
        return Err(format!(
            "`{level}` is none of error, warn, info, debug, trace, off, nor a filter"
        ));
    }
    // Values are compared as they are: a pattern could be made to take any time and memory.
    EnvFilter::builder().with_regex(false).parse(level).map_err(|e| e.to_string())
}

/// Lines for people. What concerns a call says so at their end.
///
/// INVARIANT: an event is one line, whatever is in it. Defended by `tests/it/telemetry/logs.rs`.
struct Text<F>(F);

/// Lines for machines. What concerns a call has it in a field of its own.
struct Json<F>(F);

impl<S, N, F> FormatEvent<S, N> for Text<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        for c in line.trim_end().chars() {
            if c.is_control() {
                write!(writer, "{}", c.escape_default())?;
            } else {
                writer.write_char(c)?;
            }
        }
        if let Some(told) = Call::current().map(|call| call.told()) {
            let (request, user, revision) = (&told.request_id, &told.user, told.revision);
            write!(writer, " call{{request_id={request:?} user={user:?} revision={revision}")?;
            if let Some(from) = told.from {
                write!(writer, " from={from}")?;
            }
            if let Some(trace) = told.trace_id {
                write!(writer, " trace_id={trace}")?;
            }
            writer.write_char('}')?;
        }
        writeln!(writer)
    }
}

impl<S, N, F> FormatEvent<S, N> for Json<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.0.format_event(context, Writer::new(&mut line), event)?;
        let (line, call) = (line.trim_end(), Call::current().map(|call| call.told()));
        match (line.strip_suffix('}'), call) {
            (Some(open), Some(told)) => {
                let told = serde_json::to_string(&told).map_err(|_| fmt::Error)?;
                writeln!(writer, "{open},\"call\":{told}}}")
            }
            _ => writeln!(writer, "{line}"),
        }
    }
}
