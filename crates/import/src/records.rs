//! The records of a log file, one at a time: `{"Records": [...]}`, an array, a single object, or JSON Lines.
//!
//! Records are cut out by their brackets and parsed one by one, so that memory holds one record and a broken
//! one costs no other.

use std::io::{BufRead, Chain, Cursor, Read};

use serde_json::Value;

/// The most bytes of one record. An event of CloudTrail has at most 256 KiB.
pub(crate) const RECORD_BYTES_MAX: usize = 16 << 20;

/// So many first bytes are looked at to tell the form of a file.
const HEAD_BYTES: u64 = 256;

/// The members of a wrapping object that hold a list of records.
const LISTS: [&str; 2] = ["Records", "Events"];

/// Why a record, or what is left of a file, cannot be read.
#[derive(Debug)]
pub(crate) struct Broken {
    /// The record's number, from 1.
    pub(crate) record: u64,
    pub(crate) why: String,
}

enum Form {
    /// Nothing is read yet.
    Start,
    /// Inside the brackets of a list; whether in an object, which then goes on.
    List {
        wrapped: bool,
    },
    /// After the list, inside the object that wraps it.
    Tail,
    /// One value a line.
    Lines,
    /// Values one after another, over any number of lines.
    Stream,
    Done,
}

/// Reads a file's records in order.
pub(crate) struct Records<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    /// The head could not be read.
    failed: Option<String>,
    form: Form,
    record: u64,
    /// Of a value that turned out to be a list: what is still to be given out.
    unpacked: std::vec::IntoIter<Value>,
}

impl<R: BufRead> Records<R> {
    pub(crate) fn new(mut input: R) -> Self {
        let mut head = Vec::new();
        let failed = input.by_ref().take(HEAD_BYTES).read_to_end(&mut head).err().map(broken);
        let input = Cursor::new(head).chain(input);
        Self { input, failed, form: Form::Start, record: 0, unpacked: Vec::new().into_iter() }
    }

    /// The next record and its number.
    pub(crate) fn next(&mut self) -> Option<Result<(u64, Value), Broken>> {
        loop {
            if let Some(value) = self.unpacked.next() {
                self.record += 1;
                return Some(Ok((self.record, value)));
            }
            let read = match self.form {
                Form::Start => self.start(),
                Form::List { wrapped } => self.list(wrapped),
                Form::Tail => self.tail(),
                Form::Lines => self.line(),
                Form::Stream => self.value(),
                Form::Done => return None,
            };
            match read {
                Ok(Some(bytes)) => {
                    if let Some(given) = self.parse(&bytes) {
                        return Some(given);
                    }
                }
                Ok(None) => {}
                Err(why) => {
                    self.form = Form::Done;
                    return Some(Err(Broken { record: self.record + 1, why }));
                }
            }
        }
    }

    fn parse(&mut self, bytes: &[u8]) -> Option<Result<(u64, Value), Broken>> {
        match serde_json::from_slice::<Value>(bytes) {
            Ok(Value::Array(values)) => self.unpack(values),
            Ok(Value::Object(mut object)) => {
                let list = LISTS.iter().find(|name| object.get(**name).is_some_and(Value::is_array));
                match list.and_then(|name| object.remove(*name)) {
                    Some(Value::Array(values)) => self.unpack(values),
                    _ => {
                        self.record += 1;
                        Some(Ok((self.record, Value::Object(object))))
                    }
                }
            }
            Ok(_) => {
                self.record += 1;
                Some(Err(Broken { record: self.record, why: "is no JSON object".to_owned() }))
            }
            Err(cause) => {
                self.record += 1;
                Some(Err(Broken { record: self.record, why: format!("is no JSON: {cause}") }))
            }
        }
    }

    fn unpack(&mut self, values: Vec<Value>) -> Option<Result<(u64, Value), Broken>> {
        self.unpacked = values.into_iter();
        None
    }

