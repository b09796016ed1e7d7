//! A full listing: all that one source sees, as of one moment.

use std::collections::HashMap;

use crate::{Batch, Fact, Fault, Instant, Limits, Op, Subject, Value};

/// Every node and edge that a source sees at a moment: what it stated before and lists no longer, ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Which collector: only what it stated itself is held against the listing.
    pub source: String,
    /// Unique per source; empty: none.
    pub batch_id: String,
    /// As of when.
    pub at: Instant,
    /// Nodes and edges with their values.
    pub parts: Vec<(Subject, Value)>,
    /// The source sees nothing any more, and means it.
    pub empty: bool,
}

impl Listing {
    /// The fact that states a part from the listing's moment on.
    pub fn fact(&self, subject: Subject, op: Op) -> Fact {
        Fact {
            subject,
            op,
            valid_from: self.at,
            valid_to: Instant::FOREVER,
            until_next: false,
            event_id: String::new(),
            caused_by: String::new(),
        }
    }

    /// Every faulty field. Parts are counted from 0 in the order sent, nodes and edges together.
    pub fn faults(&self, limits: &Limits) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !self.at.is_in_range() {
            faults.push(Fault::new("begin.at", "not between 1970 and 2262"));
        }
        if self.parts.len() > limits.records_per_listing {
            let limit = limits.records_per_listing;
            let why =
                format!("{} in one listing; the limit is {limit} (records_per_listing)", self.parts.len());
            faults.push(Fault::new("parts", why));
            return faults;
        }
        if self.parts.is_empty() && !self.empty {
            let why = "lists nothing; to say that the source sees nothing any more, set commit.empty";
            faults.push(Fault::new("commit.empty", why));
        }
        if !self.parts.is_empty() && self.empty {
            faults.push(Fault::new("commit.empty", "is set, but nodes or edges are listed"));
        }
        // A listing is checked as the batch of facts that it would be.
        let facts =
            self.parts.iter().map(|(subject, value)| self.fact(subject.clone(), Op::Put(value.clone())));
        let batch = Batch {
            source: self.source.clone(),
            batch_id: self.batch_id.clone(),
            facts: facts.collect(),
            observations: Vec::new(),
        };
        let limits = Limits { records_per_batch: limits.records_per_listing, ..*limits };
        let of_batch = batch.faults(&limits, Instant::FOREVER).into_iter();
        faults.extend(of_batch.filter(|fault| !fault.field.ends_with(".valid_from")).map(|mut fault| {
            fault.field = match fault.field.as_str() {
                "source" | "batch_id" => format!("begin.{}", fault.field),
                field => field.replacen("facts[", "parts[", 1),
            };
            fault
        }));
        let mut seen: HashMap<&Subject, &Value> = HashMap::new();
        for (place, (subject, value)) in self.parts.iter().enumerate() {
            if seen.insert(subject, value).is_some_and(|before| before != value) {
                let why = "is listed twice with different contents; list it once";
                faults.push(Fault::new(format!("parts[{place}]"), why));
            }
        }
        faults
    }
}
