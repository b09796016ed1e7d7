//! Globs by exhaustive search: `*` any run of characters, `?` one code point, over the whole text, case-sensitive.

use std::collections::BTreeSet;

/// Whether the text has a sign of a glob in it.
pub fn is_glob(text: &str) -> bool {
    text.chars().any(|each| each == '*' || each == '?')
}

/// The text matches the pattern.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    fn from(pattern: &[char], text: &[char]) -> bool {
        match (pattern.first(), text.first()) {
            (None, _) => text.is_empty(),
            (Some('*'), _) => (0..=text.len()).any(|run| from(&pattern[1..], &text[run..])),
            (Some(_), None) => false,
            (Some(sign), Some(letter)) => (*sign == '?' || sign == letter) && from(&pattern[1..], &text[1..]),
        }
    }
    from(&pattern, &text)
}

/// The places in a pattern where one may stand after some text: those before each sign, and the end.
type Places = BTreeSet<usize>;

/// With each star that may be passed by without a letter.
fn resting(pattern: &[char], places: Places) -> Places {
    let mut all = places.clone();
    for place in places {
        let mut next = place;
        while pattern.get(next) == Some(&'*') {
            next += 1;
            all.insert(next);
        }
    }
    all
}

fn after(pattern: &[char], places: &Places, letter: char) -> Places {
    let mut next = Places::new();
    for &place in places {
        match pattern.get(place) {
            Some('*') => {
                next.insert(place);
            }
            Some('?') => {
                next.insert(place + 1);
            }
            Some(sign) if *sign == letter => {
                next.insert(place + 1);
            }
            _ => {}
        }
    }
    resting(pattern, next)
}

/// Whether some text, of all texts over the letters of both and one that neither has, is so; the test is told whether it
/// matches the one and whether it matches the other.
fn some_text(one: &str, other: &str, so: impl Fn(bool, bool) -> bool) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut letters: BTreeSet<char> = one.iter().chain(&other).copied().collect();
    letters.insert('\u{10FFFF}'); // stands for every letter that neither names
    let mut met = BTreeSet::new();
    let mut ahead = vec![(resting(&one, Places::from([0])), resting(&other, Places::from([0])))];
    while let Some((here, there)) = ahead.pop() {
        if !met.insert((here.clone(), there.clone())) {
            continue;
        }
        if so(here.contains(&one.len()), there.contains(&other.len())) {
            return true;
        }
        for &letter in &letters {
            ahead.push((after(&one, &here, letter), after(&other, &there, letter)));
        }
    }
    false
}

/// Some text matches both.
pub fn meet(one: &str, other: &str) -> bool {
    some_text(one, other, |here, there| here && there)
}

/// Every text that matches the narrow one matches the wide one.
pub fn includes(wide: &str, narrow: &str) -> bool {
    !some_text(wide, narrow, |wide, narrow| narrow && !wide)
}
