//! What is known of every address that the crawl has met: where it is linked, and what came of it.

use std::collections::{HashMap, HashSet};

use url::Url;

/// What came of asking for an address.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    /// There is a document.
    Good,
    /// It redirects there.
    Moved(usize),
    /// There is nothing, and that is why.
    Broken { kind: &'static str, why: String },
    /// robots.txt does not let us ask.
    Forbidden,
}

/// A link that leads nowhere.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) link: String,
    pub(crate) kind: &'static str,
    pub(crate) why: String,
    /// The pages that it is on; none if the crawl began there.
    pub(crate) pages: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    url: Url,
    /// Pages that link to it.
    pages: Vec<usize>,
    /// Fragments that pages want of it.
    fragments: Vec<(String, usize)>,
    outcome: Option<Outcome>,
    anchors: Option<HashSet<String>>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    ids: HashMap<String, usize>,
    entries: Vec<Entry>,
}

impl Ledger {
    /// The number of an address, and whether it is new.
    pub(crate) fn id(&mut self, url: &Url) -> (usize, bool) {
        if let Some(id) = self.ids.get(url.as_str()) {
            return (*id, false);
        }
        let id = self.entries.len();
        self.ids.insert(url.to_string(), id);
        self.entries.push(Entry {
            url: url.clone(),
            pages: Vec::new(),
            fragments: Vec::new(),
            outcome: None,
            anchors: None,
        });
        (id, true)
    }

    /// A page links to an address, or to a part of it.
    pub(crate) fn linked(&mut self, id: usize, page: usize, fragment: Option<String>) {
        let entry = &mut self.entries[id];
        if entry.pages.last() != Some(&page) {
            entry.pages.push(page);
        }
        entry.fragments.extend(fragment.map(|name| (name, page)));
    }

    pub(crate) fn settle(&mut self, id: usize, outcome: Outcome) {
        self.entries[id].outcome = Some(outcome);
    }

    /// The document has these parts.
    pub(crate) fn parts(&mut self, id: usize, anchors: Vec<String>) {
        self.entries[id].anchors = Some(anchors.into_iter().collect());
    }

    /// Whether robots.txt does not let us ask for an address.
    pub(crate) fn is_forbidden(&self, id: usize) -> bool {
        matches!(self.entries[id].outcome, Some(Outcome::Forbidden))
    }

    /// How many addresses robots.txt does not let us ask for.
    pub(crate) fn forbidden(&self) -> usize {
        (0..self.entries.len())
            .filter(|id| self.is_forbidden(*id))
            .count()
    }

    /// The links that lead nowhere, in the order in which they were found.
    pub(crate) fn broken(&self) -> Vec<Broken> {
        let mut broken = Vec::new();
        for (id, entry) in self.entries.iter().enumerate() {
            // What only a redirect leads to is told of where that is linked.
            let linked = id == 0 || !entry.pages.is_empty();
            let end = self.end(id);
            if let (true, Err((kind, why))) = (linked, &end) {
                broken.push(self.link(entry.url.to_string(), kind, why.clone(), &entry.pages));
            }
            let Ok(Some(anchors)) = end.map(|end| self.entries[end].anchors.as_ref()) else {
                continue;
            };
            let mut missing: Vec<(&str, Vec<usize>)> = Vec::new();
            for (fragment, page) in &entry.fragments {
                if is_there(fragment, anchors) {
                    continue;
                }
                match missing.iter_mut().find(|(name, _)| name == fragment) {
                    Some((_, pages)) => pages.push(*page),
                    None => missing.push((fragment, vec![*page])),
                }
            }
            for (fragment, pages) in missing {
                let link = format!("{}#{fragment}", entry.url);
                let why = format!("nothing there is called {fragment:?}");
                broken.push(self.link(link, "fragment", why, &pages));
            }
        }
        broken
    }

    fn link(&self, link: String, kind: &'static str, why: String, pages: &[usize]) -> Broken {
        let url = |page: &usize| self.entries[*page].url.to_string();
        let pages = pages.iter().map(url).collect();
        Broken {
            link,
            kind,
            why,
            pages,
        }
    }

    /// Where an address leads in the end, or why it leads nowhere.
    fn end(&self, start: usize) -> Result<usize, (&'static str, String)> {
        let mut id = start;
        // A chain with more links than there are addresses goes in a circle.
        for _ in 0..=self.entries.len() {
            match &self.entries[id].outcome {
                Some(Outcome::Moved(next)) => id = *next,
                Some(Outcome::Broken { kind, why }) if id == start => {
                    return Err((kind, why.clone()));
                }
                Some(Outcome::Broken { kind, why }) => {
                    let url = &self.entries[id].url;
                    return Err((kind, format!("it redirects to {url}: {why}")));
                }
                Some(Outcome::Good | Outcome::Forbidden) | None => return Ok(id),
            }
        }
        Err(("redirect", "it redirects in a circle".to_owned()))
    }
}

/// Whether a fragment, as it stands in an address, names a part of a page.
fn is_there(fragment: &str, anchors: &HashSet<String>) -> bool {
    let plain = fragment.split(":~:").next().unwrap_or(fragment); // what follows is text to be marked
    let decoded = percent_encoding::percent_decode_str(plain).decode_utf8_lossy();
    plain.is_empty()
        || decoded.eq_ignore_ascii_case("top")
        || anchors.contains(plain)
        || anchors.contains(&*decoded)
}
