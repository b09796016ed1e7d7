//! Who was seen on each resource, and how: each resource, class and identity once, whatever the time.

use std::sync::Arc;

use super::code::{From, varint};
use super::{Block, Member, NONE};
use crate::DecodeError;

const VERSION: u8 = 1;

/// Identities by resource and class.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Users {
    /// Ascending.
    resources: Vec<u32>,
    /// Where the users of each resource begin; one more at the end.
    starts: Vec<u32>,
    /// By resource, then ascending as (class, identity).
    classes: Vec<u8>,
    identities: Vec<u32>,
}

impl Users {
    /// Of some blocks, in pages of so many users at least but for the last one; all of one resource are in one page. With
    /// each the resource from which on it holds all of them, up to that of the next one: 0 for the first. `class` makes a
    /// coarser class of an event's.
    pub fn cut(blocks: &[Arc<Block>], class: impl Fn(u8) -> u8, page_users: usize) -> Vec<(u32, Self)> {
        let mut all: Vec<(u32, u8, u32)> = Vec::new();
        for block in blocks {
            let users = block.classes().iter().enumerate().map(|(place, of)| {
                (block.member(Member::Resource, place), class(*of), block.identity(place))
            });
            all.extend(users.filter(|user| user.0 != NONE));
        }
        all.sort_unstable();
        all.dedup();
        let mut pages = Vec::new();
        let mut page = Self::default();
        for of_one in all.chunk_by(|one, other| one.0 == other.0) {
            let resource = of_one[0].0;
            if pages.is_empty() || page.classes.len() >= page_users {
                let first = if pages.is_empty() { 0 } else { resource };
                if let Some((_, last)) = pages.last_mut() {
                    *last = page.closed();
                }
                pages.push((first, Self::default()));
                page = Self::default();
            }
            page.resources.push(resource);
            page.starts.push(page.classes.len() as u32);
            page.classes.extend(of_one.iter().map(|user| user.1));
            page.identities.extend(of_one.iter().map(|user| user.2));
        }
        if let Some((_, last)) = pages.last_mut() {
            *last = page.closed();
        }
        pages
    }

    fn closed(mut self) -> Self {
        self.starts.push(self.classes.len() as u32);
        self.resources.shrink_to_fit();
        self.starts.shrink_to_fit();
        self.classes.shrink_to_fit();
        self.identities.shrink_to_fit();
        self
    }

    /// The resources that have users, ascending.
    pub fn resources(&self) -> &[u32] {
        &self.resources
    }

    /// How many users there are, of all resources.
    pub fn len(&self) -> usize {
        self.classes.len()
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.classes.is_empty()
    }

    /// The users of a resource, ascending by (class, identity): the classes, and beside them the identities.
    pub fn of(&self, resource: u32) -> (&[u8], &[u32]) {
        let range =
            self.resources.binary_search(&resource).ok().and_then(|place| {
                Some(*self.starts.get(place)? as usize..*self.starts.get(place + 1)? as usize)
            });
        let range = range.unwrap_or(0..0);
        (&self.classes[range.clone()], &self.identities[range])
    }

    /// Those of each of these classes, which ascend: of each class ascending.
    pub fn of_classes(
        &self,
        resource: u32,
        classes: impl Iterator<Item = u8>,
    ) -> impl Iterator<Item = &[u32]> {
        let (mut left, mut identities) = self.of(resource);
        classes.map_while(move |class| {
            let start = left.partition_point(|other| *other < class);
            (left, identities) = (&left[start..], &identities[start..]);
            let end = left.partition_point(|other| *other == class);
            let found = &identities[..end];
            (!left.is_empty()).then(|| {
                (left, identities) = (&left[end..], &identities[end..]);
                found
            })
        })
    }

    /// Bytes of memory.
    pub fn weight(&self) -> u64 {
        (self.resources.len() * 8 + self.classes.len() * 5 + 256) as u64
    }

    /// As bytes: version, varint count of resources, of each a varint of what it is beyond the one before and a varint count of
    /// users; their classes; their identities, each as what it is beyond the one before where resource and class are its.
    pub fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(self.classes.len() * 4 + self.resources.len() * 3 + 16);
        to.push(VERSION);
        varint(&mut to, self.resources.len() as u64);
        let mut before = 0;
        for resource in &self.resources {
            varint(&mut to, u64::from(resource - before));
            before = *resource;
        }
        for ends in self.starts.windows(2) {
            varint(&mut to, u64::from(ends[1] - ends[0]));
        }
        to.extend(&self.classes);
        for ends in self.starts.windows(2) {
            let users = ends[0] as usize..ends[1] as usize;
            let mut before = (None, 0);
            for (class, identity) in self.classes[users.clone()].iter().zip(&self.identities[users]) {
                let base = if before.0 == Some(class) { before.1 } else { 0 };
                varint(&mut to, u64::from(identity - base));
                before = (Some(class), *identity);
            }
        }
        to
    }

    /// From bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let large = DecodeError("an ordinal is too large");
        let mut from = From(bytes);
        if from.byte()? != VERSION {
            return Err(DecodeError("unknown version of a page of users"));
        }
        let count = from.varint()?;
        // Each takes two bytes at least.
        if count > bytes.len() as u64 {
            return Err(DecodeError("a page of users has more resources than bytes"));
        }
        let mut found = Self::default();
        found.resources.reserve_exact(count as usize);
        found.starts.reserve_exact(count as usize + 1);
        let mut resource = 0_u32;
        for _ in 0..count {
            resource = resource.checked_add(from.ordinal()?).ok_or(large.clone())?;
            found.resources.push(resource);
        }
        if !found.resources.is_sorted_by(|one, other| one < other) {
            return Err(DecodeError("the resources of a page of users do not ascend"));
        }
        let mut users = 0_u64;
        found.starts.push(0);
        for _ in 0..count {
            users = users.saturating_add(from.varint()?);
            if users > bytes.len() as u64 {
                return Err(DecodeError("a page of users has more users than bytes"));
            }
            found.starts.push(users as u32);
        }
        found.classes = from.take(users as usize)?.to_vec();
        found.identities.reserve_exact(users as usize);
        for ends in found.starts.windows(2) {
            let mut before = (None, 0_u32);
            for class in &found.classes[ends[0] as usize..ends[1] as usize] {
                let base = if before.0 == Some(class) { before.1 } else { 0 };
                let identity = base.checked_add(from.ordinal()?).ok_or(large.clone())?;
                found.identities.push(identity);
                before = (Some(class), identity);
            }
        }
        if from.0.is_empty() {
            Ok(found)
        } else {
            Err(DecodeError("a page of users has bytes after its end"))
        }
    }
}
