//! The world of the model: what can happen next.
//!
//! Where a delay can only make an instance more careful (an answer of the lease's, a report to the
//! instance key), the step is one; everything else is apart. A pause is an instance that does
//! nothing while others go on; a lost request is one that stays under way for ever.

use std::collections::BTreeSet;

use stateright::{Model, Property};

use super::parts::*;
use super::properties;

impl World {
    pub(super) fn revision(&self, commits: u8) -> u8 {
        commits.checked_sub(1).map_or(0, |last| self.log[usize::from(last)].revision)
    }

    fn committed(&self) -> u8 {
        u8::try_from(self.log.len()).unwrap()
    }

    /// The commit that made a grant hold after so many commits, if it holds then.
    pub(super) fn granted_by(&self, commits: u8, grant: u8) -> Option<u8> {
        let last = (1..=commits)
            .rev()
            .find(|at| self.effect(*at).is_some_and(|effect| effect.grant == grant))?;
        self.effect(last)?.put.then_some(last)
    }

    fn effect(&self, position: u8) -> Option<Effect> {
        self.log[usize::from(position) - 1].effect
    }

    fn position(&self, batch: &Batch) -> Option<u8> {
        let at = self.log.iter().position(|b| b == batch)?;
        Some(u8::try_from(at).unwrap() + 1)
    }
}

impl Protocol {
    pub(super) fn has(&self, safeguard: Safeguard) -> bool {
        self.without != Some(safeguard)
    }

    /// Whether an instance decides now, on what it knows.
    pub(super) fn decides(&self, world: &World, at: usize) -> bool {
        let fresh = |confirmed| world.now - confirmed <= MAX_STALENESS;
        world.instances[at].confirmed.is_some_and(|c| fresh(c) || !self.has(Safeguard::StaleDenied))
    }

    fn follows(&self, at: usize) -> bool {
        self.chain && at + 1 == usize::from(self.instances)
    }

    /// Commits that an instance could know.
    fn source(&self, world: &World, at: usize) -> u8 {
        if self.follows(at) { world.instances[0].heard } else { world.committed() }
    }

    fn lease_allows(&self, instance: &Instance, time: u8) -> u8 {
        match instance.lease {
            Some(sent) if self.strict && self.has(Safeguard::Lease) => {
                time.min(sent + TTL - MAX_STALENESS)
            }
            _ => time,
        }
    }

    fn plan(&self, world: &mut World, call: u8, attempt: u8) {
        let Call { at, effect, known, .. } = world.calls[usize::from(call)];
        let at = usize::from(at);
        let heard = world.instances[at].heard;
        let expected = world.revision(heard);
        let nothing = world.granted_by(heard, effect.grant).is_some() == effect.put;
        if nothing && !self.has(Safeguard::NothingIsCommitted) {
            world.calls[usize::from(call)].told = Told::Acknowledged {
                revision: expected,
                covers: known,
                when: world.now,
                committed: false,
            };
            world.instances[at].work = Work::Idle;
            return;
        }
        let effect = (!nothing).then_some(effect);
        let revision = expected + 1;
        let batch = Batch { call, attempt, fence: false, expected, revision, effect };
        world.requests.insert(batch);
        world.instances[at].work = Work::Sent { batch, answer: None };
    }

    fn arrive(&self, world: &mut World, batch: Batch) {
        world.requests.remove(&batch);
        let head = world.revision(world.committed());
        let ok = head == batch.expected || !self.has(Safeguard::Compare);
        if ok {
            world.log.push(batch);
        }
        let from = usize::from(world.calls[usize::from(batch.call)].at);
        match &mut world.instances[from].work {
            Work::Sent { batch: sent, answer } if *sent == batch => *answer = Some(ok),
            Work::Fencing { batch: sent, answered }
                if batch.fence && (sent.call, sent.attempt) == (batch.call, batch.attempt) =>
            {
                *answered = true;
            }
            _ => {}
        }
    }

    fn tell(world: &mut World, at: usize, call: u8, told: Told) {
        world.calls[usize::from(call)].told = told;
        world.instances[at].work = Work::Idle;
    }

