//! A service that a super-server starts for each connection: what is whose.

/// What is said of the part that isn't the service's own.
pub(super) const PART: &str = "that is inetd's part";

/// How a report says so.
pub(super) const WORDS: &str =
    "by a super-server of the examiner's for each connection (inetd, nowait)";

/// What the super-server does, and the service can't do otherwise: it listens, accepts, forks, executes, and stops. What
/// is counted in the processes that are there before the first client is its own, too.
const ITS: &[&str] = &[
    "A2", "A3", "A4", "A5", "A6", "C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C9", "E2", "E4",
    "E7", "F1", "F2", "F3", "F4", "F5", "F7", "F8", "F9", "F10", "F12", "G1", "G2", "G3", "G4",
    "H1", "H2", "H3", "H4", "H5", "H6", "H7", "H8", "H9", "I1", "I2", "I3", "I4",
];

/// Whether a check asks for what is the super-server's part.
pub(super) fn has_part(id: &str) -> bool {
    ITS.contains(&id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examine::CHECKS;

    #[test]
    fn what_is_whose() {
        for id in ITS {
            assert!(CHECKS.iter().any(|check| check.id == *id), "no check {id}");
        }
        for own in ["A1", "B1", "C10", "D1", "D12", "E1", "E6", "F6", "F11"] {
            assert!(!has_part(own), "{own} is the service's");
        }
    }
}
