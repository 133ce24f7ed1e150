//! The tasks of a server at one moment.

use std::collections::BTreeMap;

use super::kind::Sight;
use crate::examine::Trouble;
use crate::examine::server::Server;
use crate::subject::watch::{self, Doing, Task};

/// How many tasks a server has, and where they wait.
pub(super) struct Scene {
    /// Its processes, without those of a shell around it.
    pub(super) processes: Vec<u32>,
    /// How many threads it has beside the first of each process.
    pub(super) threads: usize,
    /// Which call, with which number of descriptors, so many tasks are blocked in.
    calls: BTreeMap<String, usize>,
    /// What was to be seen.
    pub(super) sight: Sight,
    /// Whether one of them was running.
    is_awake: bool,
}

impl Scene {
    /// Of a server at rest: one that looks at its clients now and then is looked at when it waits again, and one that never
    /// rests as it is.
    ///
    /// # Errors
    ///
    /// Those of waiting.
    pub(super) fn of(server: &Server) -> Result<Self, Trouble> {
        loop {
            let scene = Self::now(server);
            if !scene.is_awake || !server.until_at_rest_for(1, server.patience)? {
                return Ok(scene);
            }
        }
    }

    /// Of a server as it is, whatever it is doing.
    pub(super) fn now(server: &Server) -> Self {
        let processes = own(server);
        let tasks = watch::tasks(&processes);
        // Between two clients there may be none.
        let is_hidden = tasks.is_empty() && !server.is_started_again();
        let sight = if is_hidden { Sight::Nothing } else { Sight::Calls };
        let mut scene = Self {
            threads: tasks.len() - processes.len().min(tasks.len()),
            processes,
            calls: BTreeMap::new(),
            sight,
            is_awake: false,
        };
        for doing in tasks.iter().map(Task::doing) {
            match doing {
                // Which descriptor it is, each has its own.
                Doing::Blocked(call) => {
                    let name = call.name().map_or_else(|| call.to_string(), String::from);
                    let name =
                        if call.to_string().contains("nfds") { call.to_string() } else { name };
                    *scene.calls.entry(name).or_default() += 1;
                }
                Doing::Hidden => scene.sight = Sight::Numbers,
                Doing::Running => scene.is_awake = true,
                _ => {}
            }
        }
        scene
    }

    /// How many tasks are blocked in one of these calls.
    pub(super) fn blocked_in(&self, names: &[&str]) -> usize {
        let is_one = |call: &str| names.iter().any(|name| call.split('(').next() == Some(name));
        self.calls.iter().filter(|(call, _)| is_one(call)).map(|(_, count)| count).sum()
    }

    /// Whether there is one task alone.
    pub(super) fn is_alone(&self) -> bool {
        self.processes.len() + self.threads == 1
    }

    /// In words, for a report.
    pub(super) fn line(&self, when: &str) -> String {
        let processes = match self.processes.len() {
            0 if self.sight == Sight::Nothing => {
                return format!("{when}: its processes are hidden");
            }
            0 => return String::from("between two requests there is no process"),
            1 => String::from("1 process"),
            count => format!("{count} processes"),
        };
        let threads = match self.threads {
            0 => String::new(),
            1 => String::from(", 1 further thread"),
            count => format!(", {count} further threads"),
        };
        if self.sight != Sight::Calls {
            return format!("{when}: {processes}{threads}; what they do is hidden");
        }
        let calls: Vec<String> =
            self.calls.iter().map(|(call, count)| format!("{count} in {call}")).collect();
        format!("{when}: {processes}{threads}; blocked: {}", calls.join(", "))
    }
}

/// Its processes, without those above the first one that listens which are another program: a shell that waits for it
/// is no part of its design. Where all have the socket, as inetd has given it, without one that waits for another program.
fn own(server: &Server) -> Vec<u32> {
    let mut all = server.processes();
    let listening: Vec<u32> = server
        .listeners()
        .map(|rows| rows.iter().map(|row| row.idiag_inode).collect())
        .unwrap_or_default();
    let holds = |&pid: &u32| watch::sockets(&[pid]).iter().any(|inode| listening.contains(inode));
    if let Some(first) = all.iter().position(holds) {
        let image = watch::image(all[first]);
        let below = all.split_off(first);
        all.retain(|&pid| watch::image(pid) == image);
        all.extend(below);
    }
    if server.is_started_again() && all.first().is_some_and(|&first| waits_for(first, &all)) {
        all.remove(0);
    }
    all
}

/// Whether a process does nothing but wait for another program to end.
fn waits_for(pid: u32, all: &[u32]) -> bool {
    let waits =
        |task: &Task| matches!(task.doing(), Doing::Blocked(call) if call.is(&["wait4", "waitid"]));
    let own = watch::image(pid);
    watch::tasks(&[pid]).iter().all(waits) && all.iter().any(|&other| watch::image(other) != own)
}
