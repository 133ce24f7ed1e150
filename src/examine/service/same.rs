//! B6: the same answers as another server's.

use std::time::{Duration, Instant};

use crate::examine::client::{Answer, Client, End};
use crate::examine::log::quoted;
use crate::examine::protocol::Protocol;
use crate::examine::server::Server;
use crate::examine::{Check, Exam, OnRunning, Outcome, Over, Trouble};
use crate::net::Deadline;
use crate::subject::wait_for;
use crate::subject::watch::Meter;

pub(in crate::examine) const CHECK: Check = Check {
    id: "B6",
    name: "same answers as another's",
    does: "starts this server and the one that --like names, one after the other, and asks both the same, request by \
           request: good ones, the smallest and largest, line ends and blanks, two in one, one in two, garbage, too \
           long ones, an end in the middle; what they answer differently it asks both once more",
    sees: "the bytes of each answer, and over TCP whether the connection ends with an end of file, a reset or not at \
           all; an answer that the same server gives otherwise a second later, the time for instance, only in its form",
    matters: "whoever replaces a server by another one, in another language or of another design, does not want its \
              clients to notice; and of two implementations of one protocol that differ, one is wrong",
    remedy: "find out which of the two is right, and let the other do the same",
    source: "slide 'Fibonacci server'; RFC 1122 1.2.2, the robustness principle; McKeeman, Differential Testing for \
             Software, 1998",
    over: Over::Both,
    is_quick: true,
    on_running: OnRunning::Never,
    run,
};

/// What a client sends: some parts, each once the one before is read, and perhaps an end of file with the last.
struct Request {
    parts: Vec<Vec<u8>>,
    is_ended: bool,
}

impl Request {
    fn words(&self) -> String {
        let parts: Vec<String> = self.parts.iter().map(|part| quoted(part)).collect();
        let sent = if parts.is_empty() { String::from("nothing") } else { parts.join(", later ") };
        if self.is_ended { format!("{sent} and an end of file") } else { sent }
    }
}

/// What a client sees.
#[derive(Clone, PartialEq)]
enum Seen {
    /// This, and no more is to come.
    Answer(Answer),
    /// Nothing yet: the server computes.
    Work,
}

impl Seen {
    fn words(&self) -> String {
        match self {
            Self::Answer(answer) => answer.words(),
            Self::Work => String::from("nothing yet, the server computes"),
        }
    }

    fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Work => None,
        }
    }
}

/// In so many looks in a row a server is seen asleep until nothing more is expected of it.
const LOOKS: u32 = 20;
/// And where two servers differ: one of them may look at its clients now and then.
const MANY_LOOKS: u32 = 150;
/// Until then a time in seconds has changed.
const LATER: Duration = Duration::from_millis(1100);
/// Two times that are told in an examination are not further apart than these seconds.
const APART: u32 = 60;
/// A server that has used so much CPU for a request computes.
const AT_WORK: Duration = Duration::from_millis(300);
/// From this Fibonacci number on that is no wonder.
const COSTLY: u32 = 30;
/// For how long a server that comes to harm again and again is started anew.
const ENOUGH: Duration = Duration::from_secs(6);
/// As many bytes of an answer as are seen at once.
const SIGHT: usize = 40;
/// How many differences are shown.
const SHOWN: usize = 12;

