//! Statements by key, the keys of which each source ever spoke, and by either end of an edge all that decides when it is in
//! force.

use std::sync::Arc;

use asof_model::{Fact, Op, RecordBody, Statement, StatementOp, Value};

use super::{Ids, Resolved, View};
use crate::canonical::{decode_value, encode_value};
use crate::codec::{Decoder, Encoder};
use crate::db::{Family, Pending};
use crate::error::StorageError;
use crate::keys::{self, TimelineKey};

/// Where the op's byte in a row of `adjacency` says that the fact is `until_next`.
const UNTIL_NEXT_SHIFT: u8 = 2;

#[derive(Default)]
pub(crate) struct Timelines {}

impl View for Timelines {
    fn apply(&mut self, batch: &Resolved<'_>, pending: &mut Pending<'_>) -> Result<(), StorageError> {
        for each in &batch.records {
            let (Ids::Fact(key), RecordBody::Fact(fact)) = (&each.ids, &each.record.body) else { continue };
            let mut value = Encoder::default();
            value.varint(u64::from(batch.source));
            value.byte(u8::from(fact.until_next));
            value.instant(fact.valid_from);
            value.instant(fact.valid_to);
            match &fact.op {
                Op::Put(said) => {
                    value.byte(0);
                    encode_value(&mut value, said);
                }
                Op::Delete => value.byte(1),
                Op::End => value.byte(2),
            }
            pending.put(Family::Statements, keys::statement(*key, each.record.index), value.0);
            let of_source = keys::by_source(batch.source, *key);
            if pending.get(Family::BySource, &of_source)?.is_none() {
                pending.put(Family::BySource, of_source, keys::index(each.record.index));
            }
            if let TimelineKey::Edge { kind, from, to } = *key {
                let index = each.record.index;
                let row = encode_edge(batch.source, fact);
                pending.put(Family::Adjacency, keys::adjacent(kind, false, from, to, index), row.clone());
                pending.put(Family::Adjacency, keys::adjacent(kind, true, to, from, index), row);
            }
        }
        Ok(())
    }
}

/// All of a fact on an edge that decides when it is in force.
fn encode_edge(source: u32, fact: &Fact) -> Vec<u8> {
    let mut row = Encoder(Vec::with_capacity(19));
    let op = match fact.op {
        Op::Put(_) => 0,
        Op::Delete => 1,
        Op::End => 2,
    };
    row.byte(op | u8::from(fact.until_next) << UNTIL_NEXT_SHIFT);
    row.varint(u64::from(source));
    row.instant(fact.valid_from);
    row.instant(fact.valid_to);
    row.0
}

/// A statement on an edge, with some value where it has one.
pub(crate) fn decode_edge(index: u64, row: &[u8], some: &Arc<Value>) -> Result<Statement, StorageError> {
    let mut from = Decoder::new("adjacency", row);
    let said = from.byte()?;
    let until_next = match said >> UNTIL_NEXT_SHIFT {
        0 => false,
        1 => true,
        _ => return Err(from.wrong("unknown op")),
    };
    let op = match said & 3 {
        0 => StatementOp::Put(Arc::clone(some)),
        1 => StatementOp::Delete,
        2 => StatementOp::End,
        _ => return Err(from.wrong("unknown op")),
    };
    let source = from.ordinal()?;
    let (start, to) = (from.instant()?, from.instant()?);
    from.end()?;
    Ok(Statement { index, source, op, from: start, to, until_next })
}

pub(crate) fn decode_statement(index: u64, value: &[u8]) -> Result<Statement, StorageError> {
    let mut from = Decoder::new("statement", value);
    let source = from.ordinal()?;
    let until_next = from.byte()? != 0;
    let (start, to) = (from.instant()?, from.instant()?);
    let op = match from.byte()? {
        0 => StatementOp::Put(Arc::new(decode_value(&mut from)?)),
        1 => StatementOp::Delete,
        2 => StatementOp::End,
        _ => return Err(from.wrong("unknown op")),
    };
    from.end()?;
    Ok(Statement { index, source, op, from: start, to, until_next })
}
