//! The same check by casbin: a user with three roles, 10,000 policies.

use std::time::Instant;

use casbin::{CoreApi, DefaultModel, Enforcer, MemoryAdapter, MgmtApi, RbacApi};

use crate::data::{self, Drawn, Size};

const MODEL: &str = "
[request_definition]
r = sub, db, obj, act
[policy_definition]
p = sub, db, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && (p.db == '*' || r.db == p.db) && (p.obj == '*' || r.obj == p.obj) && r.act == p.act
";

pub(crate) const SIZE: Size = Size { grants: 10_000, roles: 200, users: 1_000 };
const QUESTIONS: usize = 30;

/// Nanoseconds of a decision.
pub(crate) fn measure() -> f64 {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let model = DefaultModel::from_str(MODEL).await.unwrap();
        let mut enforcer = Enforcer::new(model, MemoryAdapter::default()).await.unwrap();
        let policies = (0..SIZE.roles).flat_map(|role| {
            (0..SIZE.grants / SIZE.roles).map(move |nth| {
                let drawn = Drawn::new(role, nth);
                let grant = drawn.grant();
                let texts = [&*grant.database, &*grant.object, drawn.privilege];
                std::iter::once(data::role(role)).chain(texts.map(str::to_owned)).collect()
            })
        });
        enforcer.add_policies(policies.collect()).await.unwrap();
        for user in 0..SIZE.users {
            for nth in 0..3 {
                let role = data::role(data::role_of(SIZE, user, nth));
                enforcer.add_role_for_user(&data::user(user), &role, None).await.unwrap();
            }
        }
        let began = Instant::now();
        for index in 0..QUESTIONS {
            let collection = data::random_collection(index);
            let (database, collection) = (data::database(collection), data::collection(collection));
            let user = data::user(data::mixed(index, 1) % SIZE.users);
            let privilege = data::PRIVILEGES[index % data::PRIVILEGES.len()];
            std::hint::black_box(
                enforcer.enforce((user, database, collection, privilege)).unwrap(),
            );
        }
        began.elapsed().as_nanos() as f64 / QUESTIONS as f64
    })
}
