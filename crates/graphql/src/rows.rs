//! Lists of many entries. Where nothing but plain members of them is asked for, which is most of what dashboards ask, a list
//! is written as JSON at once: a future for each entry and for each of its members, or a value for each, takes many times as
//! long as reading them. Where the answer is counted, which happens between fields, where a member has arguments, and where selections are
//! merged, resolvers tell.

use std::borrow::Cow;
use std::collections::HashSet;

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::EnumType as _;
use async_graphql::{ContextSelectionSet, ID, Name, OutputType, Positioned, ServerResult, Value};
use async_graphql_value::RAW_VALUE_TOKEN;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::asked::Asked;
use crate::enums::{NodeKind, Privilege};
use crate::limits::QUERY_DEPTH;
use crate::scalars::Long;

/// A list, to GraphQL the same as a `Vec`.
pub(crate) struct Rows<T>(Vec<T>);

impl<T> FromIterator<T> for Rows<T> {
    fn from_iter<I: IntoIterator<Item = T>>(rows: I) -> Self {
        Self(rows.into_iter().collect())
    }
}

/// A member that is asked for by its name alone.
pub(crate) struct Picked {
    pub(crate) name: Name,
    /// Under what.
    shown: Name,
    /// What of it.
    pub(crate) within: Vec<Self>,
}

impl Picked {
    /// All of a selection; `None` where there is more to it than names.
    fn of(set: &SelectionSet) -> Option<Vec<Self>> {
        let mut all: Vec<Self> = Vec::with_capacity(set.items.len());
        for selection in &set.items {
            let Selection::Field(field) = &selection.node else { return None };
            let Field { name, arguments, directives, selection_set, .. } = &field.node;
            let shown = &field.node.response_key().node;
            // What is asked for twice under one name is merged by its resolvers.
            if !arguments.is_empty() || !directives.is_empty() || all.iter().any(|each| each.shown == *shown)
            {
                return None;
            }
            let within = Self::of(&selection_set.node)?;
            all.push(Self { name: name.node.clone(), shown: shown.clone(), within });
        }
        Some(all)
    }
}

/// Whether something that has members is selected twice under one name, of which GraphQL's layer merges the values: it
/// cannot merge what is written already.
pub(crate) fn are_merged(document: &ExecutableDocument) -> bool {
    let mut operations = document.operations.iter();
    operations.any(|(_, operation)| are_merged_in(document, &operation.node.selection_set.node, 1))
}

fn are_merged_in(document: &ExecutableDocument, set: &SelectionSet, depth: usize) -> bool {
    let mut fields = Vec::new();
    if !gather(document, set, depth, &mut fields) {
        return true;
    }
    let mut names = HashSet::with_capacity(fields.len());
    fields.iter().any(|field| {
        !names.insert(&field.response_key().node)
            || are_merged_in(document, &field.selection_set.node, depth + 1)
    })
}

/// The fields of a selection that have members, those of its fragments, too; false: there is no telling.
fn gather<'a>(
    document: &'a ExecutableDocument,
    set: &'a SelectionSet,
    depth: usize,
    fields: &mut Vec<&'a Field>,
) -> bool {
    // A fragment that spreads itself comes to an end.
    depth <= QUERY_DEPTH
        && set.items.iter().all(|selection| match &selection.node {
            Selection::Field(field) => {
                fields.extend((!field.node.selection_set.node.items.is_empty()).then_some(&field.node));
                true
            }
            Selection::InlineFragment(inline) => {
                gather(document, &inline.node.selection_set.node, depth + 1, fields)
            }
            Selection::FragmentSpread(spread) => {
                let fragment = document.fragments.get(&spread.node.fragment_name.node);
                fragment.is_some_and(|fragment| {
                    gather(document, &fragment.node.selection_set.node, depth + 1, fields)
                })
            }
        })
}

/// What is written at once.
pub(crate) trait Plain {
    /// Writes it, of an object these members; an error where resolvers tell, of what went wrong, too.
    fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        let _ = (picked, to);
        Err(resolvers_tell())
    }
}

pub(crate) fn resolvers_tell<E: serde::ser::Error>() -> E {
    E::custom("resolvers tell")
}

/// A value with what of it is asked for.
pub(crate) struct Rendered<'a, T>(pub(crate) &'a T, pub(crate) &'a [Picked]);

impl<T: Plain> Serialize for Rendered<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(self.1, to)
    }
}

/// Writes an object of which `member` gives each member to the map.
pub(crate) fn object<S: Serializer>(
    picked: &[Picked],
    to: S,
    member: impl Fn(&Picked, &mut S::SerializeMap) -> Result<(), S::Error>,
) -> Result<S::Ok, S::Error> {
    let mut members = to.serialize_map(Some(picked.len()))?;
    for each in picked {
        members.serialize_key(each.shown.as_str())?;
        member(each, &mut members)?;
    }
    members.end()
}

/// The members of an object that are members of its struct.
macro_rules! plain {
    ($object:ident { $($name:literal => $member:ident),* }) => {
        impl $crate::rows::Plain for $object {
            fn write<S: serde::Serializer>(
                &self,
                picked: &[$crate::rows::Picked],
                to: S,
            ) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                $crate::rows::object(picked, to, |each, members| match each.name.as_str() {
                    $($name => members.serialize_value(&$crate::rows::Rendered(&self.$member, &each.within)),)*
                    _ => Err($crate::rows::resolvers_tell()),
                })
            }
        }
    };
}
pub(crate) use plain;

macro_rules! written {
    ($($of:ty: $value:ident => $written:expr),* $(,)?) => {
        $(impl Plain for $of {
            fn write<S: Serializer>(&self, _: &[Picked], to: S) -> Result<S::Ok, S::Error> {
                let $value = self;
                $written.serialize(to)
            }
        })*
    };
}

written! {
    ID: id => id.as_str(),
    Long: long => long.0,
    String: text => text,
    i32: number => number,
}

macro_rules! enums {
    ($($of:ty),*) => {
        $(impl Plain for $of {
            fn write<S: Serializer>(&self, _: &[Picked], to: S) -> Result<S::Ok, S::Error> {
                let item = Self::items().iter().find(|item| item.value == *self);
                to.serialize_str(item.ok_or_else(resolvers_tell)?.name)
            }
        })*
    };
}

enums!(NodeKind, Privilege);

impl<T: Plain> Plain for Option<T> {
    fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(given) => given.write(picked, to),
            None => to.serialize_unit(),
        }
    }
}

impl<T: Plain> Plain for Vec<T> {
    fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.iter().map(|each| Rendered(each, picked)))
    }
}

impl<T: Plain> Plain for Rows<T> {
    fn write<S: Serializer>(&self, picked: &[Picked], to: S) -> Result<S::Ok, S::Error> {
        self.0.write(picked, to)
    }
}

impl<T: OutputType + Plain> OutputType for Rows<T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        context: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let is_counted = context.data_opt::<Asked>().is_none_or(|asked| asked.made.is_none());
        if !is_counted
            && let Some(picked) = Picked::of(&context.item.node)
            && let Ok(text) = serde_json::to_string(&Rendered(self, &picked))
        {
            return Ok(Value::Object(
                [(Name::new(RAW_VALUE_TOKEN), Value::String(text))].into_iter().collect(),
            ));
        }
        self.0.resolve(context, field).await
    }
}
