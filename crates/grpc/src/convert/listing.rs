//! A `Reconcile` stream to a listing, message by message.

use asof_model::{Fault, Instant, Limits, Listing, Subject, Value};
use prost::Message as _;

use super::read::{Reader, and_more};
use super::time;
use crate::proto::ReconcileRequest;
use crate::proto::reconcile_request::{Begin, Part};

/// A listing as it comes in: what is at fault ends it at once, or with its commit.
#[derive(Debug, Default)]
pub struct Listed {
    begin: Option<Begin>,
    parts: Vec<(Subject, Value)>,
    bytes: usize,
    faults: Vec<Fault>,
    committed: Option<bool>,
}

impl Listed {
    /// The next message.
    pub fn take(&mut self, message: ReconcileRequest, limits: &Limits) -> Result<(), Fault> {
        let wrong = |field: &str, why: &str| Err(Fault::new(field, why));
        if self.committed.is_some() {
            return wrong("commit", "is the last message; another one follows it");
        }
        self.bytes = self.bytes.saturating_add(message.encoded_len());
        if self.bytes > limits.listing_bytes {
            let why = format!(
                "more bytes in one listing than the limit of {} (listing_bytes)",
                limits.listing_bytes
            );
            return wrong("parts", &why);
        }
        match (message.part, self.begin.is_some()) {
            (Some(Part::Begin(begin)), false) => self.begin = Some(begin),
            (Some(Part::Begin(_)), true) => return wrong("begin", "is the first message alone"),
            (_, false) => return wrong("begin", "is required as the first message"),
            (None, true) => return wrong("part", "a begin, a node, an edge or a commit is required"),
            (Some(Part::Commit(commit)), true) => self.committed = Some(commit.empty),
            (Some(part), true) => {
                if self.parts.len() >= limits.records_per_listing {
                    let limit = limits.records_per_listing;
                    let why = format!("more in one listing than the limit of {limit} (records_per_listing)");
                    return wrong("parts", &why);
                }
                self.part(part);
            }
        }
        Ok(())
    }

    fn part(&mut self, part: Part) {
        let mut reader = Reader::of(format!("parts[{}]", self.parts.len()));
        self.parts.push(match part {
            Part::Node(node) => reader.node(node, true),
            Part::Edge(edge) => reader.edge(edge),
            Part::Begin(_) | Part::Commit(_) => return,
        });
        self.faults.extend(reader.faults());
    }

    /// The batch_id that it began with.
    pub fn batch_id(&self) -> &str {
        self.begin.as_ref().map_or("", |begin| &begin.batch_id)
    }

    /// The listing, at the end of the stream: whole, or every faulty field.
    pub fn finish(mut self, limits: &Limits) -> Result<Listing, (String, Vec<Fault>)> {
        let begin = self.begin.take().unwrap_or_default();
        let at = match begin.at.as_ref().map(time::instant) {
            Some(Ok(at)) => at,
            Some(Err(why)) => self.filled("begin.at", why),
            None => self.filled("begin.at", "required".to_owned()),
        };
        if self.committed.is_none() {
            self.faults
                .push(Fault::new("commit", "is missing: a listing that ends without it changes nothing"));
        }
        let listing = Listing {
            source: begin.source,
            batch_id: begin.batch_id,
            at,
            parts: self.parts,
            empty: self.committed.unwrap_or_default(),
        };
        if self.faults.is_empty() {
            return Ok(listing);
        }
        let faults = and_more(self.faults, listing.faults(limits));
        Err((listing.batch_id, faults))
    }

    fn filled(&mut self, field: &str, why: String) -> Instant {
        self.faults.push(Fault::new(field, why));
        Instant::from_nanos(0)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::proto::reconcile_request::Commit;
    use crate::proto::{Edge, Node};

    fn begin() -> Part {
        let at = Some(prost_types::Timestamp { seconds: 1, nanos: 0 });
        Part::Begin(Begin { source: "s".into(), at, batch_id: "b".into() })
    }

    fn node(id: &str) -> Part {
        Part::Node(Node { kind: 1, id: id.into(), ..Node::default() })
    }

    fn read(parts: Vec<Part>) -> Result<Listing, Vec<String>> {
        let mut listed = Listed::default();
        for part in parts {
            listed
                .take(ReconcileRequest { part: Some(part) }, &Limits::DEFAULT)
                .map_err(|fault| vec![fault.field])?;
        }
        listed
            .finish(&Limits::DEFAULT)
            .map_err(|(_, faults)| faults.into_iter().map(|fault| fault.field).collect())
    }

    #[test]
    fn a_whole_listing_is_read() {
        let listing = read(vec![begin(), node("a"), node("b"), Part::Commit(Commit::default())]).unwrap();
        assert_eq!((listing.source.as_str(), listing.parts.len(), listing.empty), ("s", 2, false));
        assert!(listing.faults(&Limits::DEFAULT).is_empty());
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let commit = || Part::Commit(Commit { empty: true });
        assert_eq!(read(vec![node("a")]).unwrap_err(), ["begin"]);
        assert_eq!(read(vec![begin(), begin()]).unwrap_err(), ["begin"]);
        assert_eq!(read(vec![begin(), commit(), node("a")]).unwrap_err(), ["commit"]);
        assert_eq!(read(vec![begin(), node("a")]).unwrap_err(), ["commit"]);
    }

    #[test]
    fn a_listing_is_bounded_in_bytes() {
        let limits = Limits { listing_bytes: 40, ..Limits::DEFAULT };
        let mut listed = Listed::default();
        let mut take = |part| listed.take(ReconcileRequest { part: Some(part) }, &limits);
        assert!(take(begin()).is_ok() && take(node("a")).is_ok());
        let fault = take(node("a node with a longer name")).unwrap_err();
        assert!(fault.why.contains("listing_bytes"), "{fault:?}");
    }

    #[test]
    fn faults_name_their_parts() {
        let edge = Part::Edge(Edge { kind: 7, from: "o".into(), to: "x".into(), ..Edge::default() });
        let parts =
            vec![Part::Begin(Begin::default()), node("a"), edge, node(""), Part::Commit(Commit::default())];
        let mut found = read(parts).unwrap_err();
        found.sort_unstable();
        assert_eq!(found, ["begin.at", "begin.source", "parts[1].edge.to_kind", "parts[2].node.id"]);
    }
}
