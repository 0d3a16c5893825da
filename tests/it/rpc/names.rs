//! Sections 4.1, 4.2, 4.5 and 4.6: names, in every call that checks them, with their boundaries.

use milvus_rbac::rpc::proto::service::*;

use super::calls::Call;
use super::requests::{
    PASSWORD, add_members, alter_role, bind, create_database, create_group, create_role,
    create_user, drop_database, drop_group, drop_role, grant, grant_v2, grants_of, grants_on,
    select_role, select_user,
};
use super::{Refusal, World, p, r};

const C: &str = "Collection";
const NO_ROLE: &str = "not found the role, maybe the role isn't existed or internal system error: \
                       invalid parameter";

/// 4.1: `what` is checked as it must be, and a name of good form meets `outcome`: success, or the
/// call's next check.
async fn general<R: Call>(
    w: &World,
    what: &str,
    request: impl Fn(&str) -> R,
    outcome: impl Fn(&str) -> Option<Refusal>,
) {
    for name in ["", " ", "\t\r\n ", "\u{a0}\u{2003}"] {
        let text = format!("{what} should be not empty: invalid parameter");
        w.refuses(request(name), p(format!("{text}[expected=not empty][actual=]"))).await;
    }
    for length in [256, 1000] {
        let text =
            format!("the length of {what} must be not greater than limit: invalid parameter");
        let range = format!("[{length} out of range 0 <= value <= 255]");
        w.refuses(request(&"a".repeat(length)), p(text + &range)).await;
    }
    let takes_any = matches!(what, "object name" | "collection name" | "Privilege");
    let starts = [
        ("1a", 49),
        ("$a", 36),
        ("-", 45),
        ("**", 42),
        (" *", 42),
        ("\t1 ", 49),
        ("\0", 0),
        ("/a", 47),
        (".", 46),
        ("éa", 195),
    ];
    for (name, byte) in starts.into_iter().chain((!takes_any).then_some(("*", 42))) {
        let text = format!("the first character of {what} must be an underscore or letter");
        let rest = format!(": invalid parameter[expected=95][actual={byte}]");
        w.refuses(request(name), p(text + &rest)).await;
    }
    let others = [
        ("a-b", '-', 1),
        ("ab.c", '.', 2),
        ("a b", ' ', 1),
        ("a/", '/', 1),
        (" a*", '*', 1),
        ("\ta\0b", '\0', 1),
        ("_é", 'é', 1),
        ("a#", '#', 1),
        ("a\nb", '\n', 1),
    ];
    for (name, found, at) in others {
        let text = format!(
            "{what} can only contain numbers, letters, underscores, and allowed characters ($), found {found} at {at}: invalid parameter"
        );
        w.refuses(request(name), p(text)).await;
    }
    let long = "L".repeat(255);
    let good = ["_", "aZ_09$", " aX ", &long];
    for name in good.into_iter().chain(takes_any.then_some("*")) {
        w.meets(request(name), outcome(name)).await;
    }
}

#[tokio::test]
async fn role_names() {
    let w = World::new().await;
    let none = |_: &str| None;
    let no_role = |ec: i32| move |_: &str| Some(r(ec, NO_ROLE));
    let unknown = |ec: i32, prefix: &'static str| {
        move |n: &str| {
            Some(r(ec, format!("{prefix}the role \"{n}\" does not exist: invalid parameter")))
        }
    };
    let common = "failed to operate privilege common check: ";
    general(&w, "role name", |n| drop_role(n, false), no_role(36)).await;
    general(&w, "role name", |n| bind("root", n), no_role(37)).await;
    general(
        &w,
        "role name",
        |n| alter_role(n, "d"),
        |_| Some(Refusal::new(65535, 1, "failed to check if alter role: role not exists")),
    )
    .await;
    general(&w, "role name", |n| grant(n, (C, "c"), "Search", ""), unknown(41, common)).await;
    general(&w, "role name", |n| grant_v2(n, "Search", ("", "c")), unknown(41, common)).await;
    general(&w, "role name", |n| grants_of(n, ""), unknown(42, "")).await;
    general(&w, "role name", select_role, none).await;
    general(&w, "role name", create_role, none).await;
    // A missing entity is an empty name.
    let empty = "role name should be not empty: invalid parameter[expected=not empty][actual=]";
    w.refuses(CreateRoleRequest::default(), p(empty)).await;
}

