//! The links of a page: HTML is read as browsers read it, and each link becomes an address.

use std::borrow::Cow;
use std::collections::HashSet;

use asyncloop::process_fn;
use encoding_rs::{Encoding, UTF_8};
use html5gum::emitters::default::DefaultEmitter;
use html5gum::{StartTag, Token, Tokenizer};
use serde::{Deserialize, Serialize};
use url::Url;

/// Which attribute of which element is an address.
const LINKS: &[(&str, &str)] = &[
    ("a", "href"),
    ("area", "href"),
    ("audio", "src"),
    ("embed", "src"),
    ("frame", "src"),
    ("iframe", "src"),
    ("img", "src"),
    ("link", "href"),
    ("object", "data"),
    ("script", "src"),
    ("source", "src"),
    ("track", "src"),
    ("video", "poster"),
    ("video", "src"),
];

/// What a page leads to.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Each once, in their order.
    pub(crate) links: Vec<Link>,
    /// What the fragments of addresses may name here; nothing unless it was asked for.
    pub(crate) anchors: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) enum Link {
    To {
        url: String,
        /// `None` unless fragments are of interest, and where there is none.
        fragment: Option<String>,
    },
    /// What stands there is no address.
    Wrong { text: String, why: String },
}

process_fn! {
    /// Finds the links of a page, for which its server may have named the charset.
    ///
    /// It computes for as long as the page is large, and awaits nothing: a loop that calls it does nothing else.
    pub(crate) fn links(page: String, charset: Option<String>, fragments: bool, html: Vec<u8>) -> Found {
        let encoding = encoding(&html, charset.as_deref());
        let (text, encoding, _) = encoding.decode(&html); // which believes a byte order mark first of all
        let mut emitter = DefaultEmitter::default();
        emitter.naively_switch_states(true); // no links in scripts
        let mut reader = Reader { fragments, ..Reader::default() };
        for Ok(token) in Tokenizer::new_with_emitter(&*text, emitter) {
            if let Token::StartTag(tag) = token {
                reader.tag(&tag);
            }
        }
        reader.found(&page, encoding)
    }
}

/// How the page is encoded, as its server says, or else as it says itself in its first kilobyte.
fn encoding(html: &[u8], charset: Option<&str>) -> &'static Encoding {
    let named = charset.and_then(|name| Encoding::for_label(name.as_bytes()));
    let written = || {
        let start = String::from_utf8_lossy(&html[..html.len().min(1024)]).to_ascii_lowercase();
        let (_, name) = start.split_once("charset=")?;
        let name = name.trim_start_matches(['"', '\'', ' ']);
        let end = name.find(['"', '\'', ' ', ';', '/', '>'])?;
        let encoding = Encoding::for_label(&name.as_bytes()[..end])?;
        // Whoever can read that it is UTF-16 sees that it is not.
        encoding.is_ascii_compatible().then_some(encoding)
    };
    named.or_else(written).unwrap_or(UTF_8)
}

/// What has been read of a page. A link is an address only when its base is known, and that may stand anywhere.
#[derive(Default)]
struct Reader {
    fragments: bool,
    base: Option<String>,
    texts: Vec<String>,
    seen: HashSet<String>,
    anchors: Vec<String>,
}

impl Reader {
    fn tag(&mut self, tag: &StartTag<()>) {
        let name = String::from_utf8_lossy(&tag.name);
        let attribute = |name: &str| {
            let value = tag.attributes.get(name.as_bytes())?;
            Some(String::from_utf8_lossy(value).into_owned())
        };
        if self.fragments {
            self.anchors.extend(attribute("id"));
            self.anchors
                .extend(attribute("name").filter(|_| name == "a"));
        }
        if name == "base" && self.base.is_none() {
            self.base = attribute("href");
        }
        if name == "meta"
            && attribute("http-equiv").is_some_and(|what| what.eq_ignore_ascii_case("refresh"))
        {
            let content = attribute("content").unwrap_or_default();
            self.link(refresh(&content).map(str::to_owned));
        }
        if name == "img" || name == "source" {
            for candidate in candidates(&attribute("srcset").unwrap_or_default()) {
                self.link(Some(candidate.to_owned()));
            }
        }
        // These name hosts to get in touch with, not documents.
        let hint = |rel: &str| {
            let rel = rel.to_ascii_lowercase();
            rel.contains("preconnect") || rel.contains("dns-prefetch")
        };
        if name == "link" && attribute("rel").as_deref().is_some_and(hint) {
            return;
        }
        for (_, source) in LINKS.iter().filter(|(element, _)| *element == name) {
            self.link(attribute(source));
        }
    }

    fn link(&mut self, text: Option<String>) {
        let Some(mut text) = text else { return };
        if !self.fragments
            && let Some(at) = text.find('#')
        {
            text.truncate(at);
        }
        if !self.seen.contains(&text) {
            self.seen.insert(text.clone());
            self.texts.push(text);
        }
    }

    /// Makes addresses of the links. The queries in them are encoded as the page is.
    fn found(self, page: &str, encoding: &'static Encoding) -> Found {
        let Ok(mut base) = Url::parse(page) else {
            return Found::default();
        };
        if let Some(Ok(url)) = self.base.map(|href| base.join(&href)) {
            base = url;
        }
        let encoding = encoding.output_encoding();
        let encode: &dyn Fn(&str) -> Cow<'_, [u8]> = &|query| encoding.encode(query).0;
        let addresses = Url::options()
            .base_url(Some(&base))
            .encoding_override(Some(encode));
        let mut seen = HashSet::new();
        let mut links = Vec::new();
        for text in self.texts {
            let link = match addresses.parse(&text) {
                Ok(url) if !matches!(url.scheme(), "http" | "https") => continue,
                Ok(mut url) => {
                    let fragment = url.fragment().map(str::to_owned);
                    url.set_fragment(None);
                    Link::To {
                        url: url.into(),
                        fragment: fragment.filter(|_| self.fragments),
                    }
                }
                Err(error) => Link::Wrong {
                    text,
                    why: format!("it is no address: {error}"),
                },
            };
            if seen.insert(link.clone()) {
                links.push(link);
            }
        }
        Found {
            links,
            anchors: self.anchors,
        }
    }
}

/// The address in `5; url=/next`.
fn refresh(content: &str) -> Option<&str> {
    let (_, rest) = content.split_once([';', ','])?;
    let rest = rest.trim_start();
    let url = match rest.get(..3) {
        Some(start) if start.eq_ignore_ascii_case("url") => {
            rest[3..].trim_start().strip_prefix('=').unwrap_or(rest)
        }
        _ => rest,
    };
    Some(url.trim().trim_matches(['"', '\'']))
}

/// The addresses in `small.png 1x, large.png 2x`. A comma ends one where white space follows it, or a width.
fn candidates(srcset: &str) -> impl Iterator<Item = &str> {
    let mut rest = srcset;
    std::iter::from_fn(move || {
        rest = rest.trim_start_matches(|c: char| c == ',' || c.is_whitespace());
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        let (url, after) = rest.split_at(end);
        let alone = url.trim_end_matches(',');
        let skip = if alone.len() < url.len() {
            0
        } else {
            after.find(',').unwrap_or(after.len())
        };
        rest = &after[skip..];
        (!alone.is_empty()).then_some(alone)
    })
}
