//! What there is in the world of the model.

use std::collections::BTreeSet;

/// How old the state may be on which something is decided.
pub(super) const MAX_STALENESS: u8 = 1;
/// How long an instance key outlives its last keep-alive.
pub(super) const TTL: u8 = 2;

/// What makes the protocol safe; each can be taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Safeguard {
    /// A commit happens only at the revision that it expects.
    Compare,
    /// What may come late is made to fail before it is looked for.
    Fence,
    /// A commit is acknowledged when the watch has told of it.
    WatchBeforeAnswer,
    /// Whoever asks with a revision waits for it.
    MinRevision,
    /// Nothing is decided on a state that may be too old.
    StaleDenied,
    /// What was found to be so already is committed all the same, without changes.
    NothingIsCommitted,
    /// A batch was not committed only if all is remembered that followed what it expected.
    RememberedWithoutGap,
    /// A commit whose outcome cannot be read is unknown, not refused.
    FailedLoadIsUnknown,
    /// A strict revoke waits for the instance keys.
    InstanceKeys,
    /// … as they are when the commit has been heard of.
    KeysAfterCommit,
    /// Nothing is decided once the lease may have run out.
    Lease,
    /// A load comes after the registration, and counts no longer than its lease.
    RegisteredBeforeLoad,
    /// What was confirmed before a new registration does not count any more.
    FreshAfterRegistration,
    /// A follower is no fresher than its centre.
    CentresStaleness,
}

/// A scope: how many of everything.
#[derive(Debug, Clone)]
pub(super) struct Protocol {
    pub(super) instances: u8,
    /// The last instance follows the first instead of the store.
    pub(super) chain: bool,
    pub(super) grants: u8,
    /// Clients grant, or do nothing but revoke.
    pub(super) puts: bool,
    /// Changes that clients ask for.
    pub(super) calls: usize,
    /// Crashes, lost answers, broken watches, waits that end.
    pub(super) faults: u8,
    /// How far time goes.
    pub(super) horizon: u8,
    /// Whether the first grant is there from the start.
    pub(super) granted: bool,
    pub(super) strict: bool,
    pub(super) without: Option<Safeguard>,
    pub(super) properties: Vec<&'static str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Effect {
    pub(super) put: bool,
    pub(super) grant: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Batch {
    /// With the attempt and `fence`, the batch id.
    pub(super) call: u8,
    pub(super) attempt: u8,
    pub(super) fence: bool,
    pub(super) expected: u8,
    pub(super) revision: u8,
    pub(super) effect: Option<Effect>,
}

/// What the writer of an instance is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Work {
    Idle,
    /// A commit is under way, or its answer.
    Sent {
        batch: Batch,
        answer: Option<bool>,
    },
    /// Its fence is.
    Fencing {
        batch: Batch,
        answered: bool,
    },
    /// Waits to hear of a revision.
    Hearing {
        batch: Batch,
        revision: u8,
        fenced: bool,
    },
    /// Somebody else was quicker.
    Beaten {
        batch: Batch,
    },
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Instance {
    /// Commits that it knows: the state that it decides on.
    pub(super) heard: u8,
    /// Commits that it knew when it loaded.
    pub(super) loaded: u8,
    /// It must load before it hears more.
    pub(super) lost: bool,
    pub(super) confirmed: Option<u8>,
    /// The head was asked for at this time and had so many commits.
    pub(super) asking: Option<(u8, u8)>,
    /// When the last keep-alive that succeeded was sent.
    pub(super) lease: Option<u8>,
    pub(super) work: Work,
}

/// An instance key in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) reached: u8,
    pub(super) until: u8,
}

/// What a client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Told {
    Nothing,
    /// Nothing yet: the commit at this position is not in force everywhere.
    Waits {
        position: u8,
    },
    /// Done: with the commits up to `covers`, it holds.
    Acknowledged {
        revision: u8,
        covers: u8,
        when: u8,
        committed: bool,
    },
    Refused,
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Call {
    pub(super) at: u8,
    pub(super) effect: Effect,
    pub(super) told: Told,
    /// Commits acknowledged before it began.
    pub(super) known: u8,
    /// Instance keys there were when it began.
    pub(super) keys: u8,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    pub(super) now: u8,
    pub(super) faults: u8,
    pub(super) log: Vec<Batch>,
    pub(super) requests: BTreeSet<Batch>,
    pub(super) instances: Vec<Instance>,
    pub(super) keys: Vec<Option<Key>>,
    pub(super) calls: Vec<Call>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Tick,
    Call {
        at: usize,
        effect: Effect,
    },
    Arrive(Batch),
    /// The answer of the store arrives.
    Answer(usize),
    Hear(usize),
    /// The writer goes on, having heard what it waited for.
    GoOn(usize),
    /// The writer waits no longer.
    GiveUp(usize),
    LoseWatch(usize),
    LoadFails(usize),
    Load(usize),
    Crash(usize),
    AskHead(usize),
    Confirm(usize),
    Register(usize),
    KeepAlive(usize),
    Report(usize),
    InForce(usize),
}