    fn acknowledge(&self, world: &mut World, at: usize, batch: &Batch) {
        let Some(position) = world.position(batch) else { return };
        let revoke = !world.calls[usize::from(batch.call)].effect.put;
        let told = if self.strict && revoke && self.has(Safeguard::InstanceKeys) {
            Told::Waits { position }
        } else {
            let (revision, when) = (batch.revision, world.now);
            Told::Acknowledged { revision, covers: position, when, committed: true }
        };
        Self::tell(world, at, batch.call, told);
    }

    /// `was_committed` of the writer.
    fn find_out(&self, world: &mut World, at: usize, batch: &Batch) {
        let Instance { heard, loaded, .. } = world.instances[at];
        let from = loaded.saturating_sub(1);
        if world.position(batch).is_some_and(|p| p > from && p <= heard) {
            return self.acknowledge(world, at, batch);
        }
        let reaches_back = world.revision(loaded) <= batch.expected
            || (batch.expected == 0 && !self.has(Safeguard::RememberedWithoutGap));
        let told = if reaches_back { Told::Refused } else { Told::Unknown };
        Self::tell(world, at, batch.call, told);
    }

    fn give_up(&self, world: &mut World, at: usize) {
        match world.instances[at].work {
            Work::Idle => {}
            Work::Sent { batch, .. } if self.has(Safeguard::Fence) => {
                let revision = batch.expected + 1;
                world.requests.insert(Batch { fence: true, revision, effect: None, ..batch });
                world.instances[at].work = Work::Fencing { batch, answered: false };
            }
            Work::Sent { batch, .. } => {
                // Without a fence, all that is left is to look.
                let read = world.committed();
                world.instances[at].heard = read;
                match world.position(&batch) {
                    Some(_) => self.acknowledge(world, at, &batch),
                    None => Self::tell(world, at, batch.call, Told::Refused),
                }
            }
            Work::Fencing { batch, .. } | Work::Hearing { batch, .. } => {
                Self::tell(world, at, batch.call, Told::Unknown);
            }
            Work::Beaten { batch } => Self::tell(world, at, batch.call, Told::Refused),
        }
    }

    fn answer(&self, world: &mut World, at: usize) {
        match world.instances[at].work {
            Work::Sent { batch, answer: Some(true) } if !self.has(Safeguard::WatchBeforeAnswer) => {
                self.acknowledge(world, at, &batch);
            }
            Work::Sent { batch, answer: Some(true) } => {
                let revision = batch.revision;
                world.instances[at].work = Work::Hearing { batch, revision, fenced: false };
            }
            Work::Sent { batch, answer: Some(false) } => {
                world.instances[at].work = Work::Beaten { batch };
            }
            Work::Fencing { batch, .. } => {
                let revision = batch.expected + 1;
                world.instances[at].work = Work::Hearing { batch, revision, fenced: true };
            }
            _ => {}
        }
    }

    fn load(&self, world: &mut World, at: usize) {
        let committed = self.source(world, at);
        let confirmed = match (self.follows(at), self.has(Safeguard::RegisteredBeforeLoad)) {
            (true, _) => None,
            (false, true) => Some(self.lease_allows(&world.instances[at], world.now)),
            (false, false) => Some(world.now),
        };
        let instance = &mut world.instances[at];
        (instance.heard, instance.loaded, instance.lost) = (committed, committed, false);
        (instance.confirmed, instance.asking) = (confirmed, None);
    }

    fn may_load(&self, world: &World, at: usize) -> bool {
        let instance = &world.instances[at];
        let registered = || instance.lease.is_some_and(|sent| world.now <= sent + TTL);
        instance.lost
            && (!self.strict || !self.has(Safeguard::RegisteredBeforeLoad) || registered())
    }

    fn ask_head(&self, world: &World, at: usize) -> Option<(u8, u8)> {
        if !self.follows(at) {
            return Some((world.now, world.committed()));
        }
        let centre = &world.instances[0];
        let confirmed = centre.confirmed?;
        let time = if self.has(Safeguard::CentresStaleness) { confirmed } else { world.now };
        Some((time, centre.heard))
    }

