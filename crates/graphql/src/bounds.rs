//! What a request comes to: its depth before it runs, and its answer's size while that is being made, so that
//! no more than the limit is ever held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_graphql::async_trait::async_trait;
use async_graphql::extensions::{
    Extension, ExtensionContext, ExtensionFactory, NextResolve, NextValidation, ResolveInfo,
};
use async_graphql::{Error, ServerError, ServerResult, ValidationResult, Value};

use crate::execute::nowhere;
use crate::failure::Failure;
use crate::limits::{QUERY_DEPTH, RESULT_BYTES, RESULT_VALUES};

/// Bounds each request.
pub(crate) struct Bounds;

impl ExtensionFactory for Bounds {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Sum::default())
    }
}

/// What one answer comes to so far.
#[derive(Default)]
struct Sum {
    bytes: AtomicU64,
    values: AtomicU64,
}

#[async_trait]
impl Extension for Sum {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let valid = next.run(context).await?;
        if valid.depth > QUERY_DEPTH {
            let (depth, limit) = (valid.depth as u64, QUERY_DEPTH as u64);
            return Err(vec![nowhere(Failure::limit("fields nested", depth, limit, "query_depth"))]);
        }
        Ok(valid)
    }

    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let position = info.field.name.pos;
        let fail = |failure: Failure| Err(Error::from(failure).into_server_error(position));
        // What is there already was counted; nothing is added to too much.
        if let Err(failure) = self.check(0, 0) {
            return fail(failure);
        }
        let resolved = next.run(context, info).await?;
        if let Some(Value::Object(members)) = &resolved {
            let bytes = members.iter().map(|(name, value)| name.len() as u64 + 4 + bytes(value)).sum();
            if let Err(failure) = self.check(bytes, members.len() as u64) {
                return fail(failure);
            }
        }
        Ok(resolved)
    }
}

impl Sum {
    fn check(&self, bytes: u64, values: u64) -> Result<(), Failure> {
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        if bytes > RESULT_BYTES {
            return Err(too_much("an answer of bytes", bytes, RESULT_BYTES, "result_bytes"));
        }
        let values = self.values.fetch_add(values, Ordering::Relaxed).saturating_add(values);
        if values > RESULT_VALUES {
            return Err(too_much("an answer of values", values, RESULT_VALUES, "result_values"));
        }
        Ok(())
    }
}

fn too_much(what: &str, asked: u64, limit: u64, name: &'static str) -> Failure {
    Failure::limit(what, asked, limit, name).advise("ask for smaller pages, or for fewer fields of them")
}

/// A member as JSON, without what is in objects: they were counted when they were made.
fn bytes(value: &Value) -> u64 {
    match value {
        Value::Null | Value::Boolean(_) => 4,
        Value::Number(_) => 8,
        Value::String(text) => text.len() as u64 + 2,
        Value::Enum(name) => name.len() as u64 + 2,
        Value::Binary(bytes) => bytes.len() as u64,
        Value::List(each) => each.iter().map(|each| bytes(each) + 1).sum::<u64>() + 2,
        Value::Object(_) => 2,
    }
}
