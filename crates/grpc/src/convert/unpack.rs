//! Packed observations to the model's. Nothing here trusts a number of the wire; and no text is given to a row before it is
//! known that all of them together stay within bounds.

use asof_model::{Fault, Instant, Limits, Observation, Outcome, Privilege};

use crate::proto::{PackedEntries, PackedObservations};

/// What an entry of a list or a map takes beside its text.
const ENTRY_BYTES: usize = 64;
/// Faults of rows that are told: more tell nobody more.
const FAULTS_MAX: usize = 10_000;
const SHA256_BYTES: usize = 32;

/// Appends the rows, or says what is wrong with them. With faults, the rows are good for nothing but finding more of them.
pub(super) fn unpack(
    packed: &PackedObservations,
    limits: &Limits,
    to: &mut Vec<Observation>,
    faults: &mut Vec<Fault>,
) {
    if let Err(fault) = shape(packed, limits, faults)
        .and_then(|()| Unpacker::new(packed, limits))
        .and_then(|unpacker| unpacker.rows(to, faults))
    {
        faults.push(fault);
    }
}

fn whole(field: &str, why: impl Into<String>) -> Fault {
    let field = if field.is_empty() { "packed".to_owned() } else { format!("packed.{field}") };
    Fault::new(field, why)
}

/// Every column is as long as it should be. The last fault is given back, those before it are told.
fn shape(packed: &PackedObservations, limits: &Limits, faults: &mut Vec<Fault>) -> Result<(), Fault> {
    let rows = packed.time.len();
    if rows > limits.records_per_batch {
        let limit = limits.records_per_batch;
        return Err(Fault::new(
            "records",
            format!("{rows} in one batch; the limit is {limit} (records_per_batch)"),
        ));
    }
    let mut found = Vec::new();
    let needed = [("identity", packed.identity.len()), ("privilege", packed.privilege.len())];
    let given = [
        ("event_id_lengths", packed.event_id_lengths.len()),
        ("actor", packed.actor.len()),
        ("secret", packed.secret.len()),
        ("workload", packed.workload.len()),
        ("resource", packed.resource.len()),
        ("action", packed.action.len()),
        ("outcome", packed.outcome.len()),
        ("source_ip", packed.source_ip.len()),
        ("region", packed.region.len()),
        ("session", packed.session.len()),
        ("raw_ref", packed.raw_ref.len()),
    ];
    for (field, length) in needed.into_iter().chain(given.into_iter().filter(|(_, length)| *length > 0)) {
        if length != rows {
            let why = format!("has {length} entries, and packed.time has {rows}");
            found.push(whole(field, why));
        }
    }
    let mut sparse = |field: &str, rows: usize, entries: &[usize]| {
        if entries.iter().any(|entries| *entries != rows) {
            found.push(whole(field, format!("names {rows} rows, and has {entries:?} entries for them")));
        }
    };
    if let Some(said) = &packed.attributes {
        sparse("attributes", said.row.len(), &[said.key.len(), said.value.len()]);
    }
    for (field, said) in [("actor_chain", &packed.actor_chain), ("granted_by", &packed.granted_by)] {
        if let Some(said) = said {
            sparse(field, said.row.len(), &[said.text.len()]);
        }
    }
    if packed.raw_sha256.len() != packed.raw_sha256_row.len().saturating_mul(SHA256_BYTES) {
        let (bytes, rows) = (packed.raw_sha256.len(), packed.raw_sha256_row.len());
        found.push(whole("raw_sha256", format!("has {bytes} bytes for {rows} rows; a SHA-256 has 32")));
    }
    let last = found.pop();
    faults.append(&mut found);
    last.map_or(Ok(()), Err)
}

/// Texts that stand one behind the other, each found by its length; checked to be UTF-8 once and together.
struct Texts<'a> {
    all: &'a str,
    at: usize,
}

impl<'a> Texts<'a> {
    /// Or where the first byte is that is no part of a text.
    fn new(bytes: &'a [u8]) -> Result<Self, usize> {
        let all = std::str::from_utf8(bytes).map_err(|error| error.valid_up_to())?;
        Ok(Self { all, at: 0 })
    }

    /// The next one; `None` where it would begin or end within a character, or beyond the end.
    fn next(&mut self, length: usize) -> Option<&'a str> {
        let end = self.at.checked_add(length)?;
        let text = self.all.get(self.at..end)?;
        self.at = end;
        Some(text)
    }
}

/// Which of the texts of such lengths holds the byte.
fn holder(lengths: impl Iterator<Item = usize>, byte: usize) -> usize {
    let mut end = 0_usize;
    lengths
        .take_while(|length| {
            end = end.saturating_add(*length);
            end <= byte
        })
        .count()
}

/// The lengths together are those of the bytes.
fn fits(field: &str, lengths: impl Iterator<Item = usize>, bytes: usize) -> Result<(), Fault> {
    let sum = lengths.fold(0_usize, usize::saturating_add);
    if sum == bytes {
        Ok(())
    } else {
        Err(whole(field, format!("has {bytes} bytes, and the lengths say {sum}")))
    }
}