    fn is_in_force(&self, world: &World, call: &Call) -> bool {
        let Told::Waits { position } = call.told else { return false };
        let counts = |at: usize| self.has(Safeguard::KeysAfterCommit) || call.keys >> at & 1 == 1;
        let mut keys = world.keys.iter().enumerate().filter(|(at, _)| counts(*at));
        keys.all(|(_, key)| key.is_none_or(|key| key.reached >= position))
    }
}

impl Model for Protocol {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let effect = Effect { put: true, grant: 0 };
        let first = Batch {
            call: 0,
            attempt: 0,
            fence: false,
            expected: 0,
            revision: 1,
            effect: Some(effect),
        };
        let log = if self.granted { vec![first] } else { vec![] };
        let heard = u8::from(self.granted);
        let told = Told::Acknowledged { revision: 1, covers: 1, when: 0, committed: true };
        let call = Call { at: 0, effect, told, known: 0, keys: 0 };
        let instance = Instance {
            heard,
            loaded: heard,
            lost: false,
            confirmed: Some(0),
            asking: None,
            lease: self.strict.then_some(0),
            work: Work::Idle,
        };
        let key = self.strict.then_some(Key { reached: heard, until: TTL });
        vec![World {
            now: 0,
            faults: self.faults,
            requests: BTreeSet::new(),
            instances: vec![instance; usize::from(self.instances)],
            keys: vec![key; usize::from(self.instances)],
            calls: if self.granted { vec![call] } else { vec![] },
            log,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        if world.now < self.horizon {
            actions.push(Action::Tick);
        }
        actions.extend(world.requests.iter().map(|batch| Action::Arrive(*batch)));
        let waiting = world.calls.iter().enumerate().filter(|(_, c)| self.is_in_force(world, c));
        actions.extend(waiting.map(|(call, _)| Action::InForce(call)));
        let may_call = world.calls.len() < self.calls + usize::from(self.granted);
        for (at, instance) in world.instances.iter().enumerate() {
            let blocked = matches!(instance.work, Work::Sent { .. } | Work::Fencing { .. });
            let mut add = |possible: bool, action: Action| {
                if possible {
                    actions.push(action);
                }
            };
            let idle = instance.work == Work::Idle;
            for grant in 0..self.grants {
                for put in [true, false] {
                    let effect = Effect { put, grant };
                    let possible = idle && may_call && !instance.lost && !self.follows(at);
                    // The instances are alike until the first of them is asked for something.
                    let first = world.calls.len() == usize::from(self.granted);
                    let alike = first && !self.chain && at > 0;
                    let possible = possible && !alike && (self.puts || !put);
                    add(possible, Action::Call { at, effect });
                }
            }
            add(!blocked && instance.lost && self.may_load(world, at), Action::Load(at));
            let heard = |revision| !instance.lost && world.revision(instance.heard) >= revision;
            match instance.work {
                Work::Idle => {}
                Work::Sent { answer, .. } => add(answer.is_some(), Action::Answer(at)),
                Work::Fencing { answered, .. } => add(answered, Action::Answer(at)),
                Work::Hearing { revision, .. } => add(heard(revision), Action::GoOn(at)),
                Work::Beaten { batch } => add(heard(batch.expected + 1), Action::GoOn(at)),
            }
            if world.faults > 0 {
                add(!idle, Action::GiveUp(at));
                add(!blocked && !instance.lost, Action::LoseWatch(at));
                let hearing = matches!(instance.work, Work::Hearing { .. });
                add(hearing && instance.lost, Action::LoadFails(at));
                add(true, Action::Crash(at));
            }
            if !instance.lost {
                let more = instance.heard < self.source(world, at);
                add(more && !blocked, Action::Hear(at));
                let asked = |t| {
                    instance.asking.is_some_and(|(time, _)| time == t)
                        || instance.confirmed.is_some_and(|confirmed| confirmed >= t)
                };
                let head = self.ask_head(world, at);
                add(head.is_some_and(|(time, _)| !asked(time)), Action::AskHead(at));
                let told = instance.asking.is_some_and(|(_, commits)| instance.heard >= commits);
                add(told, Action::Confirm(at));
            }
            if self.strict {
                let key = world.keys[at];
                add(key.is_none() || instance.lease.is_none(), Action::Register(at));
                if let (Some(key), Some(_)) = (key, instance.lease) {
                    add(key.until < world.now + TTL, Action::KeepAlive(at));
                    add(key.reached < instance.heard, Action::Report(at));
                }
            }
        }
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        let mut next = last.clone();
        let world = &mut next;
        match action {
            Action::Tick => {
                world.now += 1;
                for key in &mut world.keys {
                    *key = key.filter(|key| key.until >= world.now);
                }
            }
            Action::Call { at, effect } => {
                let known = world.calls.iter().filter_map(|call| match call.told {
                    Told::Acknowledged { covers, .. } => Some(covers),
                    _ => None,
                });
                // What only a missing safeguard needs makes no more states.
                let nothing = !self.has(Safeguard::NothingIsCommitted);
                let known = known.max().filter(|_| nothing).unwrap_or(0);
                let keys =
                    world.keys.iter().rev().fold(0, |all, k| all << 1 | u8::from(k.is_some()));
                let keys = if self.has(Safeguard::KeysAfterCommit) { 0 } else { keys };
                let call = u8::try_from(world.calls.len()).ok()?;
                let told = Told::Nothing;
                world.calls.push(Call { at: u8::try_from(at).ok()?, effect, told, known, keys });
                self.plan(world, call, 0);
            }
            Action::Arrive(batch) => self.arrive(world, batch),
            Action::Answer(at) => self.answer(world, at),
            Action::Hear(at) => world.instances[at].heard += 1,
            Action::GoOn(at) => match world.instances[at].work {
                Work::Hearing { batch, fenced: false, .. } => self.acknowledge(world, at, &batch),
                Work::Hearing { batch, .. } => self.find_out(world, at, &batch),
                Work::Beaten { batch } => self.plan(world, batch.call, batch.attempt + 1),
                _ => return None,
            },
            Action::GiveUp(at) => {
                world.faults -= 1;
                self.give_up(world, at);
            }
            Action::LoseWatch(at) => {
                world.faults -= 1;
                world.instances[at].lost = true;
            }
            Action::LoadFails(at) => {
                world.faults -= 1;
                let Work::Hearing { batch, .. } = world.instances[at].work else { return None };
                let unknown = self.has(Safeguard::FailedLoadIsUnknown);
                let told = if unknown { Told::Unknown } else { Told::Refused };
                Self::tell(world, at, batch.call, told);
            }
            Action::Load(at) => self.load(world, at),
            Action::Crash(at) => {
                world.faults -= 1;
                let here = world.calls.iter_mut().filter(|call| usize::from(call.at) == at);
                for call in here {
                    if matches!(call.told, Told::Nothing | Told::Waits { .. }) {
                        call.told = Told::Unknown;
                    }
                }
                world.instances[at] = Instance {
                    heard: 0,
                    loaded: 0,
                    lost: true,
                    confirmed: None,
                    asking: None,
                    lease: None,
                    work: Work::Idle,
                };
            }
            Action::AskHead(at) => world.instances[at].asking = self.ask_head(world, at),
            Action::Confirm(at) => {
                let (time, _) = world.instances[at].asking?;
                let confirmed = self.lease_allows(&world.instances[at], time);
                world.instances[at].confirmed = Some(confirmed);
                world.instances[at].asking = None;
            }
            Action::Register(at) => {
                let instance = &mut world.instances[at];
                instance.lease = Some(world.now);
                if self.has(Safeguard::FreshAfterRegistration) {
                    (instance.confirmed, instance.asking) = (None, None);
                }
                let (reached, until) = (instance.heard, world.now + TTL);
                world.keys[at] = Some(Key { reached, until });
            }
            Action::KeepAlive(at) => {
                let until = world.now + TTL;
                world.keys[at] = world.keys[at].map(|key| Key { until, ..key });
                world.instances[at].lease = Some(world.now);
            }
            Action::Report(at) => {
                let reached = world.instances[at].heard;
                world.keys[at] = world.keys[at].map(|key| Key { reached, ..key });
            }
            Action::InForce(call) => {
                let Told::Waits { position } = world.calls[call].told else { return None };
                let (revision, when) = (world.revision(position), world.now);
                world.calls[call].told =
                    Told::Acknowledged { revision, covers: position, when, committed: true };
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = properties::all();
        all.retain(|property| self.properties.contains(&property.name));
        all
    }
}
