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

/// Steps after which [`glob_includes`] gives up. Ordinary scopes take fewer than a hundred.
pub const GLOB_STEPS_MAX: usize = 20_000;

/// Whether every string that matches `narrow` matches `wide`; `None` where that takes more than [`GLOB_STEPS_MAX`] steps.
///
/// A search for a string that only `narrow` matches, over its places and the sets of places that `wide` may be in. Where
/// `narrow` takes any letter, one that occurs in neither glob is the hardest for `wide`: the places that it leaves are among
/// those that any other leaves. Of two sets of places, the one that holds the other is the easier and needs no walk.
pub fn glob_includes(wide: &str, narrow: &str) -> Option<bool> {
    if !is_glob(narrow) {
        return Some(glob_matches(wide, narrow));
    }
    if !is_glob(wide) {
        return Some(false);
    }
    if wide.chars().all(|sign| sign == '*') {
        return Some(true);
    }
    let wide: Vec<char> = wide.chars().collect();
    let narrow: Vec<char> = narrow.chars().collect();
    let mut walked: Vec<Vec<BTreeSet<usize>>> = vec![Vec::new(); narrow.len() + 1];
    let mut ahead = vec![(0, places(&wide, BTreeSet::from([0])))];
    let mut steps = 0;
    while let Some((place, of_wide)) = ahead.pop() {
        if walked[place].iter().any(|before| before.is_subset(&of_wide)) {
            continue;
        }
        steps += 1 + walked[place].len() / 16;
        if steps > GLOB_STEPS_MAX {
            return None;
        }
        match narrow.get(place) {
            None if !of_wide.contains(&wide.len()) => return Some(false),
            None => {}
            Some('*') => {
                ahead.push((place, step(&wide, &of_wide, None)));
                ahead.push((place + 1, of_wide.clone()));
            }
            Some('?') => ahead.push((place + 1, step(&wide, &of_wide, None))),
            Some(letter) => ahead.push((place + 1, step(&wide, &of_wide, Some(*letter)))),
        }
        walked[place].retain(|before| !of_wide.is_subset(before));
        walked[place].push(of_wide);
    }
    Some(true)
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
        for (wide, narrow, expected) in [
            ("a*", "ab*", true),
            ("ab*", "a*", false),
            ("*?", "?*", true),
            ("?*", "*", false),
            ("*", "*", true),
            ("*a*", "?a?", true),
            ("*aa*", "a*a", false),
            ("a*a", "aa*a", true),
            ("a?*", "a*", false),
        ] {
            assert_eq!(glob_includes(wide, narrow), Some(expected), "{wide} {narrow}");
        }
    }

    /// Against the definition, over every string of up to six letters: enough for patterns this short.
    #[test]
    fn includes_agrees_with_trying_all_strings() {
        let mut patterns = vec![String::new()];
        for length in 0..4 {
            let longer: Vec<String> = patterns
                .iter()
                .filter(|pattern| pattern.len() == length)
                .flat_map(|pattern| ['a', 'b', '*', '?'].map(|sign| format!("{pattern}{sign}")))
                .collect();
            patterns.extend(longer);
        }
        let mut texts = vec![String::new()];
        for length in 0..6 {
            let longer: Vec<String> = texts
                .iter()
                .filter(|text| text.len() == length)
                .flat_map(|text| ['a', 'b', 'c'].map(|letter| format!("{text}{letter}")))
                .collect();
            texts.extend(longer);
        }
        let matched: Vec<Vec<bool>> = patterns
            .iter()
            .map(|pattern| texts.iter().map(|text| glob_matches(pattern, text)).collect())
            .collect();
        for (wide, of_wide) in patterns.iter().zip(&matched) {
            for (narrow, of_narrow) in patterns.iter().zip(&matched) {
                let expected = of_narrow.iter().zip(of_wide).all(|(narrow, wide)| !narrow || *wide);
                assert_eq!(glob_includes(wide, narrow), Some(expected), "{wide} {narrow}");
            }
        }
    }

    #[test]
    fn hostile_globs_end_soon() {
        let marks = "?".repeat(1_000);
        assert_eq!(glob_includes(&format!("*a{marks}"), "*?*"), Some(false));
        assert_eq!(glob_includes(&format!("*{marks}"), &format!("{marks}*")), Some(true));
        // Whatever these say, they say it.
        let _ = glob_includes(&"*a?".repeat(600), &"*?a".repeat(600));
        let _ = glob_includes(&"*ab*?".repeat(400), &"a*b?*".repeat(400));
    }
}
