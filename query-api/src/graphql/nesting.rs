//! How deep a document's brackets go, told without parsing it.
//!
//! async-graphql's parser descends into values by recursion without a bound of its own: a few kilobytes of `[[[[…` overflow the thread's
//! stack, which ends the process. So brackets are counted first.

/// True when no bracket of the document is more than `depth_max` deep. Strings and comments do not count.
pub(super) fn is_within(document: &str, depth_max: usize) -> bool {
    let mut rest = document.as_bytes();
    let mut depth = 0_usize;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = match byte {
            b'(' | b'[' | b'{' => {
                depth += 1;
                if depth > depth_max {
                    return false;
                }
                tail
            }
            b')' | b']' | b'}' => {
                depth = depth.saturating_sub(1);
                tail
            }
            b'#' => after(tail, |rest| rest.first().is_some_and(|byte| matches!(byte, b'\n' | b'\r')), 0),
            b'"' => match tail.strip_prefix(b"\"\"") {
                Some(block) => after_block_string(block),
                None => after_string(tail),
            },
            _ => tail,
        };
    }
    true
}

/// What is left once `ends` holds, less the `length` of the end itself.
fn after(mut rest: &[u8], ends: impl Fn(&[u8]) -> bool, length: usize) -> &[u8] {
    while !rest.is_empty() {
        if ends(rest) {
            return rest.get(length..).unwrap_or_default();
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    rest
}

/// A string ends at its quote or, broken, at the end of its line; a backslash takes the next byte with it.
fn after_string(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [b'\\', _, tail @ ..] => rest = tail,
            [b'"' | b'\n' | b'\r', tail @ ..] => return tail,
            [_, tail @ ..] => rest = tail,
            [] => return rest,
        }
    }
}

/// A block string ends at three quotes that no backslash precedes.
fn after_block_string(mut rest: &[u8]) -> &[u8] {
    loop {
        match rest {
            [b'\\', b'"', b'"', b'"', tail @ ..] => rest = tail,
            [b'"', b'"', b'"', tail @ ..] => return tail,
            [_, tail @ ..] => rest = tail,
            [] => return rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_within;

    #[test]
    fn brackets_are_counted_outside_strings_and_comments() {
        for (document, depth) in [
            ("{ a }", 1),
            ("{ a(b: [[1]]) { c } }", 4),
            (r#"{ a(b: "[[[[[[") }"#, 2),
            (r#"{ a(b: "\"[[[[") }"#, 2),
            ("{ a(b: \"\"\"[[[ \\\"\"\" [[[\"\"\") }", 2),
            ("{ a # [[[[[\n (b: [1]) }", 3),
            // What closes inside a string closes nothing.
            (r#"{ a(b: ["]]]]", [1]]) }"#, 4),
        ] {
            assert!(is_within(document, depth), "{document}");
            assert!(!is_within(document, depth - 1), "{document}");
        }
    }

    #[test]
    fn a_tower_of_brackets_is_refused() {
        for open in ["[", "{y:"] {
            let document = format!("{{a(x:{})}}", open.repeat(20_000));
            assert!(!is_within(&document, 64));
        }
    }
}