const NOT_UTF8: &str = "is not UTF-8";

/// The table, and how many bytes may still be given to rows.
struct Unpacker<'a> {
    packed: &'a PackedObservations,
    limits: &'a Limits,
    /// By their numbers in columns: the empty one first.
    table: Vec<&'a str>,
    left: Option<usize>,
}

impl<'a> Unpacker<'a> {
    fn new(packed: &'a PackedObservations, limits: &'a Limits) -> Result<Self, Fault> {
        let lengths = &packed.text_lengths;
        if lengths.len() > limits.packed_texts {
            let limit = limits.packed_texts;
            let why = format!("has {} texts; the limit is {limit} (packed_texts)", lengths.len());
            return Err(whole("text_lengths", why));
        }
        let lengths = || lengths.iter().map(|length| *length as usize);
        fits("texts", lengths(), packed.texts.len())?;
        let mut texts = Texts::new(&packed.texts)
            .map_err(|byte| whole(&format!("texts[{}]", holder(lengths(), byte)), NOT_UTF8))?;
        let mut table = Vec::with_capacity(packed.text_lengths.len() + 1);
        table.push("");
        for (place, length) in lengths().enumerate() {
            let text = texts.next(length).ok_or_else(|| whole(&format!("texts[{place}]"), NOT_UTF8))?;
            table.push(text);
        }
        Ok(Self { packed, limits, table, left: Some(limits.unpacked_bytes) })
    }

    fn rows(mut self, to: &mut Vec<Observation>, faults: &mut Vec<Fault>) -> Result<(), Fault> {
        let packed = self.packed;
        let first = to.len();
        let mut ids = EventIds::new(packed)?;
        to.reserve(packed.time.len());
        for (row, time) in packed.time.iter().enumerate() {
            let mut cells = Cells { unpacker: &mut self, row, faults };
            to.push(Observation {
                event_id: match ids.next(row) {
                    Some(id) => cells.unpacker.owned(id),
                    None => cells.filler("event_id", NOT_UTF8),
                },
                time: Instant::from_nanos(*time),
                identity: cells.text("identity", &packed.identity),
                actor: cells.text("actor", &packed.actor),
                secret: cells.text("secret", &packed.secret),
                workload: cells.text("workload", &packed.workload),
                resource: cells.text("resource", &packed.resource),
                action: cells.text("action", &packed.action),
                privilege: cells.privilege(&packed.privilege),
                outcome: cells.outcome(&packed.outcome),
                source_ip: cells.text("source_ip", &packed.source_ip),
                region: cells.text("region", &packed.region),
                session: cells.text("session", &packed.session),
                attributes: asof_model::Attributes::new(),
                actor_chain: Vec::new(),
                raw_sha256: Vec::new(),
                raw_ref: cells.text("raw_ref", &packed.raw_ref),
                granted_by: Vec::new(),
            });
            if self.left.is_none() {
                to.truncate(first);
                return Err(self.too_much());
            }
        }
        let rows = to.get_mut(first..).unwrap_or_default();
        self.attributes(rows)?;
        self.entries("actor_chain", packed.actor_chain.as_ref(), rows, |seen| &mut seen.actor_chain)?;
        self.entries("granted_by", packed.granted_by.as_ref(), rows, |seen| &mut seen.granted_by)?;
        let digests = packed.raw_sha256.chunks_exact(SHA256_BYTES);
        let mut before = None;
        for (row, digest) in packed.raw_sha256_row.iter().zip(digests) {
            if before == Some(*row) {
                return Err(of_row(*row as usize, "raw_sha256", "is given twice"));
            }
            ascending("raw_sha256_row", before.replace(*row), *row)?;
            row_of(rows, "raw_sha256_row", *row)?.raw_sha256 = digest.to_vec();
        }
        Ok(())
    }

    fn attributes(&mut self, rows: &mut [Observation]) -> Result<(), Fault> {
        let Some(said) = &self.packed.attributes else { return Ok(()) };
        let mut before = None;
        for ((row, key), value) in said.row.iter().zip(&said.key).zip(&said.value) {
            ascending("attributes.row", before.replace(*row), *row)?;
            let seen = row_of(rows, "attributes.row", *row)?;
            let (key, value) =
                (self.entry(*row, "attributes", *key)?, self.entry(*row, "attributes", *value)?);
            if seen.attributes.len() >= self.limits.attributes_per_record {
                let limit = self.limits.attributes_per_record;
                let why = format!("has more attributes than the limit of {limit} (attributes_per_record)");
                return Err(of_row(*row as usize, "attributes", why));
            }
            if seen.attributes.insert(key, value).is_some() {
                return Err(of_row(*row as usize, "attributes", "has a key twice"));
            }
        }
        Ok(())
    }

