//! A call where it does not fit: its beginning, what it differs in, and what came of it.

const GAP: &str = "...";

/// A call in so many letters: what came of it is cut off last.
pub fn excerpt(text: &str, width: usize) -> String {
    let length = text.chars().count();
    match least(text) {
        Some(least) if length > width && width < least + GAP.len() => {
            shortest(text).chars().take(width).collect()
        }
        _ => window(text, 0, width),
    }
}

/// How many letters a call needs so that what came of it is there.
pub fn least(text: &str) -> Option<usize> {
    text.contains(") = ").then(|| shortest(text).chars().count().min(text.chars().count()))
}

/// The name of a call and what came of it.
fn shortest(text: &str) -> String {
    let name = text.find('(').map_or("", |at| &text[..=at]);
    let outcome = text.rfind(") = ").map_or("", |at| &text[at..]);
    [name, GAP, outcome].concat()
}

/// Two calls, each in so many letters, so that what they differ in is seen in both.
pub fn excerpts(one: &str, other: &str, width: usize) -> [String; 2] {
    let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
    [one, other].map(|text| window(text, same, width))
}

/// The part of a text round a place, with its beginning and its end as far as there is room.
fn window(text: &str, place: usize, width: usize) -> String {
    let letters: Vec<char> = text.chars().collect();
    let all = letters.len();
    if all <= width {
        return text.to_owned();
    }
    let take =
        |from: usize, to: usize| letters[from.min(all)..to.min(all)].iter().collect::<String>();
    let gap = GAP.len();
    if width < 4 * gap {
        return take(0, width);
    }
    // The outcome, with the bracket before it, if it leaves some of the call.
    let outcome = text.rfind(") = ").map_or(0, |at| text[at..].chars().count());
    let tail = if outcome + 2 * gap + 8 <= width { outcome } else { 0 };
    let head = width - gap - tail;
    if place < head || place >= all - tail && tail > 0 {
        return take(0, head) + GAP + &take(all - tail, all);
    }
    // The name, a gap, some letters before the difference, and what follows it.
    let name = letters.iter().position(|c| *c == '(').map_or(0, |at| at + 1).min(width / 3);
    let room = width.saturating_sub(name + gap + gap + tail);
    let before = room / 3;
    let end = all - tail;
    let from = place.saturating_sub(before).clamp(name, end.max(name));
    let until = (from + room).min(end);
    let last = if until < end { GAP } else { "" };
    let rest = if until < end { end } else { until };
    let told = take(0, name) + GAP + &take(from, until) + last + &take(rest, all);
    told.chars().take(width).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_stays() {
        assert_eq!(excerpt("close(3) = 0", 20), "close(3) = 0");
        assert_eq!(excerpts("close(3) = 0", "close(4) = 0", 20), ["close(3) = 0", "close(4) = 0"]);
    }

    #[test]
    fn the_outcome_is_seen() {
        let text = "accept(listenfd, POINTER, [128]) = interrupted, to be restarted";
        let told = excerpt(text, 48);
        assert!(
            told.starts_with("accept(") && told.ends_with("...) = interrupted, to be restarted")
        );
        assert_eq!(told.chars().count(), 48);
        // Where there is no room for it, as much as there is.
        assert_eq!(excerpt(text, 42), "accept(...) = interrupted, to be restarted");
        assert_eq!(excerpt(text, 20), "accept(...) = interr");
        assert_eq!(least(text), Some(42));
        assert_eq!((least("close(3) = 0"), least("--- SIGINT ---")), (Some(12), None));
    }

    #[test]
    fn the_difference_is_seen_wherever_it_is() {
        for place in [0, 3, 20, 50, 500, 990, 999] {
            let mut data = vec!['a'; 1000];
            let said = |data: &[char]| {
                format!(
                    "sendto(connfd 1, \"{}\", 1000, 0, NULL, 0) = 1000",
                    data.iter().collect::<String>()
                )
            };
            let one = said(&data);
            data[place] = 'b';
            for width in [18, 30, 48, 100, 400] {
                let [left, right] = excerpts(&one, &said(&data), width);
                assert!(left != right, "{place} {width}: {left} {right}");
                assert!(left.chars().count() <= width && right.chars().count() <= width, "{right}");
            }
        }
        let [left, right] = excerpts(
            "recv(4) = EAGAIN and so on and so on",
            "recv(4) = EINTR and so on and on",
            20,
        );
        assert!(left != right, "{left} {right}");
    }

    #[test]
    fn letters_are_not_split() {
        let text = "é".repeat(100);
        assert_eq!(excerpt(&text, 30).chars().count(), 30);
        let [one, other] = excerpts(&text, &format!("{text}é"), 30);
        assert!(one != other && one.chars().count() <= 30 && other.chars().count() <= 30);
    }
}
