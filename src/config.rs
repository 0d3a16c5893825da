//! The command line. Two types, one conversion: [`Flags`] are what was typed, [`Config`] is what it
//! means and has been checked.

mod audit;
mod etcd;
mod life_cycle;
mod manual;
mod reset;
mod sidecar;
mod store;
mod tls;
mod traces;

pub use self::manual::Manual;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::life_cycle::LifeCycle;
pub use self::reset::Reset;
pub use self::sidecar::Behind;
use self::sidecar::SidecarFlags;
use crate::cli;
use crate::engine::Sharing;
use crate::gate::Options;
use crate::model::builtin::BuiltInGroups;
use crate::model::command::Rules;
use crate::model::name;
use crate::passwords::read_file;
use crate::storage::Login;
use crate::storage::etcd::Target;
use crate::storage::follow;
use crate::storage::trail::Keep;
use crate::telemetry::{Collector, LogFormat};
use crate::tls::server::ServerTls;

/// Milvus' access control (users, roles, grants, privilege groups) as one small server.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve; this is what happens without a command.
    Serve(Box<Flags>),
    /// What concerns a store while no server uses it.
    #[command(subcommand)]
    Store(StoreCommand),
    /// Give root a new password, where it is lost, in the store itself.
    ResetRootPassword(reset::ResetFlags),
    #[command(flatten)]
    Client(cli::Command),
    #[command(flatten)]
    Manual(Manual),
}

#[derive(Debug, Subcommand)]
enum StoreCommand {
    /// Copy all records into an empty store, and check them there.
    Copy(CopyFlags),
}

#[derive(Debug, Args)]
struct CopyFlags {
    /// Where the records are: `sled:DIR`, `etcd://H1:2379/ROOT` or `etcds:`.
    #[arg(long, value_name = "URL")]
    from: String,
    /// Where they go: a store without any.
    #[arg(long, value_name = "URL")]
    to: String,
    #[command(flatten)]
    reach: store::StoreFlags,
}

/// What is to be done.
#[derive(Debug)]
pub enum Task {
    /// Serve.
    Serve(Box<Config>),
    /// Copy one store into another.
    Copy(Box<Ends>),
    /// Give root a new password.
    Reset(Box<Reset>),
    /// Ask a server.
    Client(Box<cli::Command>),
    /// Print something about the command line.
    Manual(Manual),
}

/// Where records come from, and where they go.
#[derive(Debug)]
pub struct Ends {
    /// The store that is there.
    pub from: StoreUrl,
    /// The empty one.
    pub to: StoreUrl,
}

impl TryFrom<Cli> for Task {
    type Error = String;

    fn try_from(cli: Cli) -> Result<Self, String> {
        match cli.command {
            Some(Command::Store(StoreCommand::Copy(copy))) => copy.try_into(),
            Some(Command::ResetRootPassword(flags)) => flags.try_into(),
            Some(Command::Client(command)) => Ok(Self::Client(Box::new(command))),
            Some(Command::Manual(manual)) => Ok(Self::Manual(manual)),
            Some(Command::Serve(flags)) => Ok(Self::Serve(Box::new((*flags).try_into()?))),
            None => Ok(Self::Serve(Box::new(cli.flags.try_into()?))),
        }
    }
}

impl TryFrom<CopyFlags> for Task {
    type Error = String;

    fn try_from(flags: CopyFlags) -> Result<Self, String> {
        let is_etcd = |url: &str| url.starts_with("etcd");
        let none = store::StoreFlags::default();
        let store = |flag: &str, url: &str| {
            // They are for whichever of the two is an etcd, and has TLS.
            let mut reach = if is_etcd(url) { flags.reach.clone() } else { none.clone() };
            if !url.starts_with("etcds:") {
                reach.tls = none.tls.clone();
            }
            match store_url(flag, url, &reach)? {
                StoreUrl::Follow(_) | StoreUrl::Memory => {
                    Err(format!("{flag}: `{url}` is none of sled:DIR, etcd://HOST:PORT/ROOT"))
                }
                store => Ok(store),
            }
        };
        let both = [&flags.from, &flags.to];
        match both.iter().filter(|url| is_etcd(url)).count() {
            0 => flags.reach.refuse()?,
            1 => {}
            // INVARIANT: no password and no certificate goes to an etcd that it is not for. Defended
            // by `tests/it/etcd/copied.rs`.
            _ => flags.reach.refuse_for_two(&both.map(|url| url.starts_with("etcds:")))?,
        }
        if !both.iter().any(|url| url.starts_with("etcds:")) {
            flags.reach.tls.refuse()?;
        }
        let ends = Ends { from: store("--from", &flags.from)?, to: store("--to", &flags.to)? };
        Ok(Self::Copy(Box::new(ends)))
    }
}

