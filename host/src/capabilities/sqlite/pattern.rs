//! Owns the patterns of `like` and `glob`, which are matched as the engine does, and end when their time
//! is over.

/// A part of a pattern.
pub(super) enum Part {
    /// Any characters, or none.
    Many,
    One,
    /// This one; for `like`, in lower case where it is ASCII.
    Just(char, Case),
    /// One of these ranges, or none of them.
    Of(Vec<(char, char)>, bool),
}

#[derive(Clone, Copy, PartialEq)]
pub(super) enum Case {
    Same,
    Any,
}

/// Steps of a match between two looks at the watch.
const STEPS_PER_LOOK: usize = 10_000;

impl Part {
    fn takes(&self, c: char) -> bool {
        match self {
            Part::Many => false,
            Part::One => true,
            Part::Just(wanted, Case::Same) => c == *wanted,
            Part::Just(wanted, Case::Any) => c.eq_ignore_ascii_case(wanted),
            Part::Of(ranges, not) => ranges.iter().any(|(a, b)| (*a..=*b).contains(&c)) != *not,
        }
    }
}

/// `%` and `_`, unless they follow the escape.
pub(super) fn like(pattern: &str, escape: Option<char>) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        parts.push(match c {
            _ if Some(c) == escape => match rest.next() {
                Some(c) => Part::Just(c, Case::Any),
                // It escapes nothing, and matches nothing.
                None => Part::Of(Vec::new(), false),
            },
            '%' => Part::Many,
            '_' => Part::One,
            c => Part::Just(c, Case::Any),
        });
    }
    parts
}

/// `*`, `?` and `[...]`. None for one that matches nothing, as a set without its end.
pub(super) fn glob(pattern: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(c) = rest.next() {
        parts.push(match c {
            '*' => Part::Many,
            '?' => Part::One,
            '[' => {
                let not = rest.next_if_eq(&'^').is_some();
                let mut ranges = Vec::new();
                let mut first = None;
                // Right after its beginning the end is a character like others.
                if rest.next_if_eq(&']').is_some() {
                    ranges.push((']', ']'));
                }
                loop {
                    match rest.next()? {
                        ']' => break,
                        '-' if first.is_some() && rest.peek().is_some_and(|c| *c != ']') => {
                            ranges.push((first.take()?, rest.next()?));
                        }
                        c => {
                            ranges.push((c, c));
                            first = Some(c);
                        }
                    }
                }
                Part::Of(ranges, not)
            }
            c => Part::Just(c, Case::Same),
        });
    }
    Some(parts)
}

/// Whether the whole text is matched; none when its time is over.
pub(super) fn matches(parts: &[Part], text: &str, is_over: impl Fn() -> bool) -> Option<bool> {
    let (mut part, mut rest) = (0, text.chars());
    // After the last `Many`, and what it leaves: it takes one more when what follows does not match.
    let mut again = None;
    let mut steps = 0;
    loop {
        steps += 1;
        if steps % STEPS_PER_LOOK == 0 && is_over() {
            return None;
        }
        if matches!(parts.get(part), Some(Part::Many)) {
            part += 1;
            if part == parts.len() {
                return Some(true);
            }
            again = Some((part, rest.clone()));
            continue;
        }
        match (parts.get(part), rest.next()) {
            (None, None) => return Some(true),
            (Some(wanted), Some(c)) if wanted.takes(c) => part += 1,
            // The text has ended too early, wherever one begins.
            (Some(_), None) => return Some(false),
            _ => {
                let Some((after, left)) = &mut again else { return Some(false) };
                left.next();
                (part, rest) = (*after, left.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The engine without functions of ours says the same.
    #[test]
    fn patterns_match_as_the_engines_own() {
        let engine = rusqlite::Connection::open_in_memory().expect("an engine");
        let texts = [
            "", "a", "A", "ab", "aab", "abcab", "a%b", "a_b", "[a]", "a-b", "]", "^", "\u{e4}b",
            "-",
        ];
        let likes = [
            "", "%", "_", "a", "A%", "%b", "%ab", "a%b%", "%a%b", "_b", "__", "a!%b", "!", "%!_%",
            "%%",
        ];
        let globs = [
            "", "*", "?", "a*", "*ab", "a*b*", "[ab]*", "[^a]*", "[a-c]?", "[]]", "[", "[a", "[]",
            "[^]]", "[a-]*", "*[-]*", "[^^]", "[[]a]", "*[b-", "A",
        ];
        for text in texts {
            for pattern in likes {
                let sql = "select ?2 like ?1 escape '!'";
                let theirs = engine.query_row(sql, [pattern, text], |row| row.get(0));
                let ours = matches(&like(pattern, Some('!')), text, || false);
                assert_eq!(ours, Some(theirs.expect("a row")), "{text:?} like {pattern:?}");
            }
            for pattern in globs {
                let sql = "select ?2 glob ?1";
                let theirs = engine.query_row(sql, [pattern, text], |row| row.get(0));
                let parts = glob(pattern);
                let ours = parts.map_or(Some(false), |parts| matches(&parts, text, || false));
                assert_eq!(ours, Some(theirs.expect("a row")), "{text:?} glob {pattern:?}");
            }
        }
        assert_eq!(matches(&like("%b%c", None), &"b".repeat(100_000), || true), None);
    }
}
