//! The calendar, a second opinion: what the time service must have told.

use socklab::posix::time::time;

/// The longest answer.
const LONGEST: usize = 64;

/// Where it is how late: what `TZ` says, what that is called, seconds east of Greenwich.
pub(crate) struct Zone(pub(crate) &'static str, &'static str, i64);

/// By rules that are written out, so that no database is needed.
pub(crate) const ZONES: [Zone; 2] = [Zone("UTC0", "UTC", 0), Zone("XYZ-5:30", "XYZ", 19_800)];

const DAYS: [&str; 7] =
    ["Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// Year, month, day, weekday of a day, counted from 1970-01-01.
fn date(mut days: i64) -> (i64, usize, i64, &'static str) {
    let weekday = DAYS[days.rem_euclid(7) as usize];
    let leap = |year: i64| (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    let mut year = 1970;
    while days >= 365 + i64::from(leap(year)) {
        days -= 365 + i64::from(leap(year));
        year += 1;
    }
    let lengths = [31, 28 + i64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    (year, month, days + 1, weekday)
}

/// What is told at that second.
pub(crate) fn told(format: &str, now: i64, zone: &Zone) -> Vec<u8> {
    let local = if format == "iso8601" { now } else { now + zone.2 };
    let (year, month, day, weekday) = date(local / 86_400);
    let clock = format!("{:02}:{:02}:{:02}", local / 3600 % 24, local / 60 % 60, local % 60);
    let name = MONTHS[month];
    match format {
        "human" => format!("{} {} {day:2} {clock} {year}\n", &weekday[..3], &name[..3]).into(),
        "iso8601" => format!("{year}-{:02}-{day:02}T{clock}Z\n", month + 1).into(),
        "daytime" => format!("{weekday}, {name} {day:02}, {year} {clock}-{}\r\n", zone.1).into(),
        // As rdate prints it.
        "rdate" => {
            format!("{} {} {day:2} {clock} {} {year}\n", &weekday[..3], &name[..3], zone.1).into()
        }
        "time" => ((now + 2_208_988_800) as u32).to_be_bytes().into(),
        _ => panic!("no format {format}"),
    }
}

/// Asserts that an answer tells the time, of some second since `before`. Both are the clock's that
/// the server asks: time(2)'s, which is a few milliseconds behind clock_gettime's.
pub(crate) fn assert_tells(answer: &[u8], format: &str, before: i64, zone: &Zone) {
    let after = time();
    assert!(
        (before..=after).any(|now| told(format, now, zone) == answer),
        "{format}: {:?} is not the time, which is {:?}",
        String::from_utf8_lossy(answer),
        String::from_utf8_lossy(&told(format, after, zone)),
    );
    assert!(answer.len() <= LONGEST, "{} bytes", answer.len());
}

#[test]
fn the_calendar_of_these_tests() {
    let lecture = 1_519_391_700;
    let told = |format, now| String::from_utf8(told(format, now, &ZONES[0])).unwrap();
    assert_eq!(told("iso8601", lecture), "2018-02-23T13:15:00Z\n");
    assert_eq!(told("human", lecture), "Fri Feb 23 13:15:00 2018\n");
    assert_eq!(told("daytime", lecture), "Friday, February 23, 2018 13:15:00-UTC\r\n");
    assert_eq!(told("iso8601", 951_782_400), "2000-02-29T00:00:00Z\n");
    assert_eq!(told("rdate", 1_798_761_599), "Thu Dec 31 23:59:59 UTC 2026\n");
}
