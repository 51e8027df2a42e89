//! Owns the choice of a content coding by what a client accepts (RFC 9110, section 12.5.3). Pure.

use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

use super::coding::Coding;

/// The codings among these that a client would rather have than none, the one it likes best first. Of
/// several that it likes as much, the order given counts.
pub fn codings_accepted(request: &HeaderMap, preferred: &[Coding]) -> Vec<Coding> {
    if !request.contains_key(ACCEPT_ENCODING) {
        return Vec::new();
    }
    let named: Vec<(String, u32)> = request
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(quality)
        .collect();
    let of = |name: &str| named.iter().find(|(named, _)| named == name).map(|(_, q)| *q);
    let any = of("*");
    // Who does not name it takes it, but would not send the field for it.
    let identity = of("identity").unwrap_or(0);
    let mut accepted = Vec::new();
    for coding in preferred {
        let alias = if *coding == Coding::Gzip { of("x-gzip") } else { None };
        let q = of(coding.name()).or(alias).or(any).unwrap_or(0);
        if q > 0 && q >= identity {
            accepted.push((q, *coding));
        }
    }
    accepted.sort_by_key(|(q, _)| std::cmp::Reverse(*q));
    accepted.into_iter().map(|(_, coding)| coding).collect()
}

/// A coding's name and its quality in thousandths. One that cannot be read is none.
fn quality(item: &str) -> (String, u32) {
    let mut parts = item.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let q = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    let q = q.map_or(Some(1.0), |q| q.parse::<f32>().ok().filter(|q| (0.0..=1.0).contains(q)));
    (name, (q.unwrap_or(0.0) * 1000.0) as u32)
}