/// The flags as typed. Each has an environment twin: `--max-users` is `MILVUS_RBAC_MAX_USERS`.
#[derive(Debug, Args)]
pub struct Flags {
    /// Data port: gRPC and REST. Port 0 picks a free one.
    #[arg(
        long,
        env = "MILVUS_RBAC_LISTEN",
        default_value = "127.0.0.1:19530",
        value_name = "ADDR"
    )]
    listen: String,
    /// Port for health and metrics; `off` disables it.
    #[arg(
        long,
        env = "MILVUS_RBAC_ADMIN_LISTEN",
        default_value = "127.0.0.1:9091",
        value_name = "ADDR"
    )]
    admin_listen: String,
    /// Where everything is kept: `sled:DIR`, `memory:`, or an etcd, `etcd://H1:2379,H2:2379/ROOT`
    /// (`etcds:` with TLS), where ROOT is Milvus' meta root, such as `by-dev/meta`. etcd's own
    /// limits are told by `?max-txn-ops=N&max-request-bytes=N` where they are not 128 operations in
    /// a transaction and 1572864 bytes in a request. Or
    /// `follow://HOST:PORT` (`follows:` with TLS), another instance whose changes are followed and
    /// which makes them.
    #[arg(
        long,
        env = "MILVUS_RBAC_STORE",
        default_value = "sled:./milvus-rbac-data",
        value_name = "URL"
    )]
    store: String,
    /// Where several instances share a store: how many seconds old the state may be on which
    /// something is decided. Beyond, the instance is not ready and refuses everything.
    #[arg(long, env = "MILVUS_RBAC_MAX_STALENESS", default_value_t = Sharing::default().max_staleness.as_secs(),
          value_name = "S", value_parser = clap::value_parser!(u64).range(2..=3600))]
    max_staleness: u64,
    /// With an etcd: acknowledge what takes something away only when it is in force at all instances.
    #[arg(long, env = "MILVUS_RBAC_STRICT_REVOKES")]
    strict_revokes: bool,
    /// Off: credentials are ignored and nothing is refused.
    #[arg(long, env = "MILVUS_RBAC_AUTHORIZATION", default_value = "on")]
    authorization: Switch,
    /// Holds the password of `root` for when it does not exist yet, 6 to 72 bytes; without it,
    /// `Milvus`. The end of the line does not count.
    #[arg(long, env = "MILVUS_RBAC_ROOT_PASSWORD_FILE", value_name = "FILE")]
    root_password_file: Option<PathBuf>,
    /// Most users, `root` included; 0 for no limit.
    #[arg(long, env = "MILVUS_RBAC_MAX_USERS", default_value_t = 100, value_name = "N")]
    max_users: usize,
    /// Most roles, `admin` and `public` included; 0 for no limit.
    #[arg(long, env = "MILVUS_RBAC_MAX_ROLES", default_value_t = 10, value_name = "N")]
    max_roles: usize,
    /// YAML that replaces members of built-in privilege groups: `ClusterReadOnly: [ListDatabases]`.
    #[arg(long, env = "MILVUS_RBAC_BUILTIN_GROUPS_FILE", value_name = "FILE")]
    builtin_groups_file: Option<PathBuf>,
    /// Work per password hash, as a power of two: 4 to 14.
    #[arg(long, env = "MILVUS_RBAC_BCRYPT_COST", default_value_t = 10, value_name = "N",
          value_parser = clap::value_parser!(u32).range(4..=14))]
    bcrypt_cost: u32,
    /// gRPC reflection, for grpcurl and the like.
    #[arg(long, env = "MILVUS_RBAC_REFLECTION", default_value = "on")]
    reflection: Switch,
    /// How log lines look.
    #[arg(long, env = "MILVUS_RBAC_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, `off`, or a filter such as `milvus_rbac=debug`.
    #[arg(long, env = "MILVUS_RBAC_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// Keep who may do what as this document says: it is applied at the start, when it changes, and
    /// when somebody else changed what it says. See `plan` and `apply`.
    #[arg(long, env = "MILVUS_RBAC_POLICY", value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Remove what is not in that document.
    #[arg(long, env = "MILVUS_RBAC_POLICY_PRUNE", requires = "policy")]
    policy_prune: bool,
    /// After how many seconds it is put back what others changed of it.
    #[arg(long, env = "MILVUS_RBAC_POLICY_INTERVAL", default_value_t = 30, value_name = "S",
          value_parser = clap::value_parser!(u64).range(1..=86400))]
    policy_interval: u64,
    #[command(flatten)]
    reach: store::StoreFlags,
    #[command(flatten)]
    audit: audit::AuditFlags,
    #[command(flatten)]
    life_cycle: life_cycle::LifeCycleFlags,
    #[command(flatten)]
    sidecar: SidecarFlags,
    #[command(flatten)]
    tls: tls::ServerTlsFlags,
    #[command(flatten)]
    traces: traces::TraceFlags,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Switch {
    On,
    Off,
}

