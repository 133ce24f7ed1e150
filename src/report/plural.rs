//! So many of something, in words; and what belongs together.

use std::fmt::Display;

/// A number and its noun: `1 worker`, `2 workers`.
pub fn counted<N: Display + PartialEq + From<u8>>(number: N, one: &str, many: &str) -> String {
    let noun = if number == N::from(1) { one } else { many };
    format!("{number} {noun}")
}

/// What has the same name together, in the order in which the names came.
pub fn grouped<K: PartialEq, V>(pairs: impl IntoIterator<Item = (K, V)>) -> Vec<(K, Vec<V>)> {
    let mut groups: Vec<(K, Vec<V>)> = Vec::new();
    for (name, value) in pairs {
        match groups.iter_mut().find(|(other, _)| *other == name) {
            Some((_, values)) => values.push(value),
            None => groups.push((name, vec![value])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        let words = |number: usize| counted(number, "process", "processes");
        assert_eq!([0, 1, 2].map(words), ["0 processes", "1 process", "2 processes"]);
    }

    #[test]
    fn the_same_name_is_one_group() {
        let pairs = [("b", 1), ("a", 2), ("b", 3)];
        assert_eq!(grouped(pairs), [("b", vec![1, 3]), ("a", vec![2])]);
    }
}
