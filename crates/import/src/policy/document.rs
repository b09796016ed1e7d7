//! A policy document as written, with its many ways of writing one thing made one.

use asof_model::Effect;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The statements of a document, in order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// In the order written: a statement's place names what it gives.
    pub statements: Vec<Statement>,
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Its place in the document, from 0.
    pub place: usize,
    /// What its author calls it; empty: nothing.
    pub sid: String,
    /// Gives or takes away.
    pub effect: Effect,
    /// Which actions.
    pub actions: Actions,
    /// On what.
    pub resources: Resources,
    /// A condition is attached.
    pub conditional: bool,
    /// Whom, in a trust policy; Null elsewhere.
    pub principal: Value,
    /// Whom not, in a trust policy; Null elsewhere.
    pub not_principal: Value,
}

/// The actions of a statement, as patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actions {
    /// These.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

/// The resources of a statement, as patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resources {
    /// These; none given: all.
    Only(Vec<String>),
    /// All but these.
    AllBut(Vec<String>),
}

impl Document {
    /// From a JSON object, a JSON text or a URL-encoded JSON text.
    pub fn read(value: &Value) -> Result<Self, String> {
        match value {
            Value::Object(_) => Self::of_object(value),
            Value::String(text) => {
                let trimmed = text.trim_start();
                let decoded = if trimmed.starts_with('{') {
                    text.as_str().into()
                } else {
                    percent_decode_str(text)
                        .decode_utf8()
                        .map_err(|cause| format!("is no URL-encoded text: {cause}"))?
                };
                let object: Value =
                    serde_json::from_str(&decoded).map_err(|cause| format!("is no JSON: {cause}"))?;
                if object.is_object() {
                    Self::of_object(&object)
                } else {
                    Err("is no JSON object".to_owned())
                }
            }
            _ => Err("is neither a JSON object nor a text".to_owned()),
        }
    }

    fn of_object(object: &Value) -> Result<Self, String> {
        let listed: Vec<&Value> = match &object["Statement"] {
            Value::Array(list) => list.iter().collect(),
            one @ Value::Object(_) => vec![one],
            _ => return Err("has no Statement".to_owned()),
        };
        let statements = listed.into_iter().enumerate().map(|(place, each)| Statement::read(place, each));
        Ok(Self { statements: statements.collect::<Result<_, _>>()? })
    }
}

impl Statement {
    fn read(place: usize, value: &Value) -> Result<Self, String> {
        let wrong = |field: &str| format!("Statement[{place}].{field}");
        let effect = match value["Effect"].as_str() {
            Some("Allow") => Effect::Allow,
            Some("Deny") => Effect::Deny,
            _ => return Err(format!("{}: is neither Allow nor Deny", wrong("Effect"))),
        };
        let texts = |field: &str| {
            texts(&value[field]).ok_or_else(|| format!("{}: is no text or list of texts", wrong(field)))
        };
        let actions = match (value.get("Action"), value.get("NotAction")) {
            (Some(_), None) => Actions::Only(texts("Action")?),
            (None, Some(_)) => Actions::AllBut(texts("NotAction")?),
            _ => return Err(format!("{}: exactly one of Action and NotAction is required", wrong("Action"))),
        };
        let resources = match (value.get("Resource"), value.get("NotResource")) {
            (Some(_), None) => Resources::Only(texts("Resource")?),
            (None, Some(_)) => Resources::AllBut(texts("NotResource")?),
            (None, None) => Resources::Only(Vec::new()),
            _ => return Err(format!("{}: goes not with NotResource", wrong("Resource"))),
        };
        Ok(Self {
            place,
            sid: value["Sid"].as_str().unwrap_or_default().to_owned(),
            effect,
            actions,
            resources,
            conditional: value["Condition"].as_object().is_some_and(|condition| !condition.is_empty()),
            principal: value["Principal"].clone(),
            not_principal: value["NotPrincipal"].clone(),
        })
    }
}

/// A text or a list of texts.
pub(crate) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) => list.iter().map(|each| each.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
