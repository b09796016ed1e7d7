//! Globs: two patterns and a text, against matchers written otherwise.

use asof_model::{glob_includes, glob_matches, globs_meet};

use super::mutate;
use crate::draw::Draw;
use crate::naive::glob as naive;

/// The longest scope that the door lets in.
const BYTES_MAX: usize = 2_048;
/// The naive model walks all sets of places: patterns of more signs than this would take it too long.
const SIGNS_MAX: usize = 10;
const MUTATED_MAX: usize = 300;

/// Bytes: a pattern, another, and a text, a line each.
pub fn glob(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n').map(|line| {
        let end = (0..=line.len().min(BYTES_MAX)).rev().find(|end| line.is_char_boundary(*end));
        &line[..end.unwrap_or(0)]
    });
    let [one, other, text] = [(); 3].map(|()| lines.next().unwrap_or_default());
    for (pattern, text) in [(one, text), (other, text), (one, other), (one, one)] {
        assert_eq!(glob_matches(pattern, text), matches(pattern, text), "{pattern:?} matches {text:?}");
    }
    let met = globs_meet(one, other);
    assert_eq!(met, globs_meet(other, one), "{one:?} meets {other:?}, from either side");
    assert_eq!(met, meet(one, other), "{one:?} meets {other:?}");
    assert!(globs_meet(one, one) && globs_meet(one, "*"), "{one:?} meets itself and everything");
    if glob_matches(one, text) && glob_matches(other, text) {
        assert!(met, "{text:?} matches {one:?} and {other:?}");
    }
    assert_ne!(glob_includes(one, one), Some(false), "{one:?} includes itself");
    assert_eq!(glob_includes("*", one), Some(true), "everything includes {one:?}");
    for (wide, narrow) in [(one, other), (other, one)] {
        include(wide, narrow, text, met);
    }
}

fn include(wide: &str, narrow: &str, text: &str, met: bool) {
    let included = glob_includes(wide, narrow);
    let signs = wide.chars().count().max(narrow.chars().count());
    if signs <= SIGNS_MAX {
        assert_eq!(included, Some(naive::includes(wide, narrow)), "{wide:?} includes {narrow:?}");
        assert_eq!(met, naive::meet(wide, narrow), "{wide:?} meets {narrow:?}");
    }
    if included == Some(true) {
        assert!(met, "{wide:?} includes {narrow:?}, and so meets it");
        for text in [text.to_owned(), instance(narrow, ""), instance(narrow, "a"), instance(narrow, "z*?")] {
            assert!(
                !glob_matches(narrow, &text) || glob_matches(wide, &text),
                "{wide:?} includes {narrow:?}, and does not match {text:?}"
            );
        }
    }
    if included == Some(false) && !naive::is_glob(narrow) {
        assert!(!matches(wide, narrow), "{wide:?} includes {narrow:?}, a text that it matches");
    }
}

/// A text that matches the pattern.
fn instance(pattern: &str, run: &str) -> String {
    let one = run.chars().next().unwrap_or('q');
    let mut text = String::new();
    for sign in pattern.chars() {
        match sign {
            '*' => text.push_str(run),
            '?' => text.push(one),
            letter => text.push(letter),
        }
    }
    text
}

/// By a table: the first so many signs match the first so many letters.
fn matches(pattern: &str, text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut row = vec![false; text.len() + 1];
    row[0] = true;
    for sign in pattern.chars() {
        let before = row;
        row = vec![false; text.len() + 1];
        row[0] = before[0] && sign == '*';
        for place in 0..text.len() {
            row[place + 1] = match sign {
                '*' => before[place + 1] || row[place],
                '?' => before[place],
                letter => before[place] && letter == text[place],
            };
        }
    }
    row[text.len()]
}

/// By a walk forward over pairs of places: each text that both match is one way to the last pair.
fn meet(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let width = other.len() + 1;
    let mut met = vec![false; (one.len() + 1) * width];
    let mut ahead = vec![(0, 0)];
    while let Some((here, there)) = ahead.pop() {
        if std::mem::replace(&mut met[here * width + there], true) {
            continue;
        }
        let (sign, beside) = (one.get(here), other.get(there));
        if sign == Some(&'*') {
            ahead.push((here + 1, there));
        }
        if beside == Some(&'*') {
            ahead.push((here, there + 1));
        }
        let (Some(&sign), Some(&beside)) = (sign, beside) else { continue };
        if sign == beside || [sign, beside].iter().any(|each| ['*', '?'].contains(each)) {
            ahead.push((here + usize::from(sign != '*'), there + usize::from(beside != '*')));
        }
    }
    met.last() == Some(&true)
}

/// Signs of globs and few letters, or any bytes. Not long: long ones take long, and are among the seeds.
pub fn mutate(data: &mut Vec<u8>, others: &[Vec<u8>], draw: &mut Draw) {
    if draw.chance(0.4) {
        mutate::bytes(data, others, draw);
        return data.truncate(MUTATED_MAX);
    }
    for _ in 0..=draw.below(4) {
        let sign = *draw.pick(&["*", "?", "a", "b", "aa", "*a", "?*", "**", "ä", "/", "\n", "*?a"]);
        let place = draw.below(data.len() + 1);
        let end = if draw.chance(0.5) { place } else { (place + sign.len()).min(data.len()) };
        data.splice(place..end, sign.repeat(if draw.chance(0.05) { 30 } else { 1 }).into_bytes());
    }
    data.truncate(MUTATED_MAX);
}

/// Ordinary and hostile ones.
pub fn seeds() -> Vec<Vec<u8>> {
    let stars = format!("{}b\n{}\n{}", "a*".repeat(400), "*a".repeat(400), "a".repeat(2_000));
    let marks = format!("*a{}\n*?*\n{}", "?".repeat(1_000), "a".repeat(1_500));
    let mixed = format!("{}\n{}\n", "*a?".repeat(600), "*?a".repeat(600));
    ["db/report?\ndb/*\ndb/report1", "*\n?\nä", "a*b*c\n*b*\naxbyc", "*aa*\na*a\naa", &stars, &marks, &mixed]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
}
