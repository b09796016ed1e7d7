//! The tokens of GraphQL and of JSON: mostly, what comes out can be read again.

use crate::draw::Draw;

const TOKENS_MAX: usize = 4_000;
const VALUES: &[&str] = &[
    r#""""#,
    r#""*""#,
    r#""*?*a?""#,
    r#""9999-12-31T23:59:59Z""#,
    r#""1970-01-01T00:00:00Z""#,
    r#""2262-04-11T23:47:16.854775807Z""#,
    r#""2025-03-01T00:00:00+14:00""#,
    r#""P0D""#,
    r#""P100000D""#,
    r#""-PT1H""#,
    r#""PT0.000000001S""#,
    "0",
    "-1",
    "2147483647",
    "18446744073709551615",
    "18446744073709551616",
    "1e400",
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "[null]",
    "$x",
];

/// The text with few tokens changed; `others` are texts to take some over from, `words` are words of the language.
pub fn tokens(text: &str, others: &[&str], words: &[String], draw: &mut Draw) -> String {
    let mut own = split(text);
    let other = if others.is_empty() { Vec::new() } else { split(draw.pick::<&str>(others)) };
    for _ in 0..=draw.below(3) {
        change(&mut own, &other, words, draw);
    }
    own.truncate(TOKENS_MAX);
    own.join(" ")
}

fn change<'a>(own: &mut Vec<&'a str>, other: &[&'a str], words: &'a [String], draw: &mut Draw) {
    let place = draw.below(own.len() + 1);
    match draw.below(9) {
        0 if place < own.len() => {
            own.remove(place);
        }
        1 => own.insert(place, *draw.pick::<&str>(VALUES)),
        2 | 3 if place < own.len() && !words.is_empty() => {
            let kind = kind(own[place]);
            if kind == b'a' {
                own[place] = draw.pick::<String>(words);
            } else if b"\"0".contains(&kind) {
                own[place] = *draw.pick::<&str>(VALUES);
            }
        }
        4 if place < own.len() => {
            let like: Vec<_> = other.iter().filter(|each| kind(each) == kind(own[place])).collect();
            if !like.is_empty() {
                own[place] = **draw.pick(&like);
            }
        }
        5 => {
            if let Some((from, to)) = group(own, place) {
                own.drain(from..to);
            }
        }
        6 => {
            if let Some((from, to)) = group(own, place) {
                let again = own[from..to].to_vec();
                own.splice(to..to, again);
            }
        }
        _ => {
            let from = draw.below(other.len() + 1);
            let Some((theirs, their_end)) = group(other, from) else { return };
            // What has a name goes with it.
            let named = theirs.saturating_sub(draw.below(3));
            let taken = other[named..their_end].to_vec();
            match group(own, place) {
                Some((from, to)) if own[from] == other[theirs] && draw.chance(0.7) => {
                    own.splice(from..to, other[theirs..their_end].iter().copied());
                }
                _ => {
                    own.splice(place..place, taken);
                }
            }
        }
    }
}

/// The first group of brackets that begins at a place or behind it: from the bracket to behind its end.
fn group(tokens: &[&str], place: usize) -> Option<(usize, usize)> {
    let opens = |token: &&str| ["(", "[", "{"].contains(token);
    let from = place + tokens.get(place..)?.iter().position(opens)?;
    let mut depth = 0_usize;
    for (end, token) in tokens.iter().enumerate().skip(from) {
        if opens(token) {
            depth += 1;
        } else if [")", "]", "}"].contains(token) {
            depth -= 1;
        }
        if depth == 0 {
            return Some((from, end + 1));
        }
    }
    None
}

/// What a token is like: a name, a string, a number, or a sign of its own.
fn kind(token: &str) -> u8 {
    match token.bytes().next().unwrap_or_default() {
        b'a'..=b'z' | b'A'..=b'Z' | b'_' => b'a',
        b'0'..=b'9' | b'-' => b'0',
        sign => sign,
    }
}

fn split(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = |each: char| each.is_alphanumeric() || "_.+-".contains(each);
        let end = if first == '"' {
            string_end(rest)
        } else if word(first) {
            rest.find(|each| !word(each)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        tokens.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    tokens
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (place, letter) in text.char_indices().skip(1) {
        if letter == '"' && !escaped {
            return place + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    text.len()
}
