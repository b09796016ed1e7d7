//! Matching of texts.

use asof_model::glob_matches;

use crate::TextMatch;

impl TextMatch {
    /// Any text.
    pub(crate) const ANY: Self =
        Self { present: None, eq: None, any_of: None, prefix: None, contains: None, glob: None };

    /// All given members match. What is empty matches nothing but `present: false` alone.
    pub fn matches(&self, text: &str) -> bool {
        if self.present == Some(false) {
            return text.is_empty() && self.asks_no_more();
        }
        !text.is_empty()
            && self.eq.as_ref().is_none_or(|wanted| text == wanted)
            && self.any_of.as_ref().is_none_or(|wanted| wanted.iter().any(|each| text == each))
            && self.prefix.as_ref().is_none_or(|wanted| text.starts_with(wanted.as_str()))
            && self.contains.as_ref().is_none_or(|wanted| text.contains(wanted.as_str()))
            && self.glob.as_ref().is_none_or(|wanted| glob_matches(wanted, text))
    }

    /// Nothing is asked but whether there is a text.
    pub(crate) fn asks_no_more(&self) -> bool {
        let Self { present: _, eq, any_of, prefix, contains, glob } = self;
        [eq, prefix, contains, glob].iter().all(|each| each.is_none()) && any_of.is_none()
    }

    /// The only texts that can match, where the question names them: none where there is to be none.
    pub(crate) fn named(&self) -> Option<Vec<&str>> {
        if self.present == Some(false) {
            return Some(Vec::new());
        }
        match (&self.eq, &self.any_of) {
            (Some(one), _) => Some(vec![one.as_str()]),
            (None, Some(many)) => Some(many.iter().map(String::as_str).collect()),
            (None, None) => None,
        }
    }

    /// How explain prints it.
    pub(crate) fn shown(&self) -> String {
        let mut parts = Vec::new();
        if self.present == Some(false) {
            parts.push("absent".to_owned());
        }
        for (name, wanted) in
            [("eq", &self.eq), ("prefix", &self.prefix), ("contains", &self.contains), ("glob", &self.glob)]
        {
            if let Some(wanted) = wanted {
                parts.push(format!("{name} {wanted:?}"));
            }
        }
        if let Some(wanted) = &self.any_of {
            parts.push(format!("in {} texts", wanted.len()));
        }
        if parts.is_empty() { "given".to_owned() } else { parts.join(", ") }
    }
}
