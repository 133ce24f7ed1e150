//! K3: an answer in pieces.

use super::exam::ClientExam;
use super::shown;
use crate::examine::{Check, OfClient, OnRunning, Outcome, Over, Trouble};

pub(in crate::examine) const CHECK: Check<OfClient> = Check {
    id: "K3",
    name: "answer byte by byte",
    does: "answers one byte at a time, the next when the client has read the last, and closes",
    sees: "whether the client prints the whole answer",
    matters: "TCP has no messages: what the server sent with one send() may come with several recv(), on a real network as on this one",
    remedy: "call recv() until the end of the answer is there, be that the end of file, a newline or a length",
    source: "slide 'TCP: a stream of bytes'; recv(2); UNIX Network Programming 3.9",
    over: Over::Tcp,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

fn run(exam: &ClientExam) -> Result<Outcome, Trouble> {
    let reply = exam.reply();
    if reply.short.len() < 2 {
        return Ok(Outcome::not_applicable("an answer of one byte has no pieces"));
    }
    let mut read = 0;
    let run = exam.serve(|client, connection| {
        read = 0;
        for byte in &reply.short {
            if !connection.send(client, std::slice::from_ref(byte))?
                || !connection.until_read(client)?
            {
                break;
            }
            read += 1;
        }
        connection.close()
    })?;
    let line = format!("{read} of {} bytes were read one by one", reply.short.len());
    Ok(shown(&run, &reply, &reply.short, "byte by byte").with(line))
}
