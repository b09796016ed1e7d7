//! Globs: `*` any run of characters, `?` one Unicode code point; case-sensitive; over the whole text.

use std::collections::BTreeSet;

/// Whether the text has a sign of a glob.
pub fn is_glob(text: &str) -> bool {
    text.bytes().any(|byte| byte == b'*' || byte == b'?')
}

/// Whether the glob matches the text. Linear in both, times the number of stars at worst.
pub fn glob_matches(pattern: &str, text: &str) -> bool {
    if !is_glob(pattern) {
        return pattern == text;
    }
    let (mut p, mut t) = (pattern.chars(), text.chars());
    let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        let (mut p_next, mut t_next) = (p.clone(), t.clone());
        match (p_next.next(), t_next.next()) {
            (Some('*'), _) => {
                star = Some((p_next.clone(), t.clone()));
                p = p_next;
            }
            (Some(sign), Some(letter)) if sign == '?' || sign == letter => (p, t) = (p_next, t_next),
            (None, None) => return true,
            _ => match &mut star {
                // The last star takes one letter more.
                Some((after, taken)) => {
                    if taken.next().is_none() {
                        return false;
                    }
                    (p, t) = (after.clone(), taken.clone());
                }
                None => return false,
            },
        }
    }
}

/// Whether some string matches both globs. Quadratic.
pub fn globs_meet(a: &str, b: &str) -> bool {
    match (is_glob(a), is_glob(b)) {
        (false, false) => return a == b,
        (false, true) => return glob_matches(b, a),
        (true, false) => return glob_matches(a, b),
        (true, true) => {}
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // meet[j]: a[i..] meets b[j..], for the row i; rows from the end.
    let mut below = vec![false; b.len() + 1];
    for i in (0..=a.len()).rev() {
        let mut row = vec![false; b.len() + 1];
        for j in (0..=b.len()).rev() {
            row[j] = match (a.get(i), b.get(j)) {
                (None, None) => true,
                (Some('*'), other) => below[j] || (other.is_some() && row[j + 1]),
                (_, Some('*')) => row[j + 1] || (i < a.len() && below[j]),
                (Some(x), Some(y)) => (x == y || *x == '?' || *y == '?') && below[j + 1],
                _ => false,
            };
        }
        below = row;
    }
    below[0]
}

/// Whether every string that matches `narrow` matches `wide`: a walk over the subset construction of both automata, over
/// the letters that occur and one that does not. Exponential at worst in the number of `?` after a `*`, as inclusion of
/// such patterns is; ordinary scopes take a few steps.
pub fn glob_includes(wide: &str, narrow: &str) -> bool {
    if !is_glob(narrow) {
        return glob_matches(wide, narrow);
    }
    if !is_glob(wide) {
        return false;
    }
    if wide.chars().all(|sign| sign == '*') {
        return true;
    }
    let wide: Vec<char> = wide.chars().collect();
    let narrow: Vec<char> = narrow.chars().collect();
    let mut letters: BTreeSet<Option<char>> =
        wide.iter().chain(&narrow).filter(|c| !matches!(c, '*' | '?')).map(|c| Some(*c)).collect();
    letters.insert(None);
    let mut walked = BTreeSet::new();
    let mut ahead = vec![(places(&wide, BTreeSet::from([0])), places(&narrow, BTreeSet::from([0])))];
    while let Some(pair) = ahead.pop() {
        if !walked.insert(pair.clone()) {
            continue;
        }
        if pair.1.contains(&narrow.len()) && !pair.0.contains(&wide.len()) {
            return false;
        }
        for letter in &letters {
            let next = step(&narrow, &pair.1, *letter);
            if !next.is_empty() {
                ahead.push((step(&wide, &pair.0, *letter), next));
            }
        }
    }
    true
}

/// A glob as an automaton whose states are the places between its signs: a star may be passed without a letter.
fn places(pattern: &[char], mut found: BTreeSet<usize>) -> BTreeSet<usize> {
    let mut ahead: Vec<usize> = found.iter().copied().collect();
    while let Some(place) = ahead.pop() {
        if pattern.get(place) == Some(&'*') && found.insert(place + 1) {
            ahead.push(place + 1);
        }
    }
    found
}

/// The places after one more letter; `None` is a letter that occurs in neither glob.
fn step(pattern: &[char], from: &BTreeSet<usize>, letter: Option<char>) -> BTreeSet<usize> {
    let next = from
        .iter()
        .filter_map(|place| match pattern.get(*place)? {
            '*' => Some(*place),
            '?' => Some(place + 1),
            sign => (Some(*sign) == letter).then_some(place + 1),
        })
        .collect();
    places(pattern, next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_runs_and_single_code_points() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("?", "", false),
            ("?", "ä", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("**", "x", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("A", "a", false),
        ] {
            assert_eq!(glob_matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn meets_and_includes() {
        assert!(globs_meet("a*", "*b"));
        assert!(!globs_meet("a*", "b*"));
        assert!(globs_meet("*", "*"));
        assert!(globs_meet("?*", "*?"));
        assert!(!globs_meet("?", "a?"));
        assert!(glob_includes("a*", "ab*"));
        assert!(!glob_includes("ab*", "a*"));
        assert!(glob_includes("*?", "?*"));
        assert!(!glob_includes("?*", "*"));
        assert!(glob_includes("*", "*"));
    }
}
