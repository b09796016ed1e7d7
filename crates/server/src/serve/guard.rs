//! Without authentication, a page of any site that a browser on this machine shows could ask this port, by a name that it
//! lets point here (DNS rebinding) or across origins. So requests that name a foreign host or origin are refused, and those that a
//! page of another site makes a browser send without an origin; but a link may lead to the page at `/`, which asks nothing.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

/// From where a request comes, as browsers say it (Fetch Metadata).
const SEC_FETCH_SITE: header::HeaderName = header::HeaderName::from_static("sec-fetch-site");

/// Lets requests pass whose Host (or :authority) and Origin are this machine's own.
pub(super) async fn own_host(request: Request, next: Next) -> Response {
    match foreign(request.uri(), request.headers()) {
        None => next.run(request).await,
        Some(why) => (StatusCode::FORBIDDEN, format!("{why}\n")).into_response(),
    }
}

/// What is foreign about a request.
fn foreign(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let host = match uri.authority() {
        Some(authority) => Some(authority.as_str().to_owned()),
        None => text(headers, &header::HOST),
    };
    let Some(host) = host else { return Some("the request names no host".to_owned()) };
    if !is_own(&host) {
        return Some(format!("the host {host:?} is foreign: ask 127.0.0.1, [::1] or localhost"));
    }
    // A second Host could be read by something else on the way.
    if headers.get_all(header::HOST).iter().any(|each| !each.to_str().is_ok_and(is_own)) {
        return Some("a Host header is foreign".to_owned());
    }
    if !headers.contains_key(header::ORIGIN) {
        // A link, a picture or a script of another site has no origin; a browser says where it comes from all the same.
        let foreign = text(headers, &SEC_FETCH_SITE).is_some_and(|site| site == "cross-site");
        return (foreign && uri.path() != "/").then(|| "a page of another site sent the request".to_owned());
    }
    let origin = text(headers, &header::ORIGIN).unwrap_or_default();
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://")).is_some_and(is_own);
    (!own).then(|| format!("the origin {origin:?} is foreign"))
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whether `host[:port]` is a loopback address or `localhost`.
fn is_own(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_own() {
        for own in
            ["localhost", "LocalHost:80", "127.0.0.1", "127.0.0.1:7420", "127.1.2.3:1", "[::1]:7420", "[::1]"]
        {
            assert!(is_own(own), "{own}");
        }
        for foreign in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:80",
            "10.0.0.1:7420",
            "localhost:",
            "a@localhost",
            "[::2]",
        ] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }

    fn verdict(headers: &[(header::HeaderName, &str)]) -> Option<String> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                name,
                header::HeaderValue::from_str(value).unwrap_or(header::HeaderValue::from_static("")),
            );
        }
        foreign(&Uri::from_static("/graphql"), &map)
    }

    #[test]
    fn hosts_and_origins() {
        assert_eq!(verdict(&[(header::HOST, "localhost:7420")]), None);
        assert_eq!(
            verdict(&[(header::HOST, "localhost:7420"), (header::ORIGIN, "http://127.0.0.1:7420")]),
            None
        );
        for (site, passes) in
            [("none", true), ("same-origin", true), ("same-site", true), ("cross-site", false)]
        {
            let found = verdict(&[(header::HOST, "localhost"), (SEC_FETCH_SITE, site)]);
            assert_eq!(found.is_none(), passes, "{site}");
        }
        let own = [
            (header::HOST, "localhost"),
            (SEC_FETCH_SITE, "cross-site"),
            (header::ORIGIN, "http://127.0.0.1"),
        ];
        assert_eq!(verdict(&own), None, "the origin is what counts where there is one");
        assert!(verdict(&[]).is_some());
        assert!(verdict(&[(header::HOST, "evil.example")]).is_some());
        assert!(verdict(&[(header::HOST, "localhost"), (header::HOST, "evil.example")]).is_some());
        for origin in ["https://evil.example", "null", "", "file://localhost"] {
            assert!(verdict(&[(header::HOST, "localhost"), (header::ORIGIN, origin)]).is_some(), "{origin}");
        }
    }
}
