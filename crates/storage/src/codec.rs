//! Bytes of values: varints (LEB128), length-prefixed texts, big-endian fixed numbers. Reading never panics.

use asof_model::Instant;

use crate::error::{StorageError, corrupt};

/// Appends to a buffer.
#[derive(Debug, Default)]
pub(crate) struct Encoder(pub Vec<u8>);

impl Encoder {
    pub fn byte(&mut self, byte: u8) {
        self.0.push(byte);
    }

    pub fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    pub fn instant(&mut self, at: Instant) {
        self.0.extend(at.nanos().to_be_bytes());
    }

    pub fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.0.extend(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub fn texts(&mut self, texts: &[String]) {
        self.varint(texts.len() as u64);
        for text in texts {
            self.text(text);
        }
    }
}

/// Takes from a slice.
#[derive(Debug, Clone)]
pub(crate) struct Decoder<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Decoder<'a> {
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { rest: bytes, what }
    }

    pub fn wrong(&self, why: &str) -> StorageError {
        corrupt(format!("{}: {why}", self.what))
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], StorageError> {
        let (taken, rest) = self.rest.split_at_checked(count).ok_or_else(|| self.wrong("ends too early"))?;
        self.rest = rest;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], StorageError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| self.wrong("ends too early"))?;
        self.rest = rest;
        Ok(*taken)
    }

    pub fn byte(&mut self) -> Result<u8, StorageError> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn varint(&mut self) -> Result<u64, StorageError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.wrong("a number is too long"))
    }

    pub fn ordinal(&mut self) -> Result<u32, StorageError> {
        u32::try_from(self.varint()?).map_err(|_| self.wrong("an ordinal is too large"))
    }

    pub fn u32(&mut self) -> Result<u32, StorageError> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, StorageError> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn instant(&mut self) -> Result<Instant, StorageError> {
        self.array().map(|bytes| Instant::from_nanos(i64::from_be_bytes(bytes)))
    }

    pub fn bytes(&mut self) -> Result<&'a [u8], StorageError> {
        let length = usize::try_from(self.varint()?).map_err(|_| self.wrong("a length is too large"))?;
        self.take(length)
    }

    pub fn text(&mut self) -> Result<&'a str, StorageError> {
        let bytes = self.bytes()?;
        std::str::from_utf8(bytes).map_err(|_| self.wrong("a text is not UTF-8"))
    }

    pub fn texts(&mut self) -> Result<Vec<String>, StorageError> {
        let count = self.varint()?;
        // Each text takes a byte at least: a count beyond the rest is a lie, and is not allocated for.
        if count > self.rest.len() as u64 {
            return Err(self.wrong("a list is longer than its bytes"));
        }
        (0..count).map(|_| self.text().map(str::to_owned)).collect()
    }

    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn end(&self) -> Result<(), StorageError> {
        if self.rest.is_empty() { Ok(()) } else { Err(self.wrong("has bytes after its end")) }
    }
}
