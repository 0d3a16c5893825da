//! What processes do to the files of a store, as strace tells it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// Tells a child which store.
pub(super) const FOLDER: &str = "MILVUS_RBAC_POWER_FOLDER";
/// Tells a child which session on the store it is.
pub(super) const SESSION: &str = "MILVUS_RBAC_POWER_SESSION";

/// What was seen, in order.
#[derive(Debug, Clone)]
pub(super) enum Event {
    Create {
        name: String,
        truncate: bool,
    },
    Write {
        name: String,
        at: Option<usize>,
        bytes: Vec<u8>,
    },
    Truncate {
        name: String,
        length: usize,
    },
    /// Of a file, or of the folder, which has no name.
    SyncBegins {
        thread: u32,
        name: String,
    },
    SyncEnds {
        thread: u32,
    },
    Rename {
        from: String,
        to: String,
    },
    Remove {
        name: String,
    },
    Acknowledged {
        revision: u64,
        line: String,
    },
}

fn unescaped(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes().chunks_exact(4).map(|hex| {
        assert_eq!(&hex[..2], b"\\x", "{text}");
        u8::from_str_radix(std::str::from_utf8(&hex[2..]).unwrap(), 16).unwrap()
    });
    bytes.collect()
}

/// The name in `folder` that a path has; empty for the folder itself.
fn name_in(folder: &Path, path: &str) -> Option<String> {
    let path = if path.starts_with("\\x") {
        String::from_utf8(unescaped(path)).unwrap()
    } else {
        path.to_owned()
    };
    let name = Path::new(&path).strip_prefix(folder).ok()?;
    Some(name.to_str().unwrap().to_owned())
}

/// The lines of strace as events. A call that was interrupted by another thread's is taken
/// together; what it does counts from its end, what it is from its beginning.
fn events(log: &str, folder: &Path) -> Vec<Event> {
    let mut unfinished: BTreeMap<u32, String> = BTreeMap::new();
    let mut events = Vec::new();
    for line in log.lines() {
        let (thread, call) = line.trim_start().split_once(' ').unwrap();
        let (thread, call) = (thread.parse().unwrap(), call.trim_start());
        let begun = call.strip_suffix(" <unfinished ...>");
        let call = match (begun, call.strip_prefix("<... ")) {
            (Some(begun), _) => begun.to_owned(),
            (_, Some(resumed)) => {
                let (_, rest) = resumed.split_once(" resumed>").unwrap();
                unfinished.remove(&thread).unwrap_or_default() + rest
            }
            _ => call.to_owned(),
        };
        if call.starts_with("+++") || call.starts_with("---") || call.contains(" = -1 ") {
            continue;
        }
        let Some((kind, arguments)) = call.split_once('(') else { continue };
        let sync = matches!(kind, "fsync" | "fdatasync");
        let of_descriptor = || {
            let (_, path) = arguments.split_once('<').unwrap();
            name_in(folder, path.split_once('>').unwrap().0)
        };
        let texts: Vec<_> = arguments.split('"').skip(1).step_by(2).collect();
        if sync
            && !line.contains(" resumed>")
            && let Some(name) = of_descriptor()
        {
            events.push(Event::SyncBegins { thread, name });
        }
        if begun.is_some() {
            unfinished.insert(thread, call);
            continue;
        }
        match kind {
            "openat" if arguments.contains("O_CREAT") => {
                if let Some(name) = name_in(folder, texts[0]) {
                    events.push(Event::Create { name, truncate: arguments.contains("O_TRUNC") });
                }
            }
            "pwrite64" | "write" => {
                assert!(!arguments.contains("\"..."), "strace cut a write short");
                let (_, result) = call.rsplit_once(" = ").unwrap();
                let mut bytes = unescaped(texts[0]);
                // `?` for a process that ended meanwhile; the system finishes such a write.
                bytes.truncate(result.parse().unwrap_or(usize::MAX));
                if let Some(name) = of_descriptor() {
                    let at = (kind == "pwrite64").then(|| {
                        let (before, _) = arguments.rsplit_once(')').unwrap();
                        before.rsplit_once(", ").unwrap().1.parse().unwrap()
                    });
                    events.push(Event::Write { name, at, bytes });
                } else if let Ok(text) = String::from_utf8(bytes) {
                    for line in text.lines() {
                        let Some(line) = line.strip_prefix("acknowledged ") else { continue };
                        let number = line.strip_prefix("revision ").unwrap();
                        let revision = number.split_once(',').unwrap().0.parse().unwrap();
                        events.push(Event::Acknowledged { revision, line: line.to_owned() });
                    }
                }
            }
            "ftruncate" => {
                if let Some(name) = of_descriptor() {
                    let length = arguments.split_once(", ").unwrap().1;
                    let length = length.split_once(')').unwrap().0.parse().unwrap();
                    events.push(Event::Truncate { name, length });
                }
            }
            "fsync" | "fdatasync" if call.ends_with("= ?") => {}
            "fsync" | "fdatasync" => events.push(Event::SyncEnds { thread }),
            "rename" => {
                if let Some(from) = name_in(folder, texts[0]) {
                    let to = name_in(folder, texts[1]).unwrap();
                    events.push(Event::Rename { from, to });
                }
            }
            "unlink" => {
                if let Some(name) = name_in(folder, texts[0]) {
                    events.push(Event::Remove { name });
                }
            }
            "openat" | "sync_file_range" => {}
            other => panic!("what does {other} do to the disk? {call:.200}"),
        }
    }
    events
}

/// What `child`, an ignored test, does to the store in `folder`.
pub(super) fn record(child: &str, folder: &Path, session: usize) -> Vec<Event> {
    let calls = "trace=openat,write,pwrite64,writev,pwritev,pwritev2,ftruncate,fallocate,truncate,\
                 rename,renameat,renameat2,unlink,unlinkat,link,linkat,copy_file_range,sendfile,\
                 fsync,fdatasync,sync_file_range,msync";
    let place = TempDir::new().unwrap();
    let log = place.path().join("log");
    let status = Command::new("strace")
        .args(["-f", "-y", "-q", "-xx", "-s", "16777216", "-e", calls, "-o"])
        .arg(&log)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", child, "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .env(SESSION, session.to_string())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{child} failed on {}", folder.display());
    events(&fs::read_to_string(log).unwrap(), folder)
}