    fn entries(
        &mut self,
        field: &str,
        said: Option<&PackedEntries>,
        rows: &mut [Observation],
        of: fn(&mut Observation) -> &mut Vec<String>,
    ) -> Result<(), Fault> {
        let Some(said) = said else { return Ok(()) };
        let mut before = None;
        for (row, text) in said.row.iter().zip(&said.text) {
            ascending(&format!("{field}.row"), before.replace(*row), *row)?;
            let list = of(row_of(rows, &format!("{field}.row"), *row)?);
            if list.len() >= self.limits.list_entries {
                let limit = self.limits.list_entries;
                let why = format!("has more entries than the limit of {limit} (list_entries)");
                return Err(of_row(*row as usize, field, why));
            }
            list.push(self.entry(*row, field, *text)?);
        }
        Ok(())
    }

    /// A text of the table for a list or a map.
    fn entry(&mut self, row: u32, field: &str, number: u32) -> Result<String, Fault> {
        let Some(text) = self.table.get(number as usize) else {
            return Err(of_row(row as usize, field, self.beyond(number)));
        };
        self.left = self.left.and_then(|left| left.checked_sub(ENTRY_BYTES));
        let text = self.owned(text);
        if self.left.is_none() { Err(self.too_much()) } else { Ok(text) }
    }

    /// A row's own text, while there is room for it.
    fn owned(&mut self, text: &str) -> String {
        self.left = self.left.and_then(|left| left.checked_sub(text.len()));
        if self.left.is_some() { text.to_owned() } else { String::new() }
    }

    fn beyond(&self, number: u32) -> String {
        format!("is text {number}, and the table has {}", self.table.len() - 1)
    }

    fn too_much(&self) -> Fault {
        let limit = self.limits.unpacked_bytes;
        whole("", format!("unpacks to more texts than the limit of {limit} bytes (unpacked_bytes)"))
    }
}

fn of_row(row: usize, field: &str, why: impl Into<String>) -> Fault {
    Fault::new(format!("packed[{row}].{field}"), why)
}

/// Rows come in ascending order.
fn ascending(field: &str, before: Option<u32>, row: u32) -> Result<(), Fault> {
    match before {
        Some(before) if before > row => {
            Err(whole(field, format!("names row {row} behind row {before}: rows come in ascending order")))
        }
        _ => Ok(()),
    }
}

fn row_of<'a>(rows: &'a mut [Observation], field: &str, row: u32) -> Result<&'a mut Observation, Fault> {
    let count = rows.len();
    rows.get_mut(row as usize)
        .ok_or_else(|| whole(field, format!("names row {row}; there are {count}, counted from 0")))
}

/// The event ids, row by row.
struct EventIds<'a> {
    texts: Texts<'a>,
    each: usize,
    lengths: &'a [u32],
}

impl<'a> EventIds<'a> {
    fn new(packed: &'a PackedObservations) -> Result<Self, Fault> {
        let (each, lengths, rows) =
            (packed.event_id_length as usize, &packed.event_id_lengths, packed.time.len());
        if each > 0 && !lengths.is_empty() {
            return Err(whole("event_id_length", "goes not with event_id_lengths"));
        }
        let of = |row: usize| lengths.get(row).map_or(each, |length| *length as usize);
        fits("event_id", (0..rows).map(of), packed.event_id.len())?;
        let texts = Texts::new(&packed.event_id)
            .map_err(|byte| of_row(holder((0..rows).map(of), byte), "event_id", NOT_UTF8))?;
        Ok(Self { texts, each, lengths })
    }

    fn next(&mut self, row: usize) -> Option<&'a str> {
        self.texts.next(self.lengths.get(row).map_or(self.each, |length| *length as usize))
    }
}

/// The cells of one row.
struct Cells<'u, 'a> {
    unpacker: &'u mut Unpacker<'a>,
    row: usize,
    faults: &'u mut Vec<Fault>,
}

impl Cells<'_, '_> {
    fn text(&mut self, field: &str, column: &[u32]) -> String {
        let number = column.get(self.row).copied().unwrap_or(0);
        match self.unpacker.table.get(number as usize) {
            Some(text) => self.unpacker.owned(text),
            None => self.filler(field, self.unpacker.beyond(number)),
        }
    }

    fn privilege(&mut self, column: &[i32]) -> Privilege {
        let number = column.get(self.row).copied().unwrap_or(0);
        let found = u8::try_from(number).ok().and_then(Privilege::from_number);
        found.unwrap_or_else(|| {
            if number == 0 {
                let why = "required: no catalogue here classifies the action (OTHER says that none does)";
                self.filler("privilege", why);
            } else {
                self.filler("privilege", format!("has no member {number}"));
            }
            Privilege::Other
        })
    }

    fn outcome(&mut self, column: &[i32]) -> Outcome {
        let number = column.get(self.row).copied().unwrap_or(0);
        if number == 0 {
            return Outcome::Success;
        }
        u8::try_from(number).ok().and_then(Outcome::from_number).unwrap_or_else(|| {
            self.filler("outcome", format!("has no member {number}"));
            Outcome::Success
        })
    }

    /// A fault, and what stands in its place.
    fn filler(&mut self, field: &str, why: impl Into<String>) -> String {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(of_row(self.row, field, why));
        }
        String::new()
    }
}