fn run(exam: &Exam) -> Result<Outcome, Trouble> {
    if exam.plan.like.is_none() {
        return Ok(Outcome::not_applicable("--like names no server to compare it with"));
    }
    let is_single_use = exam.is_single_use()?;
    let server = exam.start()?;
    let (protocol, all, is_tcp) = (server.protocol.clone(), requests(&server), server.is_tcp);
    drop(server);
    if other(exam)?.is_tcp != is_tcp {
        let transport = if is_tcp { "UDP" } else { "TCP" };
        return Err(Trouble::Broken(format!(
            "the other server speaks {transport}, and this one does not"
        )));
    }
    let ask_both = |requests: &[&Request], looks| {
        let ours = ask_all(|| exam.start(), requests, is_single_use, looks)?;
        exam.log().say("the other server is asked the same");
        let theirs = ask_all(|| other(exam), requests, is_single_use, looks)?;
        Ok::<_, Trouble>(ours.into_iter().zip(theirs).collect::<Vec<_>>())
    };
    let all: Vec<&Request> = all.iter().collect();
    let first = ask_both(&all, LOOKS)?;
    let is_silent = |seen: &Seen| seen.answer().is_none_or(|answer| answer.bytes.is_empty());
    if first.first().is_none_or(|(ours, theirs)| is_silent(ours) && is_silent(theirs)) {
        return Err(Trouble::Broken(String::from("neither of them answers a good request")));
    }
    let open: Vec<_> =
        all.iter().copied().zip(&first).filter(|(_, (ours, theirs))| ours != theirs).collect();
    let mut second = Vec::new();
    if !open.is_empty() {
        wait_for(&mut Vec::new(), Deadline::after(LATER))?;
        let requests: Vec<&Request> = open.iter().map(|(request, _)| *request).collect();
        second = ask_both(&requests, MANY_LOOKS)?;
    }
    let mut different = Vec::new();
    for (number, (request, first)) in open.into_iter().enumerate() {
        // One that has come to harm too often is not asked again.
        let second = second.get(number).unwrap_or(first);
        if !is_alike(&protocol, request, [&first.0, &second.0], [&first.1, &second.1]) {
            different.push(format!("{}: {}", request.words(), beside(&second.0, &second.1)));
        }
    }
    let (asked, unasked) = (first.len(), all.len() - first.len());
    let outcome = match different.first() {
        None => Outcome::pass(format!("{asked} requests, and {asked} times the same")),
        Some(first) => {
            let count = different.len();
            let are = if count == 1 { "is" } else { "are" };
            Outcome::fail(format!("{count} of {asked} requests {are} answered otherwise; {first}"))
        }
    };
    different.truncate(SHOWN);
    let rest = (unasked > 0)
        .then(|| format!("{unasked} more were not asked: one of them came to harm too often"));
    Ok(outcome.with_all(different).with_all(rest))
}

/// Two answers in words, and where they begin to differ if that is not in view.
fn beside(ours: &Seen, theirs: &Seen) -> String {
    let words = format!("{}; the other: {}", ours.words(), theirs.words());
    let (Some(ours), Some(theirs)) = (ours.answer(), theirs.answer()) else { return words };
    let same = ours.bytes.iter().zip(&theirs.bytes).take_while(|(one, other)| one == other).count();
    if same < SIGHT || ours.bytes == theirs.bytes {
        return words;
    }
    let (ours, theirs) = (quoted(&ours.bytes[same..]), quoted(&theirs.bytes[same..]));
    format!("{words}; from byte {same} on: {ours}; the other: {theirs}")
}

fn other(exam: &Exam) -> Result<Server, Trouble> {
    match exam.start_like() {
        Ok(Some(server)) => Ok(server),
        Ok(None) => Err(Trouble::Broken(String::from("there is no other server"))),
        Err(trouble) if trouble.is_interrupt() => Err(trouble),
        Err(trouble) => Err(Trouble::Broken(format!("the other server: {trouble}"))),
    }
}

/// Asks one server after the other, each until it has come to harm, or serves no more; fewer than all if that
/// takes too long.
fn ask_all(
    start: impl Fn() -> Result<Server, Trouble>,
    requests: &[&Request],
    is_single_use: bool,
    looks: u32,
) -> Result<Vec<Seen>, Trouble> {
    let (mut well, mut harm, mut all) = (None, Duration::ZERO, Vec::new());
    for request in requests {
        let begun = Instant::now();
        let server = match well.take() {
            Some(server) => server,
            None if harm > ENOUGH => break,
            None => start()?,
        };
        let seen = ask(&server, request, looks)?;
        if seen != Seen::Work && !is_single_use {
            if server.ailment()?.is_none() {
                well = Some(server);
            } else {
                harm += begun.elapsed();
            }
        }
        all.push(seen);
    }
    Ok(all)
}

/// Sends a request and looks at what comes until no more is to be expected.
fn ask(server: &Server, request: &Request, looks: u32) -> Result<Seen, Trouble> {
    let mut client = server.connect()?;
    let meter = Meter::of(&server.processes());
    send(server, &client, request, looks)?;
    loop {
        let mut works = false;
        server.until_or_at_rest(server.patience, looks, || {
            let spent = || meter.spent(&server.processes());
            works = server.protocol.is_fibonacci && spent() >= AT_WORK;
            Ok(works || client.is_told()? || server.ended().is_some())
        })?;
        let is_told = client.is_told()?;
        let answer = client.take()?;
        if works && answer.bytes.is_empty() && !is_told {
            return Ok(Seen::Work);
        }
        // Over UDP one datagram is all of it.
        let is_whole = !server.is_tcp && !answer.bytes.is_empty();
        if !is_told || answer.end != End::Open || is_whole {
            return Ok(Seen::Answer(answer));
        }
    }
}

