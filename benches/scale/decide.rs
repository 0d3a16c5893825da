//! Decisions: a random user asks for something on a collection, every other time for what one of
//! its roles was granted.

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use milvus_rbac::authz::{Object, Query};
use milvus_rbac::engine::{Engine, Snapshot};
use milvus_rbac::model::privilege::Privilege;

use crate::data::{self, Drawn, Size};

/// A question as a call brings it.
#[derive(Clone)]
pub(crate) struct Question {
    user: String,
    privilege: Privilege,
    database: String,
    collection: String,
}

const QUESTIONS: usize = 200_000;
/// Decisions of which each pass takes the time together: a clock alone costs 30 ns.
const TIMED: usize = 8;

pub(crate) fn questions(size: Size) -> Vec<Question> {
    let question = |index: usize| {
        let user = data::mixed(index, 1) % size.users;
        let granted = data::role_of(size, user, index % 3);
        let drawn = Drawn::new(granted, data::mixed(index, 2) % (size.grants / size.roles));
        let collection =
            if index.is_multiple_of(2) { drawn.collection } else { data::random_collection(index) };
        Question {
            user: data::user(user),
            privilege: Privilege::named(drawn.privilege).unwrap(),
            database: data::database(collection),
            collection: data::collection(collection),
        }
    };
    (0..QUESTIONS).map(question).collect()
}

#[derive(Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) allowed: f64,
}

impl Question {
    fn allowed(&self, snapshot: &Snapshot) -> bool {
        let query = Query {
            user: &self.user,
            privilege: self.privilege,
            database: &self.database,
            object: Object::Collection(&self.collection),
        };
        snapshot.policy.decide(&query).is_allowed()
    }
}

/// Decides all, each on the newest snapshot; in nanoseconds.
pub(crate) fn measure(engine: &Engine, questions: &[Question]) -> Figures {
    measure_after(engine, questions, |_| ())
}

/// The same, of questions whose way the processor's caches still hold: what is left of the time is
/// not spent waiting for memory.
pub(crate) fn measure_again(engine: &Engine, questions: &[Question]) -> Figures {
    measure_after(engine, questions, |few| {
        for question in few {
            black_box(question.allowed(&engine.snapshot()));
        }
    })
}

fn measure_after(engine: &Engine, questions: &[Question], before: impl Fn(&[Question])) -> Figures {
    let mut times = Vec::with_capacity(questions.len() / TIMED);
    let mut allowed = 0;
    for few in questions.chunks(TIMED) {
        // Their texts have just been read, as those of a call have.
        let few = few.to_vec();
        before(&few);
        let one = Instant::now();
        for question in &few {
            allowed += usize::from(black_box(question.allowed(&engine.snapshot())));
        }
        times.push(one.elapsed().as_nanos() as f64 / few.len() as f64);
    }
    let mean = times.iter().sum::<f64>() / times.len() as f64;
    times.sort_by(f64::total_cmp);
    let allowed = allowed as f64 / questions.len() as f64;
    Figures { mean, p50: times[times.len() / 2], allowed }
}

/// The longest that a thread which decides all the time waits for one decision while `work` runs,
/// and how long the work takes.
pub(crate) fn longest_pause<T>(
    engine: &Engine,
    questions: &[Question],
    work: impl FnOnce() -> T,
) -> (Duration, Duration, T) {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let decider = scope.spawn(|| {
            let mut longest = Duration::ZERO;
            for question in questions.iter().cycle() {
                let one = Instant::now();
                black_box(question.allowed(&engine.snapshot()));
                longest = longest.max(one.elapsed());
                if done.load(Ordering::Relaxed) {
                    break;
                }
            }
            longest
        });
        let began = Instant::now();
        let result = work();
        let took = began.elapsed();
        done.store(true, Ordering::Relaxed);
        (decider.join().unwrap(), took, result)
    })
}