    /// Decides what kind of file it is, by its first bytes.
    fn start(&mut self) -> Result<Option<Vec<u8>>, String> {
        if let Some(why) = self.failed.take() {
            return Err(why);
        }
        match self.peek()? {
            None => self.form = Form::Done,
            Some(b'[') => {
                self.input.consume(1);
                self.form = Form::List { wrapped: false };
            }
            Some(_) => {
                // A first line that is a whole value makes the file JSON Lines; a delivered log is one line,
                // but may be of any length, so its head is looked at first.
                if self.at_list()? {
                    self.form = Form::List { wrapped: true };
                    return Ok(None);
                }
                let mut line = Vec::new();
                self.until_newline(&mut line)?;
                if serde_json::from_slice::<serde::de::IgnoredAny>(&line).is_ok() {
                    self.form = Form::Lines;
                    return Ok(Some(line));
                }
                if self.peek()?.is_none() {
                    self.form = Form::Done;
                    return Ok(Some(line));
                }
                self.form = Form::Stream;
                return self.rest_of_value(line).map(Some);
            }
        }
        Ok(None)
    }

    /// Steps over `{"Records": [` where the file begins so, without taking anything else.
    fn at_list(&mut self) -> Result<bool, String> {
        let head = self.input.fill_buf().map_err(broken)?;
        for name in LISTS {
            let mut at = 0;
            let found = [b"{".as_slice(), b"\"", name.as_bytes(), b"\"", b":", b"["].iter().enumerate().all(
                |(place, part)| {
                    // White space may stand between the signs, not inside the name.
                    if !matches!(place, 2 | 3) {
                        at += head[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                    }
                    let here = head[at..].starts_with(part);
                    at += part.len();
                    here
                },
            );
            if found {
                self.input.consume(at);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The next element of a list.
    fn list(&mut self, wrapped: bool) -> Result<Option<Vec<u8>>, String> {
        loop {
            match self.peek()? {
                Some(b',') => self.input.consume(1),
                Some(b']') => {
                    self.input.consume(1);
                    self.form = if wrapped { Form::Tail } else { Form::Start };
                    return Ok(None);
                }
                Some(_) => return self.rest_of_value(Vec::new()).map(Some),
                None => return Err("the file ends inside the list of records".to_owned()),
            }
        }
    }

    /// What stands behind the list in its object says nothing about records.
    fn tail(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut scan = Scan { depth: 1, ..Scan::default() };
        while let Some(byte) = self.input.fill_buf().map_err(broken)?.first().copied() {
            self.input.consume(1);
            if matches!(scan.takes(byte), Step::Last) {
                break;
            }
        }
        self.form = Form::Start;
        Ok(None)
    }

    fn line(&mut self) -> Result<Option<Vec<u8>>, String> {
        if self.peek()?.is_none() {
            self.form = Form::Done;
            return Ok(None);
        }
        let mut line = Vec::new();
        self.until_newline(&mut line)?;
        Ok(Some(line))
    }

    fn value(&mut self) -> Result<Option<Vec<u8>>, String> {
        match self.peek()? {
            None => {
                self.form = Form::Done;
                Ok(None)
            }
            Some(b',') => {
                self.input.consume(1);
                Ok(None)
            }
            Some(_) => self.rest_of_value(Vec::new()).map(Some),
        }
    }

    /// The next byte that is no white space (nor a byte order mark), not taken yet.
    fn peek(&mut self) -> Result<Option<u8>, String> {
        loop {
            let buffer = self.input.fill_buf().map_err(broken)?;
            let Some(first) = buffer.first().copied() else { return Ok(None) };
            if first.is_ascii_whitespace() || matches!(first, 0xef | 0xbb | 0xbf) {
                self.input.consume(1);
            } else {
                return Ok(Some(first));
            }
        }
    }

    fn until_newline(&mut self, line: &mut Vec<u8>) -> Result<(), String> {
        loop {
            let buffer = self.input.fill_buf().map_err(broken)?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(buffer.len(), |end| end + 1);
            line.extend_from_slice(&buffer[..taken]);
            self.input.consume(taken);
            if end.is_some() {
                return Ok(());
            }
            bounded(line.len())?;
        }
    }

    /// Reads on until the brackets of the value close; outside of all brackets, until a comma, a bracket or
    /// white space.
    fn rest_of_value(&mut self, mut value: Vec<u8>) -> Result<Vec<u8>, String> {
        let mut scan = Scan::default();
        // What is here already did not make a whole value.
        for byte in &value {
            scan.takes(*byte);
        }
        loop {
            let buffer = self.input.fill_buf().map_err(broken)?;
            if buffer.is_empty() {
                return Err("the file ends inside of it".to_owned());
            }
            let mut taken = 0;
            let mut whole = false;
            for byte in buffer {
                match scan.takes(*byte) {
                    Step::More => taken += 1,
                    Step::Last => {
                        taken += 1;
                        whole = true;
                        break;
                    }
                    Step::Before => {
                        whole = true;
                        break;
                    }
                }
            }
            value.extend_from_slice(&buffer[..taken]);
            self.input.consume(taken);
            if whole {
                return Ok(value);
            }
            bounded(value.len())?;
        }
    }
}

fn broken(cause: std::io::Error) -> String {
    format!("the file cannot be read on: {cause}")
}

fn bounded(bytes: usize) -> Result<(), String> {
    if bytes > RECORD_BYTES_MAX {
        return Err(format!("has more than {RECORD_BYTES_MAX} bytes (RECORD_BYTES_MAX); is it a log?"));
    }
    Ok(())
}

/// Follows brackets and texts through a value's bytes.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
    begun: bool,
}

enum Step {
    /// Belongs to the value, which goes on.
    More,
    /// Is the value's last byte.
    Last,
    /// Belongs to the value no more.
    Before,
}

impl Scan {
    fn takes(&mut self, byte: u8) -> Step {
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_text = false;
                    if self.depth == 0 {
                        return Step::Last;
                    }
                }
                _ => {}
            }
            return Step::More;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' | b'[' => self.depth += 1,
            b'}' | b']' => {
                // A bracket too many closes what is around the value.
                let Some(depth) = self.depth.checked_sub(1) else { return Step::Before };
                self.depth = depth;
                if depth == 0 {
                    return Step::Last;
                }
            }
            b',' if self.depth == 0 => return Step::Before,
            byte if byte.is_ascii_whitespace() && self.depth == 0 && self.begun => return Step::Before,
            _ => {}
        }
        self.begun = true;
        Step::More
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of `n`, or `!` for what is broken, read through a buffer of one byte too.
    fn read(text: &str) -> String {
        let all = |capacity| {
            let mut records = Records::new(std::io::BufReader::with_capacity(capacity, text.as_bytes()));
            let mut found = Vec::new();
            while let Some(each) = records.next() {
                found.push(each.map_or_else(
                    |broken| format!("!{}", broken.record),
                    |(_, value)| value["n"].to_string(),
                ));
            }
            found.join(" ")
        };
        let (whole, small) = (all(1 << 16), all(1));
        assert_eq!(whole, small, "{text}");
        whole
    }

    #[test]
    fn reads_every_form() {
        for (text, expected) in [
            (r#"{"Records":[{"n":1},{"n":2}]}"#, "1 2"),
            (" { \"Records\" : [\n{\"n\":1}\n,\n{\"n\":\"a]\\\"}\"}\n] }\n", r#"1 "a]\"}""#),
            (r#"{"Records":[]}"#, ""),
            (r#"[{"n":1},{"n":2}]"#, "1 2"),
            ("{\"n\":1}\n{\"n\":2}\n\n{\"n\":3}", "1 2 3"),
            (r#"{"n":1}"#, "1"),
            ("{\n \"n\": 1\n}\n", "1"),
            ("{\n \"n\": 1\n}\n{\n \"n\": 2\n}\n", "1 2"),
            (r#"{"x":1,"Records":[{"n":7}]}"#, "7"),
            ("{\"Records\":[{\"n\":1}]}\n{\"Records\":[{\"n\":2}]}\n", "1 2"),
            ("", ""),
            ("\u{feff}{\"n\":1}", "1"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_broken_record_costs_no_other() {
        for (text, expected) in [
            (r#"{"Records":[{"n":1},{"n":oops},{"n":3}]}"#, "1 !2 3"),
            (r#"{"Records":[{"n":1},{"n":2"#, "1 !2"),
            (r#"{"Records":[{"n":1},5,{"n":3}]}"#, "1 !2 3"),
            ("{\"n\":1}\n{\"n\":\n{\"n\":3}\n", "1 !2 3"),
            ("{\"n\":1", "!1"),
            ("nonsense", "!1"),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }
}
