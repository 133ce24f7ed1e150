//! The same, again and again: a stretch of a list that is repeated is told once.

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The item at this place.
    Once(usize),
    /// The `period` items before `from` come so many `times` more, from there on.
    Again {
        /// Where the repetitions begin.
        from: usize,
        /// How many items are repeated.
        period: usize,
        /// How often.
        times: usize,
    },
}

/// The longest stretch that is looked for.
const LONGEST: usize = 8;
/// Fewer repetitions are told one by one.
const LEAST: usize = 9;

/// What is said in place of a stretch that comes again.
pub fn words(period: usize, times: usize, until: impl std::fmt::Display) -> String {
    let these =
        if period == 1 { String::from("this line") } else { format!("these {period} lines") };
    format!("({these} {times} times more, until {until})")
}

/// The list in parts, in order; linear in its length.
pub fn repeats<T>(items: &[T], is_same: impl Fn(&T, &T) -> bool) -> Vec<Part> {
    repeats_of(items, LONGEST, |_, times| times >= LEAST, is_same)
}

/// As [`repeats`], of stretches up to the `longest`, if a period and how often it comes again are enough.
pub fn repeats_of<T>(
    items: &[T],
    longest: usize,
    is_enough: impl Fn(usize, usize) -> bool,
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut at = 0;
    while at < items.len() {
        let again = |period: usize| {
            let later = items[at..].iter().zip(items.get(at + period..).unwrap_or_default());
            let same = later.take_while(|(one, other)| is_same(one, other)).count();
            (period, same / period)
        };
        let found = (1..=longest).map(again).find(|&(period, times)| is_enough(period, times));
        match found {
            Some((period, times)) => {
                parts.extend((at..at + period).map(Part::Once));
                let from = at + period;
                parts.push(Part::Again { from, period, times });
                at = from + period * times;
            }
            None => {
                parts.push(Part::Once(at));
                at += 1;
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        told_if(text, LONGEST, |_, times| times >= LEAST)
    }

    fn told_if(text: &str, longest: usize, is_enough: impl Fn(usize, usize) -> bool) -> String {
        let items: Vec<char> = text.chars().collect();
        let part = |part: Part| match part {
            Part::Once(at) => items[at].to_string(),
            Part::Again { period, times, .. } => format!("<{period}x{times}>"),
        };
        let parts = repeats_of(&items, longest, is_enough, |one, other| one == other);
        parts.into_iter().map(part).collect()
    }

    #[test]
    fn what_is_enough_is_told() {
        let is_enough = |period, times| times >= 2 && period * times >= 6;
        assert_eq!(told_if("aaaaa", 4, is_enough), "aaaaa");
        assert_eq!(told_if("abcabcabcx", 4, is_enough), "abc<3x2>x");
        assert_eq!(told_if("abcdeabcdeabcde", 4, is_enough), "abcdeabcdeabcde");
    }

    #[test]
    fn a_stretch_that_comes_again_and_again() {
        assert_eq!(told("abc"), "abc");
        assert_eq!(told(&"a".repeat(9)), "aaaaaaaaa");
        assert_eq!(told(&format!("x{}y", "a".repeat(20))), "xa<1x19>y");
        assert_eq!(told(&format!("x{}ay", "ab".repeat(10))), "xab<2x9>ay");
        assert_eq!(told(&"abcdefgh".repeat(12)), "abcdefgh<8x11>");
        assert_eq!(told(""), "");
    }
}
