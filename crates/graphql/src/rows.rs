//! Lists of many entries. Where nothing but plain members of them is asked for, which is most of what dashboards ask, an
//! entry becomes a value at once: a future for each entry and for each of its members takes many times as long as reading
//! them. Where the answer is counted, which happens between fields, and where a member has arguments, its resolver tells.

use std::borrow::Cow;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{Field, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::enum_value;
use async_graphql::{ContextSelectionSet, ID, Name, OutputType, Positioned, ScalarType, ServerResult, Value};

use crate::asked::Asked;
use crate::enums::{NodeKind, Privilege};
use crate::scalars::{DateTime, Long};

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

/// What becomes a value at once.
pub(crate) trait Plain {
    /// The value, of an object with these members; `None`: resolvers tell, of an error, too.
    fn plain(&self, picked: &[Picked]) -> Option<Value> {
        let _ = picked;
        None
    }
}

/// An object's value.
pub(crate) fn object(picked: &[Picked], member: impl Fn(&Picked) -> Option<Value>) -> Option<Value> {
    let mut members = IndexMap::with_capacity(picked.len());
    for each in picked {
        members.insert(each.shown.clone(), member(each)?);
    }
    Some(Value::Object(members))
}

/// The members of an object that are members of its struct.
macro_rules! plain {
    ($object:ident { $($name:literal => $member:ident),* }) => {
        impl $crate::rows::Plain for $object {
            fn plain(&self, picked: &[$crate::rows::Picked]) -> Option<async_graphql::Value> {
                $crate::rows::object(picked, |each| match each.name.as_str() {
                    $($name => self.$member.plain(&each.within),)*
                    _ => None,
                })
            }
        }
    };
}
pub(crate) use plain;

macro_rules! scalars {
    ($($scalar:ty),*) => {
        $(impl Plain for $scalar {
            fn plain(&self, _: &[Picked]) -> Option<Value> {
                Some(ScalarType::to_value(self))
            }
        })*
    };
}

scalars!(DateTime, ID, Long, String, i32);

macro_rules! enums {
    ($($of:ty),*) => {
        $(impl Plain for $of {
            fn plain(&self, _: &[Picked]) -> Option<Value> {
                Some(enum_value(*self))
            }
        })*
    };
}

enums!(NodeKind, Privilege);

impl<T: Plain> Plain for Option<T> {
    fn plain(&self, picked: &[Picked]) -> Option<Value> {
        self.as_ref().map_or(Some(Value::Null), |given| given.plain(picked))
    }
}

impl<T: Plain> Plain for Vec<T> {
    fn plain(&self, picked: &[Picked]) -> Option<Value> {
        self.iter().map(|each| each.plain(picked)).collect::<Option<_>>().map(Value::List)
    }
}

impl<T: Plain> Plain for Rows<T> {
    fn plain(&self, picked: &[Picked]) -> Option<Value> {
        self.0.plain(picked)
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
            && let Some(value) = self.plain(&picked)
        {
            return Ok(value);
        }
        self.0.resolve(context, field).await
    }
}
