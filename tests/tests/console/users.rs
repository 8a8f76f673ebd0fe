//! The administrator adds, changes and removes users.

use crate::plant::*;
use sightline_tests::until;
use sightline_wire::{Answer, Ask, Link, Refusal, Role};

#[test]
fn the_administrator_changes_users() {
    let plant = Plant::build("");
    let (mut station, client) = plant.start();
    let set = |name: &str, role| Ask::SetUser {
        name: name.into(),
        role,
        pin: "91827364".into(),
    };
    log_in(&client, "Eng");
    let needs = Answer::Refused(Refusal::Needs(Role::Administrator));
    assert_eq!(ask(&client, set("Bob", Role::Administrator)), needs);
    log_in(&client, "Adm");
    assert_eq!(ask(&client, set("Bob", Role::Supervisor)), Answer::Done);
    sees("the new user", &client, |s| {
        s.station.users.iter().any(|u| u.name == "Bob")
    });
    let other = plant.client();
    until("the other is connected", || other.link() == Link::Up);
    let bob = Ask::LogIn {
        user: "Bob".into(),
        pin: "91827364".into(),
    };
    assert_eq!(ask(&other, bob.clone()), Answer::Done);
    // A role that is taken away is gone at once, wherever its user is logged in.
    assert_eq!(ask(&client, set("Bob", Role::Operator)), Answer::Done);
    let refused = Answer::Refused(Refusal::Needs(Role::Supervisor));
    assert_eq!(ask(&other, Ask::Audit { limit: 1 }), refused);
    let remove = |name: &str| Ask::RemoveUser { name: name.into() };
    assert_eq!(ask(&client, remove("Bob")), Answer::Done);
    assert_eq!(ask(&other, bob), Answer::Refused(Refusal::WrongPin));
    let last = ask(&client, remove("Adm"));
    assert!(
        matches!(&last, Answer::Refused(Refusal::Failed(why)) if why.contains("administrator")),
        "{last:?}"
    );
    assert_eq!(station.interrupt(), 0, "{}", station.log());
    let links = written(&plant);
    stands(&links, "Adm", "set-user Bob", "", "supervisor", "");
    stands(&links, "Adm", "set-user Bob", "supervisor", "operator", "");
    stands(&links, "Adm", "remove-user Bob", "operator", "", "");
    assert!(
        !links.iter().any(|l| l.to_string().contains("91827364")),
        "no PIN"
    );
}
