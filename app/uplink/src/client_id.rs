//! The id under which the broker knows a station that was not given one: its own, and the same after a restart.

use sha2::{Digest, Sha256};
use sightline_configs::station::Identity;

/// Where Linux keeps what tells machines apart, and, where that is missing, one boot from another.
const MACHINE: [&str; 3] = [
    "/etc/machine-id",
    "/var/lib/dbus/machine-id",
    "/proc/sys/kernel/random/boot_id",
];

/// `sightline-{station}-` and 12 digits that follow from all topic levels and the machine.
pub(crate) fn default(identity: &Identity) -> String {
    let read = |file| std::fs::read_to_string(file).ok();
    let known = MACHINE.into_iter().filter_map(read);
    let machine = known
        .map(|id| id.trim().to_string())
        .find(|id| !id.is_empty());
    of(identity, &machine.unwrap_or_default())
}

fn of(identity: &Identity, machine: &str) -> String {
    let text = format!("{}\n{machine}", identity.topic_root());
    let digest = Sha256::digest(text);
    let hex: String = digest.iter().take(6).map(|b| format!("{b:02x}")).collect();
    format!("sightline-{}-{hex}", identity.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_on_another_line_or_machine_is_another_client() {
        let station = |line: &str| Identity {
            enterprise: "acme".into(),
            site: "north".into(),
            area: "smt".into(),
            line: line.into(),
            cell: "aoi".into(),
            name: "station1".into(),
        };
        let one = of(&station("l1"), "m1");
        assert!(one.starts_with("sightline-station1-"), "{one}");
        assert_eq!(one, of(&station("l1"), "m1"));
        assert_ne!(one, of(&station("l2"), "m1"));
        assert_ne!(one, of(&station("l1"), "m2"));
        assert!(!default(&station("l1")).is_empty());
    }
}
