//! Statements by key, the keys of which each source ever spoke, and which edges there ever were by either end.

use std::sync::Arc;

use asof_model::{Op, RecordBody, Statement, StatementOp};

use super::{Ids, Resolved, View};
use crate::canonical::{decode_value, encode_value};
use crate::codec::{Decoder, Encoder};
use crate::db::{Family, Pending};
use crate::error::StorageError;
use crate::keys::{self, TimelineKey};

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
                let out = keys::adjacent(kind, false, from, to);
                if pending.get(Family::Adjacency, &out)?.is_none() {
                    let first = keys::index(each.record.index);
                    pending.put(Family::Adjacency, out, first.clone());
                    pending.put(Family::Adjacency, keys::adjacent(kind, true, to, from), first);
                }
            }
        }
        Ok(())
    }
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
