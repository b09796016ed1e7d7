//! The workload as rows of numbers, one CSV file for each table: what other engines load. Made from the same batches that
//! AsOf is sent, so that all have the same data.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use asof_model::{
    Batch, EdgeKind, EdgeRef, Fact, NodeKind, Observation, Op, Outcome, Privilege, Subject, Value,
};

use crate::Failure;

/// What one engine calls `identity/0000042`, others call 42.
pub fn number(id: &str) -> u32 {
    id.rsplit(['/', '-']).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// READ 1, WRITE 2, ADMIN 3.
pub fn class(privilege: Privilege) -> u8 {
    match privilege {
        Privilege::Read => 1,
        Privilege::Write => 2,
        Privilege::Admin => 3,
        _ => 0,
    }
}

/// The files, open.
pub struct Rows {
    identities: BufWriter<File>,
    secrets: BufWriter<File>,
    grants: BufWriter<File>,
    runs_as: BufWriter<File>,
    can_assume: BufWriter<File>,
    observations: BufWriter<File>,
    /// Of the last node, what its edge to come does not say.
    node: String,
}

impl Rows {
    pub fn create(folder: &Path) -> Result<Self, Failure> {
        let file = |table: &str| -> Result<BufWriter<File>, Failure> {
            Ok(BufWriter::new(File::create(folder.join(table).with_extension("csv"))?))
        };
        Ok(Self {
            identities: file("identities")?,
            secrets: file("secrets")?,
            grants: file("grants")?,
            runs_as: file("runs_as")?,
            can_assume: file("can_assume")?,
            observations: file("observations")?,
            node: String::new(),
        })
    }

    pub fn put(&mut self, batch: &Batch) -> Result<(), Failure> {
        batch.facts.iter().try_for_each(|fact| self.put_fact(fact))?;
        batch.observations.iter().try_for_each(|seen| self.put_observation(seen))
    }

    pub fn close(mut self) -> Result<(), Failure> {
        let files = [
            &mut self.identities,
            &mut self.secrets,
            &mut self.grants,
            &mut self.runs_as,
            &mut self.can_assume,
            &mut self.observations,
        ];
        files.into_iter().try_for_each(|file| Ok(file.flush()?))
    }

    fn put_fact(&mut self, fact: &Fact) -> Result<(), Failure> {
        match (&fact.subject, &fact.op) {
            (Subject::Edge(edge), Op::Put(_)) => self.put_edge(edge, fact),
            (Subject::Node(node), Op::Put(Value::Node(value))) => {
                let during = (fact.valid_from.nanos(), fact.valid_to.nanos());
                if node.kind == NodeKind::Identity {
                    let environment = value.attributes.values().next().map_or("", String::as_str);
                    self.node = format!("{},{environment},{},{}", value.node_type, during.0, during.1);
                } else if value.secret.as_ref().is_some_and(|said| said.issued_at == Some(fact.valid_from)) {
                    self.node = format!("{},{}", during.0, during.1);
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn put_edge(&mut self, edge: &EdgeRef, fact: &Fact) -> Result<(), Failure> {
        let (from, to) = (number(&edge.from), number(&edge.to));
        let (since, until) = (fact.valid_from.nanos(), fact.valid_to.nanos());
        let node = &self.node;
        match edge.kind {
            EdgeKind::Owns => writeln!(self.identities, "{to},{from},{node}")?,
            EdgeKind::AuthenticatesWith => writeln!(self.secrets, "{to},{from},{node}")?,
            EdgeKind::Holds => {
                let named = edge.to.split('@').next().unwrap_or_default();
                let held = Privilege::ALL.iter().find(|each| each.name() == named);
                let class = held.map_or(0, |each| class(*each));
                writeln!(self.grants, "{from},{class},{to},{since},{until}")?;
            }
            EdgeKind::RunsAs => writeln!(self.runs_as, "{from},{to},{since},{until}")?,
            EdgeKind::CanAssume => writeln!(self.can_assume, "{from},{to},{since},{until}")?,
            _ => return Err(format!("the workload has {:?} edges, and no table for them", edge.kind).into()),
        }
        Ok(())
    }

    fn put_observation(&mut self, seen: &Observation) -> Result<(), Failure> {
        writeln!(
            self.observations,
            "{},{},{},{},{},{},{},{},{}",
            seen.event_id,
            seen.time.nanos(),
            number(&seen.identity),
            number(&seen.secret),
            number(&seen.workload),
            class(seen.privilege),
            number(&seen.resource),
            u8::from(seen.outcome != Outcome::Success),
            number(&seen.region),
        )?;
        Ok(())
    }
}