#[tokio::test]
async fn object_names() {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    let none = |_: &str| None;
    general(&w, "object name", |n| grant("r1", (C, n), "Search", ""), none).await;
    general(&w, "object name", |n| grants_on("r1", (C, n), ""), none).await;
    general(&w, "collection name", |n| grant_v2("r1", "Search", ("", n)), none).await;
    general(&w, "ObjectType", |n| grant("r1", (n, "c"), "Search", ""), |_| {
        Some(r(41, "failed to operate privilege common check: the object entity in the request is nil or invalid: invalid parameter"))
    })
    .await;
    general(&w, "ObjectType", |n| grants_on("r1", (n, "c"), ""), |n| {
        Some(r(42, format!("not found the object type[name: {n}], supported the object types: [Collection, Global, User]: invalid parameter")))
    })
    .await;
}

#[tokio::test]
async fn privilege_names() {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    w.changes(create_group("g1")).await;
    let unless_any = |n: &str, refusal: String| (n != "*").then(|| r(41, refusal));
    general(
        &w,
        "Privilege",
        |n| grant("r1", (C, "c"), n, ""),
        |n| {
            unless_any(
                n,
                format!(
                    "not found the privilege name[{n}] in object[Collection]: invalid parameter"
                ),
            )
        },
    )
    .await;
    general(
        &w,
        "Privilege",
        |n| grant_v2("r1", n, ("", "c")),
        |n| unless_any(n, format!("not found the privilege name[{n}]: invalid parameter")),
    )
    .await;
    let undefined = |n: &str| {
        Some(r(
            61,
            format!(
                "failed to check if privilege group alterable: there is no privilege name or privilege group name [{n}] defined in system to operate: invalid parameter"
            ),
        ))
    };
    general(&w, "Privilege", |n| add_members("g1", &[n]), undefined).await;
    general(&w, "Privilege", |n| add_members("g1", &["Search", n]), undefined).await;
}

/// 4.2: a name of good form passes to `outcome`.
async fn user_names<R: Call>(
    w: &World,
    request: impl Fn(&str) -> R,
    outcome: impl Fn(&str) -> Option<Refusal>,
) {
    for name in ["", "  ", "\n\t"] {
        w.refuses(request(name), p("username must be not empty: invalid parameter")).await;
    }
    let (most, more) = ("u".repeat(32), "u".repeat(33));
    for name in [more.clone(), format!(" {more}\t")] {
        let text = format!(
            "invalid username {more} with length 33, the length of username must be less than"
        );
        w.refuses(request(&name), p(text).leading()).await;
    }
    for (name, first) in [
        ("1a", '1'),
        ("_a", '_'),
        ("-a", '-'),
        (".a", '.'),
        ("$", '$'),
        ("*", '*'),
        ("\0", '\0'),
        ("/", '/'),
    ] {
        let text = format!(
            "invalid user name {name}, the first character must be a letter, but got {first}: invalid parameter"
        );
        w.refuses(request(name), p(text.clone())).await;
        w.refuses(request(&format!(" {name} ")), p(text)).await;
    }
    for name in ["a b", "a$", "a/b", "a\0b", "aé", "a:b", "a*", "a@b"] {
        let text = format!(
            "invalid user name {name}, username must contain only numbers, letters, underscores, dots, and hyphens, but got"
        );
        w.refuses(request(name), p(text).leading()).await;
    }
    let padded = format!("\t{} ", "p".repeat(32));
    for name in ["a", "Z-a.z_9", "A..--__", &most, &padded] {
        w.meets(request(name), outcome(name)).await;
    }
}

#[tokio::test]
async fn names_of_users() {
    let w = World::new().await;
    let no_user = |n: &str| {
        Some(r(
            37,
            format!(
                "failed to check if operate user role: user \"{n}\" not found: invalid parameter"
            ),
        ))
    };
    user_names(&w, |n| bind(n, "public"), no_user).await;
    user_names(&w, select_user, |_| None).await;
    user_names(&w, |n| create_user(n, PASSWORD), |_| None).await;
    let names = w.gets(ListCredUsersRequest::default()).await.usernames;
    let (long, padded) = ("u".repeat(32), "p".repeat(32));
    assert_eq!(names, ["A..--__", "Z-a.z_9", "a", &padded, "root", &long]);
}