fn send(server: &Server, client: &Client, request: &Request, looks: u32) -> Result<(), Trouble> {
    let Some((last, parts)) = request.parts.split_last() else { return client.finish() };
    for part in parts {
        client.send(part)?;
        server.until_or_at_rest(server.patience, looks, || {
            Ok(server.has_read(client)? || client.is_told()?)
        })?;
    }
    if request.is_ended {
        client.send_last(last)?
    } else {
        client.send(last)?
    };
    Ok(())
}

/// Whether what two servers were seen to do, each twice, can be the same.
fn is_alike(protocol: &Protocol, request: &Request, ours: [&Seen; 2], theirs: [&Seen; 2]) -> bool {
    if ours.iter().any(|seen| theirs.contains(seen)) {
        return true;
    }
    let [Some(one), Some(later)] = ours.map(Seen::answer) else {
        return is_computed(protocol, request, theirs);
    };
    let [Some(other), Some(other_later)] = theirs.map(Seen::answer) else {
        return is_computed(protocol, request, ours);
    };
    // What a server itself says otherwise a second later can't be the same.
    (one.bytes != later.bytes || other.bytes != other_later.bytes)
        && [later, other, other_later]
            .iter()
            .all(|answer| answer.end == one.end && is_of_form(&one.bytes, &answer.bytes))
}

/// Whether what is answered by one is what another may still compute.
fn is_computed(protocol: &Protocol, request: &Request, seen: [&Seen; 2]) -> bool {
    let sent = request.parts.concat();
    let number = std::str::from_utf8(&sent).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let is_costly = protocol.is_fibonacci && number.is_some_and(|number| number >= COSTLY);
    let is_right = |seen: &Seen| match seen {
        Seen::Answer(answer) => is_costly && protocol.is_answer_to(&sent, &answer.bytes),
        Seen::Work => true,
    };
    seen.into_iter().all(is_right)
}

/// Whether two answers have the same form: letters where letters are, digits where digits are, or seconds in four
/// bytes (RFC 868) that are near each other.
fn is_of_form(one: &[u8], other: &[u8]) -> bool {
    if let (Ok(one), Ok(other)) = (<[u8; 4]>::try_from(one), <[u8; 4]>::try_from(other)) {
        return u32::from_be_bytes(one).abs_diff(u32::from_be_bytes(other)) <= APART;
    }
    let is_of_kind = |(one, other): (&u8, &u8)| {
        one == other
            || (one.is_ascii_alphabetic() && other.is_ascii_alphabetic())
            || (one.is_ascii_digit() && other.is_ascii_digit())
    };
    one.len() == other.len() && one.iter().zip(other).all(is_of_kind)
}

/// Longer than any line, and still one segment on the loopback interface: it comes as a whole.
const LONG: usize = 5000;

fn requests(server: &Server) -> Vec<Request> {
    let protocol = &server.protocol;
    let (good, half) = (&protocol.request, protocol.request.len() / 2);
    let twice = [&good[..], &good[..]].concat();
    let stays = |bytes: &[u8]| Request { parts: vec![bytes.to_vec()], is_ended: false };
    let mut all = vec![stays(good), stays(&twice)];
    if half > 0 {
        all.push(stays(&good[..half]));
    }
    if !server.is_tcp {
        all.extend(DATAGRAMS.iter().map(|bytes| stays(bytes)));
        all.push(stays(&[b'x'; LONG]));
        return all;
    }
    let ends = |bytes: &[u8]| Request { parts: vec![bytes.to_vec()], is_ended: true };
    if half > 0 {
        let parts = vec![good[..half].to_vec(), good[half..].to_vec()];
        all.extend([Request { parts, is_ended: false }, ends(&good[..half])]);
    }
    all.extend([ends(good), ends(&twice), Request { parts: Vec::new(), is_ended: true }]);
    all.extend(GARBAGE.iter().map(|bytes| stays(bytes)));
    let long = if protocol.is_fibonacci { [b'0'; LONG] } else { [b'x'; LONG] };
    all.extend([stays(&long), stays(&[&long[..], b"\n"].concat())]);
    if protocol.is_fibonacci {
        all.extend(NUMBERS.iter().map(|bytes| stays(bytes)));
        all.extend([ends(b"10"), ends(b"abc")]);
    }
    all
}