/// Where the state is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreUrl {
    /// A folder.
    Sled(PathBuf),
    /// An etcd, shared with others.
    Etcd(Target),
    /// Nowhere: gone with the process.
    Memory,
    /// Another instance.
    Follow(follow::Target),
}

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The data port.
    pub listen: String,
    /// Its TLS, if it has any.
    pub tls: Option<ServerTls>,
    /// The admin port, if there is one.
    pub admin_listen: Option<String>,
    /// The store.
    pub store: StoreUrl,
    /// Who this instance is to the one that it follows.
    pub store_login: Option<Login>,
    /// How much of the audit trail is kept.
    pub keep: Keep,
    /// What holds where others change it too.
    pub sharing: Sharing,
    /// How this instance ends while others serve on.
    pub life_cycle: LifeCycle,
    /// How calls are decided.
    pub gate: Options,
    /// The Milvus behind the gate.
    pub upstream: Option<Behind>,
    /// The password of a new `root`; none for the default one.
    pub root_password: Option<Vec<u8>>,
    /// The document that is kept true.
    pub policy: Option<PolicyFile>,
    /// Limits and groups.
    pub rules: Rules,
    /// bcrypt's cost for new hashes.
    pub bcrypt_cost: u32,
    /// Whether reflection is served.
    pub reflection: bool,
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged.
    pub log_level: String,
    /// Who takes spans, if anybody.
    pub collector: Option<Collector>,
}

/// A document that is kept true.
#[derive(Debug)]
pub struct PolicyFile {
    /// Where it is.
    pub file: PathBuf,
    /// Whether what is not in it goes.
    pub prune: bool,
    /// After how long what others change is put back.
    pub interval: Duration,
}

impl TryFrom<Flags> for Config {
    type Error = String;

