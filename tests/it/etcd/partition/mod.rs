//! Three instances over three etcds, each on a machine of its own: links between them are cut
//! without a word, the clock of an instance jumps, or one is stopped or killed, while clients at all of
//! them write down what they are told.

mod clients;
mod history;
mod net;

use std::io::Read as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use milvus_rbac::engine::Sharing;
use milvus_rbac::rpc::proto::service::AllocTimestampRequest;
use proptest::prelude::Rng as _;
use proptest::test_runner::{RngAlgorithm, TestRng};
use tempfile::TempDir;

use self::clients::Clients;
use self::history::{Fate, Told};
use self::net::{Net, apart};
use super::server::{Etcd, Place};
use crate::cli::as_root;
use crate::support::{LIMIT, Server, command, missing, rounds, signal};

/// Tells the test that it runs where links can be cut.
const INSIDE: &str = "MILVUS_RBAC_PARTITION_INSIDE";

const MEMBERS: usize = 3;
const INSTANCES: usize = 3;
/// An instance that is started again is found where it was.
const PORT: u16 = 19530;
/// The instance whose clock jumps.
const JUMPING: usize = 2;
/// What is promised of answers.
const PROMISED: Sharing = Sharing { max_staleness: Duration::from_secs(2), strict_revokes: false };
/// How long a trouble lasts at least: longer than the bound, and than an election takes; and a long
/// one: longer than an instance looks for what became of a change.
const TROUBLE: Duration = Duration::from_secs(3);
const LONG_TROUBLE: Duration = Duration::from_secs(25);

/// Troubles in a run: not all, for the sake of time.
const ROUNDS: usize = 5;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The member that leads is cut off from the other members, not from the instances.
    LeaderAlone,
    /// An instance is cut off from all members.
    InstanceAlone,
    /// An instance is heard by all members, and hears nothing.
    InstanceDeaf,
    /// The same with all instances: whatever is under way is done, and nobody hears of it.
    AllDeaf,
    /// An instance reaches one member alone, which is cut off from the others.
    WithMinority,
    /// The clock of an instance is hours ahead, and then hours behind.
    ClockJumps,
    /// An instance does not run, and then goes on as if nothing had been.
    InstanceStopped,
    /// An instance is killed, and started again.
    InstanceKilled,
}

const TROUBLES: [Trouble; 8] = [
    Trouble::LeaderAlone,
    Trouble::InstanceAlone,
    Trouble::InstanceDeaf,
    Trouble::AllDeaf,
    Trouble::WithMinority,
    Trouble::ClockJumps,
    Trouble::InstanceStopped,
    Trouble::InstanceKilled,
];

/// A clock that is set while a process runs. libfaketime, which would do, was seen to let go of it under
/// load, and leaves files behind.
struct Clock {
    folder: TempDir,
}

impl Clock {
    fn new() -> Self {
        let clock = Self { folder: TempDir::new().unwrap() };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/etcd/partition/clock.c");
        let built = Command::new("cc")
            .args(["-Wall", "-Werror", "-shared", "-fPIC", source, "-o"])
            .arg(clock.library())
            .status();
        assert!(built.unwrap().success());
        clock.set(0);
        clock
    }

    fn library(&self) -> PathBuf {
        self.folder.path().join("clock.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("offset")
    }

    /// How far it is from the real one.
    fn set(&self, hours: i64) {
        let new = self.folder.path().join("new");
        std::fs::write(&new, (hours * 3600).to_string()).unwrap();
        std::fs::rename(new, self.file()).unwrap();
    }

    /// Has a process go by it.
    fn rule(&self, command: &mut Command) {
        command.env("LD_PRELOAD", self.library()).env("CLOCK_OFFSET", self.file());
    }
}

/// What is random in a run; the same for the same seed.
struct Random(TestRng);

impl Random {
    fn new(seed: u64) -> Self {
        let seed: [u8; 32] = std::array::from_fn(|at| seed.to_le_bytes()[at % 8]);
        Self(TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }

    fn another(&mut self) -> Self {
        Self::new(self.0.next_u64())
    }

    fn below(&mut self, count: usize) -> usize {
        self.0.next_u32() as usize % count
    }

    /// All troubles, in some order.
    fn troubles(&mut self) -> Vec<Trouble> {
        let mut left = TROUBLES.to_vec();
        (0..left.len()).map(|_| left.swap_remove(self.below(left.len()))).collect()
    }
}

struct World {
    net: Net,
    members: Vec<Etcd>,
    /// Those that start the instances.
    commands: Vec<Command>,
    servers: Vec<Server>,
    clock: Clock,
}

impl World {
    fn start(promised: Sharing) -> Self {
        let net = Net::lay(MEMBERS + INSTANCES);
        let places: Vec<_> = (0..MEMBERS).map(|member| net.place(member)).collect();
        let members = Etcd::cluster_at(&places);
        let endpoints: Vec<_> = members.iter().map(Etcd::address).collect();
        let url = format!("etcd://{}/apart/meta", endpoints.join(","));
        let clock = Clock::new();
        let commands = (0..INSTANCES).map(|instance| {
            let mut command = at(&net.place(MEMBERS + instance), &command(&url));
            command.args(["--max-staleness", &promised.max_staleness.as_secs().to_string()]);
            if promised.strict_revokes {
                command.arg("--strict-revokes");
            }
            if instance == JUMPING {
                clock.rule(&mut command);
            }
            command
        });
        let mut commands: Vec<_> = commands.collect();
        let servers = commands.iter_mut().map(Server::run).collect();
        Self { net, members, commands, servers, clock }
    }