const DATAGRAMS: &[&[u8]] = &[
    b"",
    b"\0",
    b"\n",
    b"time\n",
    b"TIME\r\n",
    b"time\0time",
    b"10\n",
    b"\xff\xfe",
    b"../etc/passwd",
];

const GARBAGE: &[&[u8]] =
    &[b"\n", b"\r\n", b"abc\n", b"\0\n", b"\xff\xfe\xc3\x28\n", b"%n%s%n%s\n", b"\t\t\t\n"];

/// What computes long comes last.
const NUMBERS: &[&[u8]] = &[
    b"0\n",
    b"1\n",
    b"2\n",
    b"20\n",
    b"10\r\n",
    b"10\n\0",
    b"10\0\n",
    b" 10\n",
    b"10 \n",
    b"\t10\n",
    b"+10\n",
    b"010\n",
    b"10\n20\n",
    b"10 20\n",
    b"-0\n",
    b"-5\n",
    b"-\n",
    b"1e1\n",
    b"0x10\n",
    b"10.0\n",
    // Arabic digits: 10.
    b"\xd9\xa1\xd9\xa0\n",
    // 2^32 + 10 and 2^64 + 10.
    b"4294967306\n",
    b"18446744073709551626\n",
    b"45\n",
    b"46\n",
    b"47\n",
    b"93\n",
    b"94\n",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(bytes: &[u8], end: End) -> Seen {
        Seen::Answer(Answer { bytes: bytes.to_vec(), end, is_tcp: true })
    }

    fn alike(request: &[u8], ours: [&Seen; 2], theirs: [&Seen; 2]) -> bool {
        let request = Request { parts: vec![request.to_vec()], is_ended: false };
        is_alike(&Protocol::fibonacci(), &request, ours, theirs)
    }

    #[test]
    fn what_both_have_said_is_the_same() {
        let (eof, reset) = (seen(b"55", End::Eof), seen(b"55", End::Reset));
        assert!(alike(b"10\n", [&eof, &eof], [&reset, &eof]));
        assert!(!alike(b"10\n", [&eof, &eof], [&reset, &reset]));
        assert!(!alike(b"10\n", [&eof, &eof], [&seen(b"56", End::Eof), &seen(b"56", End::Eof)]));
    }

    #[test]
    fn what_is_computed_is_the_right_number() {
        let right = seen(b"1134903170", End::Eof);
        let (wrong, refused) = (seen(b"-1", End::Eof), seen(b"error: no", End::Eof));
        let works = Seen::Work;
        assert!(alike(b"45\n", [&works, &works], [&right, &right]));
        assert!(alike(b"45\n", [&right, &right], [&works, &works]));
        // Nobody computes so long for a small one.
        assert!(!alike(
            b"10\n",
            [&works, &works],
            [&seen(b"55", End::Eof), &seen(b"55", End::Eof)]
        ));
        for other in [wrong, refused] {
            assert!(!alike(b"45\n", [&works, &works], [&other, &other]));
            assert!(!alike(b"45\n", [&other, &other], [&works, &works]));
        }
    }

    #[test]
    fn what_changes_by_the_second_is_compared_by_its_form() {
        let at = |second: u8| seen(format!("Sat Nov 28 23:05:0{second}").as_bytes(), End::Open);
        assert!(alike(b"time", [&at(1), &at(4)], [&at(2), &at(5)]));
        // Neither has changed.
        assert!(!alike(b"time", [&at(1), &at(1)], [&at(2), &at(2)]));
        let other = seen(b"2026-11-28T23:05:02", End::Open);
        assert!(!alike(b"time", [&at(1), &at(4)], [&other, &other]));
        let rfc868 = |low: u8| seen(&[0xee, 0xf7, 0x9c, low], End::Open);
        let far = seen(&[0, 0, 0, 9], End::Open);
        assert!(alike(b"time", [&rfc868(0), &rfc868(4)], [&rfc868(1), &rfc868(5)]));
        assert!(!alike(b"time", [&rfc868(0), &rfc868(4)], [&far, &far]));
    }

    #[test]
    fn a_difference_that_is_out_of_view_is_shown() {
        let long = |end: &str| seen(format!("{}{end}", "x".repeat(70)).as_bytes(), End::Eof);
        assert!(beside(&long("45"), &long("93")).ends_with(r#"on: "45"; the other: "93""#));
        assert!(!beside(&seen(b"1", End::Eof), &seen(b"0", End::Eof)).contains("from byte"));
    }
}
