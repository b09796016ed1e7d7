//! Media types: which an asker accepts, and which its body has.

use axum::http::{HeaderMap, StatusCode, header};
use mime::Mime;

use super::Refusal;

/// The media type of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MediaType {
    /// `application/graphql-response+json`
    GraphqlResponse,
    /// `application/json`, for those who know no other
    Json,
}

impl MediaType {
    /// With the charset.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Json => "application/json; charset=utf-8",
        }
    }

    const fn essence(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json",
            Self::Json => "application/json",
        }
    }
}

/// The media type that `Accept` prefers.
pub(super) fn accepted(headers: &HeaderMap) -> Result<MediaType, Refusal> {
    let mut ranges = Vec::new();
    for value in headers.get_all(header::ACCEPT) {
        // What is no media range accepts nothing.
        let each = value.to_str().unwrap_or("?").split(',').map(str::trim).filter(|each| !each.is_empty());
        ranges.extend(each.map(|each| each.parse::<Mime>().ok()));
    }
    if ranges.is_empty() {
        return Ok(MediaType::Json);
    }
    let ranges: Vec<Mime> = ranges.into_iter().flatten().collect();
    let (modern, plain) = (wish(&ranges, MediaType::GraphqlResponse), wish(&ranges, MediaType::Json));
    if modern.weight == 0 && plain.weight == 0 {
        let why =
            "the answer is application/graphql-response+json or application/json, and Accept takes neither";
        return Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", why));
    }
    let named = modern.precision == Precision::Named;
    if modern.weight > plain.weight || (modern.weight == plain.weight && named) {
        Ok(MediaType::GraphqlResponse)
    } else {
        Ok(MediaType::Json)
    }
}

/// How much a media type is wished for: by the range that says it most precisely.
#[derive(Debug, Clone, Copy)]
struct Wish {
    precision: Precision,
    /// Thousandths.
    weight: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Precision {
    None,
    Any,
    Application,
    Named,
}

fn wish(ranges: &[Mime], media: MediaType) -> Wish {
    let mut best = Wish { precision: Precision::None, weight: 0 };
    for range in ranges.iter().filter(|range| is_utf8(range)) {
        let precision = match range.essence_str() {
            "*/*" => Precision::Any,
            "application/*" => Precision::Application,
            named if named == media.essence() => Precision::Named,
            _ => continue,
        };
        let weight = weight(range);
        if precision > best.precision || (precision == best.precision && weight > best.weight) {
            best = Wish { precision, weight };
        }
    }
    best
}

/// `q` in thousandths; one that is no number from 0 to 1 counts as none given.
fn weight(range: &Mime) -> u16 {
    let given = range.get_param("q").and_then(|q| q.as_str().parse::<f32>().ok());
    given.filter(|q| (0.0..=1.0).contains(q)).map_or(1_000, |q| (q * 1_000.0).round() as u16)
}

/// Without a charset, UTF-8 is meant.
fn is_utf8(media: &Mime) -> bool {
    media.get_param(mime::CHARSET).is_none_or(|charset| charset == mime::UTF_8)
}

/// The body is said to be JSON in UTF-8. No form of a foreign page can say so without being asked first.
pub(super) fn is_json(headers: &HeaderMap) -> Result<(), Refusal> {
    let said =
        headers.get(header::CONTENT_TYPE).map(|said| String::from_utf8_lossy(said.as_bytes()).into_owned());
    let one = headers.get_all(header::CONTENT_TYPE).iter().count() == 1;
    let json = |media: Mime| media.essence_str() == MediaType::Json.essence() && is_utf8(&media);
    if one && said.as_deref().is_some_and(|said| said.parse::<Mime>().is_ok_and(json)) {
        return Ok(());
    }
    let found = said.map_or("nothing".to_owned(), |said| format!("{said:?}"));
    let why = format!("the body of a question is application/json in UTF-8, and Content-Type says {found}");
    Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", why))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: header::HeaderName, values: &[&'static str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(&name, HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn what_is_preferred_is_given() {
        use MediaType::{GraphqlResponse, Json};
        let of = |values: &[&'static str]| accepted(&headers(header::ACCEPT, values)).ok();
        for (accept, expected) in [
            ("application/graphql-response+json", Some(GraphqlResponse)),
            ("application/json", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            ("", Some(Json)),
            ("Application/GraphQL-Response+JSON; charset=UTF-8", Some(GraphqlResponse)),
            ("application/graphql-response+json, application/json;q=0.9", Some(GraphqlResponse)),
            ("application/graphql-response+json;q=0.8, application/json;q=0.9", Some(Json)),
            ("application/json, application/graphql-response+json", Some(GraphqlResponse)),
            ("application/graphql-response+json;q=0.5, */*", Some(Json)),
            ("application/json;q=0, */*;q=0.1", Some(GraphqlResponse)),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Some(Json)),
            ("text/html, application/graphql-response+json;q=0.001", Some(GraphqlResponse)),
            ("application/json;q=nonsense", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json; charset=utf-16", None),
            ("multipart/mixed;subscriptionSpec=1.0", None),
            ("nonsense", None),
            ("*/*;q=0", None),
        ] {
            assert_eq!(of(&[accept]), expected, "{accept:?}");
        }
        assert_eq!(of(&[]), Some(Json));
        assert_eq!(of(&["text/html", "application/graphql-response+json"]), Some(GraphqlResponse));
    }

    #[test]
    fn a_body_is_json() {
        let of = |values: &[&'static str]| is_json(&headers(header::CONTENT_TYPE, values)).is_ok();
        for json in
            ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON;charset=\"UTF-8\""]
        {
            assert!(of(&[json]), "{json}");
        }
        for other in [
            "",
            "text/plain",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
            "application/jsonp",
            "application/graphql",
            "application/json, text/plain",
        ] {
            assert!(!of(&[other]), "{other}");
        }
        assert!(!of(&[]));
        assert!(!of(&["application/json", "text/plain"]));
    }
}
