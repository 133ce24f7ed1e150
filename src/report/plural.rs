//! So many of something, in words.

use std::fmt::Display;

/// A number and its noun: `1 worker`, `2 workers`.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    let noun = if number == N::from(1) { one } else { many };
    format!("{number} {noun}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let words = |number: usize| counted(number, "process", "processes");
        assert_eq!([0, 1, 2].map(words), ["0 processes", "1 process", "2 processes"]);
    }
}
