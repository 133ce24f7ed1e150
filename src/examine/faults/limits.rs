//! Limits that are lowered while the server runs, and restored.

use std::ffi::c_int;

use super::{living, warmed};
use crate::examine::server::Server;
use crate::examine::{Exam, Trouble};
use crate::linux::sys_resource::prlimit;
use crate::posix::error::{EPERM, ESRCH};
use crate::posix::sys_resource::{rlim_t, rlimit};
use crate::subject::watch::descriptors;

/// A server that has served one client and waits for the next.
///
/// # Errors
///
/// [`Trouble::Broken`] if it has not; those of starting.
pub(super) fn served_once(exam: &Exam) -> Result<Server, Trouble> {
    let server = exam.start()?;
    warmed(&server)?;
    Ok(server)
}

/// A limit that every process of a server is under for a while.
pub(super) struct Lowered {
    resource: c_int,
    before: rlimit,
}

impl Lowered {
    /// Lowers it, for each process to what is said of that, and of what.
    ///
    /// # Errors
    ///
    /// [`Trouble::Blocked`] if the system does not let us; those of `prlimit`.
    pub(super) fn to(
        server: &Server,
        resource: c_int,
        what: &str,
        limit: impl Fn(u32) -> Option<rlim_t>,
    ) -> Result<Self, Trouble> {
        let before = asked(prlimit(server.pid() as c_int, resource, None))?;
        // Of one that has ended and is not reaped nothing is to be seen.
        for pid in living(server) {
            let Some(limit) = limit(pid) else {
                let what = format!("/proc/{pid} may not be looked at");
                return Err(Trouble::Blocked(what));
            };
            let rlim_cur = limit.min(before.rlim_max);
            asked(prlimit(pid as c_int, resource, Some(&rlimit { rlim_cur, ..before })))?;
            server.log.say(format!("process {pid} is limited to {rlim_cur} {what}"));
        }
        Ok(Self { resource, before })
    }

    /// Restores it, for those too that were made meanwhile.
    ///
    /// # Errors
    ///
    /// Those of `prlimit`.
    pub(super) fn restore(self, server: &Server) -> Result<(), Trouble> {
        for pid in server.processes() {
            match prlimit(pid as c_int, self.resource, Some(&self.before)) {
                Err(error) if error.errno() == ESRCH => {}
                restored => drop(asked(restored)?),
            }
        }
        server.log.say("the limit is restored");
        Ok(())
    }
}

fn asked(found: crate::posix::Result<rlimit>) -> Result<rlimit, Trouble> {
    found.map_err(|error| match error.errno() {
        EPERM => Trouble::Blocked(error.to_string()),
        _ => error.into(),
    })
}

/// The first descriptor that a process has free; nothing where its descriptors are hidden.
pub(super) fn first_free(pid: u32) -> Option<rlim_t> {
    let taken = descriptors(pid);
    let is_free = |fd: &c_int| taken.iter().all(|(other, _)| other != fd);
    let free = (0..).find(is_free)?;
    (!taken.is_empty()).then_some(rlim_t::from(free.cast_unsigned()))
}