/// 4.5: good names pass to `outcome`.
async fn group_names<R: Call>(
    w: &World,
    request: impl Fn(&str) -> R,
    outcome: impl Fn(&str) -> Option<Refusal>,
) {
    let refusal = |text: String| Refusal::new(1402, 1, text).input();
    let empty =
        "invalid privilege group name[privilegeGroup=privilege group name should not be empty]";
    w.refuses(request(""), refusal(empty.to_owned())).await;
    // The length is told, and the start of the name.
    let text = "g".repeat(64);
    w.refuses(request(&"g".repeat(256)), refusal(text).leading()).await;
    for name in ["1g", " g", "$g", "-", "*", "\0", "é"] {
        let text = format!(
            "{name}: invalid privilege group name[privilegeGroup=the first character of a privilege group name"
        );
        w.refuses(request(name), refusal(text).leading()).await;
    }
    for name in ["g ", "g$", "g-h", "g.h", "g/h", "g\0h", "gé", "g*"] {
        let text = format!(
            "privilege group name {name} can only contain numbers, letters and underscores: invalid parameter"
        );
        w.refuses(request(name), p(text)).await;
    }
    for name in ["_", "g_9Z", &"G".repeat(255)] {
        w.meets(request(name), outcome(name)).await;
    }
}

#[tokio::test]
async fn names_of_groups() {
    let w = World::new().await;
    group_names(&w, |n| add_members(n, &["Search"]), |n| {
        Some(r(61, format!("failed to check if privilege group alterable: there is no privilege group name [{n}] defined in system to operate: invalid parameter")))
    })
    .await;
    group_names(&w, drop_group, |_| None).await;
    group_names(&w, create_group, |_| None).await;
}

/// 4.6
async fn database_names<R: Call>(w: &World, request: impl Fn(&str) -> R) {
    let refusal = |text: String| Refusal::new(802, 1, text).input();
    let text = "the length of a database name must be less than 255 characters: invalid database name[database=dddd";
    w.refuses(request(&"d".repeat(256)), refusal(text.to_owned()).leading()).await;
    for name in ["1d", " d", "$d", "-", "**", "\0", "é", "/"] {
        let text = format!(
            "the first character of a database name must be an underscore or letter: invalid database name[database={name}]"
        );
        w.refuses(request(name), refusal(text)).await;
    }
    for name in ["d ", "d$", "d-e", "d.e", "d/e", "d\0e", "dé", "d*"] {
        let text = format!(
            "database name can only contain numbers, letters and underscores: invalid database name[database={name}]"
        );
        w.refuses(request(name), refusal(text)).await;
    }
}

#[tokio::test]
async fn names_of_databases() {
    let w = World::new().await;
    w.changes(create_role("r1")).await;
    let long = "D".repeat(255);
    database_names(&w, |n| grant("r1", (C, "c"), "Search", n)).await;
    database_names(&w, |n| grant_v2("r1", "Search", (n, "c"))).await;
    database_names(&w, create_database).await;
    database_names(&w, drop_database).await;
    for name in ["_", "d_9Z", &long] {
        w.changes(grant("r1", (C, "c"), "Search", name)).await;
        w.changes(grant_v2("r1", "Query", (name, "c"))).await;
        w.changes(create_database(name)).await;
        w.changes(drop_database(name)).await;
    }
    w.changes(grant("r1", (C, "c"), "Search", "*")).await;
    w.changes(grant_v2("r1", "Query", ("*", "c"))).await;
    let refusal = |text: &str| Refusal::new(802, 1, text).input();
    for (name, text) in [
        (
            "*",
            "the first character of a database name must be an underscore or letter: invalid database name[database=*]",
        ),
        ("", "database name should not be empty: invalid database name[database=]"),
    ] {
        w.refuses(create_database(name), refusal(text)).await;
        w.refuses(drop_database(name), refusal(text)).await;
    }
}
