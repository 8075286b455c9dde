//! Names of time zones, as `time.LoadLocation` of Go takes them.
//!
//! `timezone.txt` lists those of the database that Go has with it. New ones are added now and then, so
//! that a name which is not in it is wrong only where it is nearly one of these.

use std::collections::BTreeSet;
use std::sync::OnceLock;

use super::names;

fn zones() -> &'static BTreeSet<&'static str> {
    static ZONES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    ZONES.get_or_init(|| {
        include_str!("timezone.txt").lines().filter(|line| !line.starts_with('#')).collect()
    })
}

/// The zone that one which there is not was meant for; `None` for one that there is, and for others.
pub fn meant(name: &str) -> Option<&'static str> {
    // `Local` is that of the machine, and nothing is UTC.
    if matches!(name, "" | "Local") || zones().contains(name) {
        return None;
    }
    // Names of files, which most file systems tell apart by their case.
    let same = zones().iter().find(|known| known.eq_ignore_ascii_case(name)).copied();
    let spaced = || {
        let joined = name.trim().replace(' ', "_");
        zones().get(joined.as_str()).copied().filter(|_| joined != name)
    };
    same.or_else(spaced).or_else(|| names::meant(name, zones().iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_a_zone_is_told() {
        assert_eq!(meant("Europe/Berln"), Some("Europe/Berlin"));
        assert_eq!(meant("europe/berlin"), Some("Europe/Berlin"));
        assert_eq!(meant("America/New York"), Some("America/New_York"));
        assert_eq!(meant("America/New_Yorkk"), Some("America/New_York"));
    }

    #[test]
    fn zones_and_names_that_may_be_new_are_not() {
        for name in ["Europe/Berlin", "UTC", "Local", "", "Etc/GMT+5", "Mars/Olympus_Mons", "CET"] {
            assert_eq!(meant(name), None, "{name}");
        }
        assert!(zones().len() > 590);
    }
}
