//! Machines as network namespaces, each behind a link to the test, which routes between them.
//! Between two of them packets can be lost, without a word to either.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;

use crate::etcd::server::Place;

/// What is needed: namespaces, links between them, and rules by which packets are lost.
const TRY: &str = "mount -t tmpfs none /run
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
ip netns add try
ip link add try type veth peer name out netns try
nsenter --net=/run/netns/try ip link set lo up
ip rule add from 10.0.0.1 to 10.0.0.2 blackhole";

/// The command that runs a program in fresh namespaces, where nothing outside can be changed: as
/// root, or as the root of a user namespace of its own. Whatever it starts ends with it. None where
/// the kernel forbids all of that; then the text says how.
pub(super) fn apart() -> Result<Command, String> {
    let mut told = String::new();
    for own in [&[][..], &["--user", "--map-root-user"]] {
        let unshare = || {
            let mut command = Command::new("unshare");
            command.args(own).args(["--net", "--mount", "--pid", "--fork", "--kill-child"]);
            command
        };
        let tried = unshare().args(["sh", "-ec", TRY]).output().unwrap();
        if tried.status.success() {
            return Ok(unshare());
        }
        told.push_str(&String::from_utf8_lossy(&tried.stderr));
    }
    Err(told)
}

/// Machines, numbered from 0, and who does not reach whom.
pub(super) struct Net {
    lost: Mutex<Vec<(usize, usize)>>,
}

impl Net {
    pub(super) fn lay(machines: usize) -> Self {
        run("mount -t tmpfs none /run; ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward");
        for machine in 0..machines {
            let (test, host) = (format!("10.77.{machine}.1"), host(machine));
            run(&format!(
                "ip netns add m{machine}
                ip link add m{machine} type veth peer name out netns m{machine}
                ip addr add {test}/30 dev m{machine}
                ip link set m{machine} up
                ip -n m{machine} link set lo up
                ip -n m{machine} addr add {host}/30 dev out
                ip -n m{machine} link set out up
                ip -n m{machine} route add default via {test}"
            ));
        }
        Self { lost: Mutex::default() }
    }

    pub(super) fn place(&self, machine: usize) -> Place {
        let namespace = Some(PathBuf::from(format!("/run/netns/m{machine}")));
        Place { host: host(machine), namespace }
    }

    /// From now on nothing passes between the two.
    pub(super) fn cut(&self, a: usize, b: usize) {
        self.lose(a, b);
        self.lose(b, a);
    }

    /// From now on what one sends does not reach the other.
    pub(super) fn lose(&self, from: usize, to: usize) {
        run(&format!("ip rule add from {} to {} blackhole", host(from), host(to)));
        self.lost.lock().unwrap().push((from, to));
    }

    /// From now on everything passes.
    pub(super) fn heal(&self) {
        for (from, to) in self.lost.lock().unwrap().drain(..) {
            run(&format!("ip rule del from {} to {} blackhole", host(from), host(to)));
        }
    }
}

fn host(machine: usize) -> String {
    format!("10.77.{machine}.2")
}

fn run(script: &str) {
    let status = Command::new("sh").args(["-ec", script]).stdin(Stdio::null()).status();
    assert!(status.unwrap().success(), "{script}");
}