    /// The member that leads, where the members say so.
    fn leader(&self, members: impl IntoIterator<Item = usize>) -> Option<usize> {
        members.into_iter().find(|member| {
            let answer = self.members[*member].post("maintenance/status", "{}");
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            let status: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
            status["leader"].is_string() && status["leader"] == status["header"]["member_id"]
        })
    }

    fn cut_off(&self, member: usize) {
        let others = (0..MEMBERS).filter(|other| *other != member);
        others.for_each(|other| self.net.cut(member, other));
    }

    /// What the clock of the instance that jumps says, in milliseconds since 1970.
    async fn timestamp(&self) -> u64 {
        let mut root = self.servers[JUMPING].root().await;
        let give_up = Instant::now() + LIMIT;
        loop {
            match root.alloc_timestamp(AllocTimestampRequest::default()).await {
                Ok(answer) => return answer.into_inner().timestamp >> 18,
                Err(e) => assert!(Instant::now() < give_up, "{e}"),
            }
        }
    }

    async fn jump(&self, clients: &Clients) {
        let hour = 3_600_000;
        let real = u64::try_from(UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
        self.clock.set(5);
        self.until_all_go_on(&[JUMPING], clients).await;
        let ahead = self.timestamp().await;
        assert!(ahead > real + 4 * hour, "the clock did not go forward");
        self.clock.set(-7);
        self.until_all_go_on(&[JUMPING], clients).await;
        // Timestamps never go back: they are counted on until the clock is there again.
        assert_eq!(self.timestamp().await, ahead, "the clock did not go back");
    }

    /// Waits until changes that are asked for from now on are acknowledged by these instances.
    async fn until_all_go_on(&self, instances: &[usize], clients: &Clients) {
        self.until_told(instances, clients, Told::is_change).await;
    }

    /// Waits until these instances have answered several such calls that are asked from now on.
    async fn until_told(&self, instances: &[usize], clients: &Clients, which: fn(&Told) -> bool) {
        let book = &clients.book;
        let since = book.now();
        let goes_on = |instance: &usize| {
            assert!(clients.go_on(), "a client was told what it cannot understand");
            let answered = |told: &Told| which(told) && told.revision().is_some();
            book.count(since, |told| told.instance == *instance && answered(told)) > 3
        };
        until("changes", || instances.iter().all(goes_on).then_some(())).await;
    }

    /// Lets a trouble happen, and everything go on. Returns whether instances that heard nothing
    /// said so.
    async fn suffer(
        &mut self,
        (trouble, lasting): (Trouble, Duration),
        random: &mut Random,
        clients: &Clients,
    ) -> bool {
        let book = &clients.book;
        let (member, instance) = (random.below(MEMBERS), random.below(INSTANCES));
        let now = book.now();
        println!("{now:?}: {trouble:?} for {lasting:?} (member {member}, instance {instance})");
        let (began, all) = (book.now(), Vec::from_iter(0..INSTANCES));
        let cut_off = match trouble {
            Trouble::LeaderAlone | Trouble::ClockJumps => vec![],
            Trouble::AllDeaf => all.clone(),
            _ => vec![instance],
        };
        let place = MEMBERS + instance;
        let mut leads = None;
        match trouble {
            Trouble::LeaderAlone => {
                let leader = until("a leader", || self.leader(0..MEMBERS)).await;
                self.cut_off(leader);
                leads = Some(leader);
            }
            Trouble::InstanceAlone => (0..MEMBERS).for_each(|to| self.net.cut(place, to)),
            Trouble::InstanceDeaf | Trouble::AllDeaf => {
                for instance in &cut_off {
                    (0..MEMBERS).for_each(|from| self.net.lose(from, MEMBERS + instance));
                }
            }
            Trouble::WithMinority => {
                self.cut_off(member);
                (0..MEMBERS).filter(|to| *to != member).for_each(|to| self.net.cut(place, to));
            }
            Trouble::ClockJumps => self.jump(clients).await,
            Trouble::InstanceStopped => signal(self.servers[instance].pid(), "STOP"),
            Trouble::InstanceKilled => self.servers.remove(instance).kill(),
        }
        tokio::time::sleep(lasting).await;
        if let Some(leader) = leads {
            let others = (0..MEMBERS).filter(|member| *member != leader);
            until("another leader", || self.leader(others.clone())).await;
        }
        let mut others = all.clone();
        others.retain(|one| !cut_off.contains(one));
        self.until_all_go_on(&others, clients).await;
        let refused = |one: &usize| {
            book.count(began, |told| told.instance == *one && told.fate == Fate::Refused) > 0
        };
        let runs = !matches!(trouble, Trouble::InstanceStopped | Trouble::InstanceKilled);
        let said = !runs || cut_off.iter().all(refused);
        self.net.heal();
        self.clock.set(0);
        match trouble {
            Trouble::InstanceStopped => {
                signal(self.servers[instance].pid(), "CONT");
                book.goes_on(instance, began);
            }
            Trouble::InstanceKilled => {
                let command = &mut self.commands[instance];
                let server = tokio::task::block_in_place(|| Server::run(command));
                self.servers.insert(instance, server);
            }
            _ => {}
        }
        self.until_told(&all, clients, Told::is_revoke).await;
        said
    }
}

/// The same command at a place.
fn at(place: &Place, plain: &Command) -> Command {
    let mut command = place.command(plain.get_program().to_str().unwrap());
    command.env_clear().stdout(Stdio::piped());
    for (key, value) in plain.get_envs() {
        command.env(key, value.unwrap());
    }
    command.env("MILVUS_RBAC_LISTEN", format!("{}:{PORT}", place.host));
    command
}

async fn until<T>(what: &str, found: impl Fn() -> Option<T>) -> T {
    let give_up = Instant::now() + LIMIT * 3;
    loop {
        if let Some(found) = tokio::task::block_in_place(&found) {
            return found;
        }
        assert!(Instant::now() < give_up, "{what}: it does not happen");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn inside(promised: Sharing) {
    let seed =
        rounds("MILVUS_RBAC_PARTITION_SEED", UNIX_EPOCH.elapsed().unwrap().subsec_nanos() as usize)
            as u64;
    println!("MILVUS_RBAC_PARTITION_SEED={seed}");
    let mut random = Random::new(seed);
    let mut world = tokio::task::block_in_place(|| World::start(promised));
    let clients = Clients::start(&world.servers, &mut random).await;
    let mut silent = Vec::new();
    let mut troubles = Vec::new();
    for round in 0..rounds("MILVUS_RBAC_PARTITION_ROUNDS", ROUNDS) {
        if troubles.is_empty() {
            troubles = random.troubles();
        }
        let trouble = troubles.pop().unwrap();
        let is_long = round >= TROUBLES.len() && random.below(4) == 0;
        let lasting = if is_long { LONG_TROUBLE } else { TROUBLE };
        if !world.suffer((trouble, lasting), &mut random, &clients).await {
            silent.push(trouble);
        }
    }
    let book = clients.end().await;
    for (instance, server) in world.servers.iter().enumerate() {
        book.look(instance, server).await;
    }
    let history = book.history.lock().unwrap();
    history.check(promised).unwrap_or_else(|e| panic!("{e}"));
    // One chain, whoever has written when, and whatever became of the answers.
    let trail = as_root(&world.servers[0], &["audit", "verify"]);
    assert_eq!(trail.code, 0, "{}", trail.err);
    println!("{}", trail.out);
    assert!(silent.is_empty(), "nothing was refused by an instance that heard nothing: {silent:?}");
    println!("{:?}: {}", book.now(), history.figures());
}

/// Runs the test of that name where links can be cut.
fn hold(name: &str, promised: Sharing) {
    if std::env::var_os(INSIDE).is_some() {
        // Whatever becomes of the test outside, nothing is left of it.
        std::thread::spawn(|| {
            let _ = std::io::stdin().read(&mut [0]);
            std::process::exit(1)
        });
        return tokio::runtime::Runtime::new().unwrap().block_on(inside(promised));
    }
    if ["unshare", "nsenter", "ip", "cc"].into_iter().any(missing) {
        return;
    }
    let mut apart = match apart() {
        Ok(command) => command,
        Err(text) => return eprintln!("left out: no network namespaces can be made: {text}"),
    };
    let test = std::env::current_exe().unwrap();
    let name = format!("etcd::partition::{name}");
    apart.arg(test).args([&name, "--exact", "--nocapture"]).env(INSIDE, "1");
    apart.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = apart.spawn().unwrap();
    let held = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(held);
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && told.contains("1 passed"), "{}", output.status);
}

#[test]
fn answers_are_right_when_links_are_cut_and_clocks_jump() {
    hold("answers_are_right_when_links_are_cut_and_clocks_jump", PROMISED);
}

#[test]
fn revokes_are_strict_when_links_are_cut_and_clocks_jump() {
    let promised = Sharing { strict_revokes: true, ..PROMISED };
    hold("revokes_are_strict_when_links_are_cut_and_clocks_jump", promised);
}
