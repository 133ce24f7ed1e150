//! What a design promises: the answers that an examiner must find, good and bad alike.

#![forbid(unsafe_code)]

/// One answer to each question that is asked of every design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promises {
    /// How often does it serve?
    pub serves: Serves,
    /// What does a client that connects and says nothing do to the others?
    pub silent: Silent,
    /// What does a costly request do to the others?
    pub heavy: Heavy,
    /// What does each client cost while it is connected?
    pub per_client: PerClient,
    /// What does it do while nobody asks for anything?
    pub idle: Idle,
    /// From which descriptor on are clients refused?
    pub descriptors: Option<usize>,
    /// How many system calls does one connection, or one datagram, cost when there is one client,
    /// over all processes and threads, without the exit() of those that end? `None` where it depends
    /// on the time that passes.
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
}

/// What a costly request does to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heavy {
    /// They are served beside it.
    Harmless,
    /// They wait until it is computed.
    Stalls,
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

/// What an idle server does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// It sleeps until something happens.
    Sleeps,
    /// It wakes up a hundred times a second to look.
    Polls,
}

impl Promises {
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
        }
        if self.heavy == Heavy::Stalls {
            fault("a costly request stalls all others");
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