    fn try_from(flags: Flags) -> Result<Self, String> {
        let store = store_url("--store", &flags.store, &flags.reach)?;
        if flags.strict_revokes && !matches!(store, StoreUrl::Etcd(_)) {
            return Err("--strict-revokes needs --store etcd:// or etcds://".to_owned());
        }
        if flags.policy.is_some() && matches!(store, StoreUrl::Follow(_)) {
            return Err("--policy belongs to the instance that is followed".to_owned());
        }
        let (prune, interval) = (flags.policy_prune, Duration::from_secs(flags.policy_interval));
        Ok(Self {
            listen: address("--listen", flags.listen)?,
            tls: flags.tls.open()?,
            admin_listen: match flags.admin_listen.as_str() {
                "off" => None,
                _ => Some(address("--admin-listen", flags.admin_listen)?),
            },
            store_login: match &store {
                StoreUrl::Follow(_) => flags.reach.login()?,
                StoreUrl::Sled(_) | StoreUrl::Etcd(_) | StoreUrl::Memory => None,
            },
            store,
            keep: flags.audit.into(),
            life_cycle: flags.life_cycle.into(),
            sharing: Sharing {
                max_staleness: Duration::from_secs(flags.max_staleness),
                strict_revokes: flags.strict_revokes,
            },
            gate: Options {
                authorization: flags.authorization == Switch::On,
                audit_only: flags.sidecar.audit_only,
                audit_allowed: flags.sidecar.audit_allowed,
                resolve_aliases: flags.sidecar.resolve_aliases == Switch::On,
                ext_authz: flags.sidecar.ext_authz == Switch::On,
            },
            upstream: flags.sidecar.behind()?,
            root_password: flags
                .root_password_file
                .map(|file| password("--root-password-file", &file))
                .transpose()?,
            policy: flags.policy.map(|file| PolicyFile { file, prune, interval }),
            rules: Rules {
                max_users: flags.max_users,
                max_roles: flags.max_roles,
                groups: flags
                    .builtin_groups_file
                    .map_or_else(|| Ok(BuiltInGroups::default()), |file| groups(&file))?,
            },
            bcrypt_cost: flags.bcrypt_cost,
            reflection: flags.reflection == Switch::On,
            log_format: flags.log_format,
            log_level: flags.log_level,
            collector: flags.traces.collector()?,
        })
    }
}

fn address(flag: &str, address: String) -> Result<String, String> {
    let port = address
        .rsplit_once(':')
        .and_then(|(host, port)| Some(port.parse::<u16>().ok()?).filter(|_| !host.is_empty()));
    match port {
        Some(_) => Ok(address),
        None => Err(format!("{flag}: `{address}` is not HOST:PORT, such as 127.0.0.1:19530")),
    }
}

fn store_url(flag: &str, url: &str, reach: &store::StoreFlags) -> Result<StoreUrl, String> {
    if let Some((scheme @ ("etcd" | "etcds"), rest)) = url.split_once(':') {
        return etcd::target(flag, rest, scheme == "etcds", reach).map(StoreUrl::Etcd);
    }
    if let Some((scheme @ ("follow" | "follows"), center)) = url.split_once(':') {
        let authority = crate::tls::address(flag, &format!("http:{center}"));
        let (authority, _) =
            authority.map_err(|_| format!("{flag}: `{url}` is not {scheme}://HOST:PORT"))?;
        let tls = reach.tls.files(scheme == "follows")?;
        return Ok(StoreUrl::Follow(follow::Target { authority, tls }));
    }
    reach.refuse()?;
    match url.split_once(':') {
        Some(("sled", folder)) if !folder.is_empty() => Ok(StoreUrl::Sled(folder.into())),
        Some(("memory", "")) => Ok(StoreUrl::Memory),
        _ => Err(format!(
            "{flag}: `{url}` is none of sled:DIR, memory:, etcd://HOST:PORT/ROOT, follow://HOST:PORT"
        )),
    }
}

/// The file's text, without the line's end.
fn password(flag: &str, file: &Path) -> Result<Vec<u8>, String> {
    let password = read_file(file).map_err(|e| format!("{flag} {e}"))?;
    name::check_password(&password).map_err(|e| format!("{flag} {}: {e}", file.display()))?;
    Ok(password)
}

fn groups(file: &PathBuf) -> Result<BuiltInGroups, String> {
    let tell = |e: String| format!("--builtin-groups-file {}: {e}", file.display());
    let text = fs::read_to_string(file).map_err(|e| tell(e.to_string()))?;
    let lists: BTreeMap<String, Vec<String>> =
        serde_saphyr::from_str(&text).map_err(|e| tell(e.to_string()))?;
    BuiltInGroups::overridden(&lists).map_err(tell)
}
