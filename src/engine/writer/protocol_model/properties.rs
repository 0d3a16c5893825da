//! What must hold. Questions are no steps of the model: in each state, all are asked everywhere.

use stateright::Property;

use super::parts::{Batch, Call, MAX_STALENESS, Protocol, Safeguard, Told, Work, World};

pub(super) const ACKNOWLEDGED_ONCE: &str = "what was acknowledged is in the log once";
pub(super) const REFUSED_NEVER: &str = "what was refused is never in the log";
pub(super) const REVISIONS: &str = "revisions never repeat";
pub(super) const OWN: &str = "whoever acknowledged a change decides by it";
pub(super) const READ_YOUR_WRITES: &str = "who asks with a revision is answered by it";
pub(super) const BOUND: &str = "what was revoked is not allowed for longer than the bound";
pub(super) const STRICT: &str = "what was strictly revoked is not allowed";
pub(super) const NEW_ENEMY: &str = "nobody reads what was written after he was shut out";

pub(super) const SOME_ACKNOWLEDGED: &str = "a change is acknowledged";
pub(super) const SOME_FOUND: &str = "a commit whose answer was lost is found";
pub(super) const SOME_FENCED: &str = "a late request is fenced off and refused";
pub(super) const SOME_BEATEN: &str = "one that was beaten succeeds";
pub(super) const SOME_REVOKED: &str = "a revoke is acknowledged";
pub(super) const SOME_WITHOUT: &str = "a revoke is acknowledged without one that lost its lease";
pub(super) const SOME_LATE: &str = "the bound is reached";

pub(super) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ACKNOWLEDGED_ONCE, |_, world: &World| {
            acknowledged(world).all(|(number, call, told)| {
                let wanted = usize::from(told.committed);
                let commits = commits(world, number).collect::<Vec<_>>();
                commits.len() == wanted
                    && commits.iter().all(|c| c.revision == told.revision)
                    && commits.iter().all(|c| c.effect.is_none_or(|e| e == call.effect))
            })
        }),
        Property::always(REFUSED_NEVER, |_, world: &World| {
            let mut calls = world.calls.iter().enumerate();
            calls.all(|(n, call)| call.told != Told::Refused || commits(world, n).count() == 0)
        }),
        Property::always(REVISIONS, |_, world: &World| {
            world.log.windows(2).all(|pair| pair[0].revision < pair[1].revision)
        }),
        Property::always(OWN, |model, world: &World| {
            acknowledged(world).filter(|(_, _, told)| told.committed).all(|(_, call, told)| {
                let at = usize::from(call.at);
                !model.decides(world, at) || world.instances[at].heard >= told.covers
            })
        }),
        Property::always(READ_YOUR_WRITES, |model, world: &World| {
            acknowledged(world).all(|(_, call, told)| {
                let mut asked = (0..world.instances.len()).filter(|at| {
                    let revision = world.revision(world.instances[*at].heard);
                    model.decides(world, *at)
                        && (revision >= told.revision || !model.has(Safeguard::MinRevision))
                });
                asked.all(|at| match call.effect.put {
                    true => !told.committed || world.instances[at].heard >= told.covers,
                    false => !allows(world, at, call, told.covers),
                })
            })
        }),
        Property::always(BOUND, |model, world: &World| {
            denied_everywhere(model, world, |told| world.now > told.when + MAX_STALENESS)
        }),
        Property::always(STRICT, |model, world: &World| denied_everywhere(model, world, |_| true)),
        Property::always(NEW_ENEMY, |model, world: &World| {
            // The data can be written as soon as the revoke is acknowledged, and carries the
            // revision known then. Bob learns it with the data.
            acknowledged(world).filter(|(_, call, _)| !call.effect.put).all(|(_, call, told)| {
                (0..world.instances.len()).all(|at| {
                    let revision = world.revision(world.instances[at].heard);
                    let waits = model.has(Safeguard::MinRevision) && revision < told.revision;
                    waits || !model.decides(world, at) || !allows(world, at, call, told.covers)
                })
            })
        }),
        Property::sometimes(SOME_ACKNOWLEDGED, |model, world: &World| {
            acknowledged(world).count() == model.calls + usize::from(model.granted)
        }),
        Property::sometimes(SOME_FOUND, |_, world: &World| {
            world.instances.iter().any(|instance| match instance.work {
                Work::Hearing { batch, fenced: true, .. } => world.log.contains(&batch),
                _ => false,
            })
        }),
        Property::sometimes(SOME_FENCED, |_, world: &World| {
            let mut fences = world.log.iter().filter(|batch| batch.fence);
            fences.any(|fence| world.calls[usize::from(fence.call)].told == Told::Refused)
        }),
        Property::sometimes(SOME_BEATEN, |_, world: &World| {
            acknowledged(world).any(|(n, _, _)| commits(world, n).any(|c| c.attempt > 0))
        }),
        Property::sometimes(SOME_REVOKED, |_, world: &World| {
            acknowledged(world).any(|(_, call, _)| !call.effect.put)
        }),
        Property::sometimes(SOME_WITHOUT, |_, world: &World| {
            acknowledged(world).any(|(_, call, told)| {
                !call.effect.put && world.instances.iter().any(|i| i.heard < told.covers)
            })
        }),
        Property::sometimes(SOME_LATE, |model, world: &World| {
            acknowledged(world).any(|(_, call, told)| {
                let late = world.now == told.when + MAX_STALENESS;
                let all = 0..world.instances.len();
                let mut deciding = all.filter(|at| model.decides(world, *at));
                late && !call.effect.put && deciding.any(|at| allows(world, at, call, told.covers))
            })
        }),
    ]
}

struct Acknowledged {
    revision: u8,
    covers: u8,
    when: u8,
    committed: bool,
}

fn acknowledged(world: &World) -> impl Iterator<Item = (usize, &Call, Acknowledged)> {
    world.calls.iter().enumerate().filter_map(|(number, call)| match call.told {
        Told::Acknowledged { revision, covers, when, committed } => {
            Some((number, call, Acknowledged { revision, covers, when, committed }))
        }
        _ => None,
    })
}

fn commits(world: &World, call: usize) -> impl Iterator<Item = &Batch> {
    world.log.iter().filter(move |batch| usize::from(batch.call) == call && !batch.fence)
}

/// Whether an instance allows what a revoke took away.
fn allows(world: &World, at: usize, revoke: &Call, covers: u8) -> bool {
    let heard = world.instances[at].heard;
    world.granted_by(heard, revoke.effect.grant).is_some_and(|granted| granted <= covers)
}

fn denied_everywhere(
    model: &Protocol,
    world: &World,
    counts: impl Fn(&Acknowledged) -> bool,
) -> bool {
    let mut revoked =
        acknowledged(world).filter(|(_, call, told)| !call.effect.put && counts(told));
    revoked.all(|(_, call, told)| {
        let mut all = 0..world.instances.len();
        all.all(|at| !model.decides(world, at) || !allows(world, at, call, told.covers))
    })
}
