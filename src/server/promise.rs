//! What a design promises: the answers that an examiner must find, good and bad alike.

#![forbid(unsafe_code)]

/// One answer to each question that is asked of every design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// How often does it serve?
    pub serves: Serves,
    /// What does a client that connects and says nothing do to the others?
    pub silent: Silent,
    /// And under --defer-accept? `None` where that would change nothing, so that the option is not
    /// taken.
    pub deferred: Option<Silent>,
    /// What does a costly request do to the others?
    pub heavy: Heavy,
    /// What does each client cost while it is connected?
    pub per_client: PerClient,
    /// Who is there from the start, as many as --workers says?
    pub pool: Pool,
    /// What does it do while nobody asks for anything?
    pub idle: Idle,
    /// From which descriptor on are clients refused?
    pub descriptors: Option<usize>,
    /// How many system calls does one connection, or one datagram, cost when there is one client whose
    /// request comes with it, over all processes and threads, without the exit() of those that end and
    /// without the futex() of threads that meet at a lock? `None` where it depends on the time that
    /// passes.
    pub calls: Option<u32>,
}

/// How often a server serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// One request, then it ends.
    Once,
    /// Until it is stopped.
    Forever,
}

/// What a silent client does to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silent {
    /// Nothing: they are served beside it.
    Harmless,
    /// They wait until it is gone.
    Stalls,
    /// They wait until its time is over.
    StallsUntilTimeout,
    /// As many of them as there are workers make all others wait.
    StallsPool,
}

/// What a costly request does to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heavy {
    /// They are served beside it.
    Harmless,
    /// They wait until it is computed.
    Stalls,
    /// As many of them as there are workers make all others wait.
    StallsPool,
    /// Those wait whom the kernel has given to the same worker.
    StallsShare,
}

/// What a connected client costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PerClient {
    /// A descriptor at most.
    Descriptor,
    /// A process.
    Process,
    /// A thread.
    Thread,
}

/// Who waits for clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pool {
    /// The one process and its one thread.
    None,
    /// Worker processes.
    Processes,
    /// Worker threads.
    Threads,
}

/// What an idle server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// It sleeps until something happens.
    Sleeps,
    /// It wakes up a hundred times a second to look.
    Polls,
}

impl Promises {
    /// Whether it is a loop with a pool behind it: the design with limits.
    pub fn has_limits(&self) -> bool {
        self.silent == Silent::Harmless
            && self.heavy == Heavy::Harmless
            && self.pool == Pool::Threads
    }

    /// The faults among the promises, a clause each: what breaks this design.
    pub fn breaks(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |clause: &str| faults.push(clause.to_owned());
        if self.serves == Serves::Once {
            fault("serves once, then ends");
        }
        match self.silent {
            Silent::Harmless => {}
            Silent::Stalls => fault("a silent client stalls all others"),
            Silent::StallsUntilTimeout => {
                fault("a silent client stalls all others until its time is over");
            }
            Silent::StallsPool => fault("as many silent clients as workers stall all others"),
        }
        match self.heavy {
            Heavy::Harmless => {}
            Heavy::Stalls => fault("a costly request stalls all others"),
            Heavy::StallsPool => fault("as many costly requests as workers stall all others"),
            Heavy::StallsShare => fault("a costly request stalls its worker's share of the others"),
        }
        match self.per_client {
            PerClient::Descriptor => {}
            PerClient::Process => fault("a process for each client, without limit"),
            PerClient::Thread => fault("a thread for each client, without limit"),
        }
        if self.idle == Idle::Polls {
            fault("wakes 100 times a second for nothing");
        }
        if let Some(limit) = self.descriptors {
            faults.push(format!("no client from descriptor {limit} on"));
        }
        faults
    }
}
