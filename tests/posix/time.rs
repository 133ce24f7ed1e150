//! Clocks and the calendar.

use socklab::posix::error::{EINVAL, EOVERFLOW};
use socklab::posix::time::{
    CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_REALTIME, clock_gettime, gmtime_r,
    localtime_r, nanosleep, strftime, time, timespec,
};

use crate::support::row;

#[test]
fn clocks() {
    let before = time();
    let now = clock_gettime(CLOCK_REALTIME).expect("clock_gettime");
    // time() answers from the last tick, so it may lag behind the clock by one second's border.
    assert!(before <= now.tv_sec && now.tv_sec <= time() + 1);
    let first = clock_gettime(CLOCK_MONOTONIC).expect("clock_gettime");
    let second = clock_gettime(CLOCK_MONOTONIC).expect("clock_gettime");
    assert!((first.tv_sec, first.tv_nsec) <= (second.tv_sec, second.tv_nsec));
    let used = clock_gettime(CLOCK_PROCESS_CPUTIME_ID).expect("clock_gettime");
    assert!((0..1_000_000_000).contains(&used.tv_nsec));
    let nix = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).expect("clock_gettime");
    assert!((second.tv_sec, second.tv_nsec) <= (nix.tv_sec(), nix.tv_nsec()));
    row("clock_gettime", "no such clock", clock_gettime(12345), EINVAL);
}

#[test]
fn nanosleep_sleeps_no_less() {
    let now = || {
        let now = clock_gettime(CLOCK_MONOTONIC).expect("clock_gettime");
        now.tv_sec * 1_000_000_000 + now.tv_nsec
    };
    let start = now();
    nanosleep(&timespec { tv_sec: 0, tv_nsec: 2_000_000 }).expect("nanosleep");
    assert!(now() - start >= 2_000_000);
    let bad = |tv_sec, tv_nsec| nanosleep(&timespec { tv_sec, tv_nsec });
    row("nanosleep", "a whole second of nanoseconds", bad(0, 1_000_000_000), EINVAL);
    row("nanosleep", "negative nanoseconds", bad(0, -1), EINVAL);
    row("nanosleep", "negative seconds", bad(-1, 0), EINVAL);
}

#[test]
fn gmtime_r_knows_the_calendar() {
    let rows = [
        (0, (1970, 1, 1), (0, 0, 0), 4),
        (-1, (1969, 12, 31), (23, 59, 59), 3),
        (951_782_400, (2000, 2, 29), (0, 0, 0), 2),
        (1_234_567_890, (2009, 2, 13), (23, 31, 30), 5),
        (2_147_483_648, (2038, 1, 19), (3, 14, 8), 2),
        (4_107_542_400, (2100, 3, 1), (0, 0, 0), 1),
    ];
    for (seconds, date, clock, weekday) in rows {
        let tm = gmtime_r(seconds).expect("gmtime_r");
        assert_eq!((tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday), date, "{seconds}");
        assert_eq!((tm.tm_hour, tm.tm_min, tm.tm_sec), clock, "{seconds}");
        assert_eq!(tm.tm_wday, weekday, "{seconds}");
    }
    row("gmtime_r", "a year beyond an int", gmtime_r(i64::MAX), EOVERFLOW);
    row("localtime_r", "a year beyond an int", localtime_r(i64::MAX), EOVERFLOW);
}

#[test]
fn localtime_r_is_off_by_the_zone() {
    let (local, utc) =
        (localtime_r(86_400).expect("localtime_r"), gmtime_r(86_400).expect("gmtime_r"));
    let seconds = |tm: &socklab::posix::time::tm| {
        i64::from(((tm.tm_yday * 24 + tm.tm_hour) * 60 + tm.tm_min) * 60 + tm.tm_sec)
    };
    assert_eq!(seconds(&local) - seconds(&utc), local.tm_gmtoff);
    assert_eq!(utc.tm_gmtoff, 0);
}

#[test]
fn strftime_writes_what_fits() {
    let tm = gmtime_r(1_234_567_890).expect("gmtime_r");
    let mut s = [b'?'; 26];
    let rows = [
        (c"%Y-%m-%d %H:%M:%S", "2009-02-13 23:31:30"),
        (c"%a %b %e %T %Y", "Fri Feb 13 23:31:30 2009"),
        (c"%Z", "GMT"),
        (c"%%", "%"),
    ];
    for (format, expected) in rows {
        let length = strftime(&mut s, format, &tm);
        assert_eq!(&s[..length], expected.as_bytes());
        assert_eq!(s[length], 0);
    }
    assert_eq!(strftime(&mut s[..19], c"%Y-%m-%d %H:%M:%S", &tm), 0, "no room for the NUL");
    assert_eq!(strftime(&mut s[..20], c"%Y-%m-%d %H:%M:%S", &tm), 19);
    assert_eq!(strftime(&mut [], c"%Y", &tm), 0);
}
