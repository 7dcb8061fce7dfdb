//! The links of a page: HTML is read as browsers read it, and each link becomes an address.

use std::collections::HashSet;

use asyncloop::process_fn;
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{Token, Tokenizer};
use url::Url;

/// Which attribute of which element is an address.
const LINKS: &[(&[u8], &[u8])] = &[
    (b"a", b"href"),
    (b"area", b"href"),
    (b"frame", b"src"),
    (b"iframe", b"src"),
    (b"img", b"src"),
    (b"link", b"href"),
    (b"script", b"src"),
];

process_fn! {
    /// Finds the links of a page, each once, in their order; a link that is no address as it is written.
    ///
    /// It computes for as long as the page is large, and awaits nothing: a loop that calls it does nothing else.
    pub(crate) fn links(page: String, html: Vec<u8>) -> Vec<Result<String, String>> {
        let Ok(mut base) = Url::parse(&page) else {
            return Vec::new();
        };
        let mut seen = HashSet::new();
        let mut found = Vec::new();
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true); // no links in scripts
        for Ok(token) in Tokenizer::new_with_emitter(html.as_slice(), emitter) {
            let Token::StartTag(tag) = token else {
                continue;
            };
            let attribute = |name: &[u8]| {
                tag.attributes
                    .get(name)
                    .map(|value| String::from_utf8_lossy(value).trim().to_owned())
            };
            if tag.name.as_slice() == b"base"
                && let Some(href) = attribute(b"href")
                && let Ok(url) = base.join(&href)
            {
                base = url;
            }
            for (element, name) in LINKS {
                if tag.name.as_slice() == *element
                    && let Some(text) = attribute(name)
                {
                    let link = address(&base, &text).transpose();
                    found.extend(link.filter(|link| seen.insert(link.clone())));
                }
            }
        }
        found
    }
}

/// What a link leads to, without its fragment; `None` if that is nothing to fetch, such as an address for mail.
fn address(base: &Url, text: &str) -> Result<Option<String>, String> {
    let mut url = base.join(text).map_err(|_| text.to_owned())?;
    url.set_fragment(None);
    Ok(matches!(url.scheme(), "http" | "https").then(|| url.into()))
}
