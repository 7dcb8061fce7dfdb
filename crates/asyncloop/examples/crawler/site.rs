//! A site of the crawler's own: the documents of a directory, and pages that make a crawler's life hard.

use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use hyper::body::Bytes;

/// How many pages there are beside the documents.
pub(crate) const PAGES: usize = 60;
/// How many of them are heavy.
const HEAVY: usize = 3;
/// Each so many pages have a link that is broken.
const BROKEN_EVERY: usize = 10;
/// Each so many have one to a part of theirs that is not there.
const BROKEN_PARTS_EVERY: usize = 20;

/// What the site consists of. The same directory gives the same site.
pub(crate) struct Site {
    documents: Vec<(String, String)>,
    heavy: Vec<Bytes>,
}

/// How the site answers.
pub(crate) enum Answer {
    Html(Bytes),
    Moved(String),
    Missing,
}

impl Site {
    /// Reads the documents, Markdown and HTML, of a directory and of those in it.
    pub(crate) fn read(folder: &Path, heavy_bytes: usize) -> io::Result<Site> {
        let mut documents = Vec::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            let mut entries = fs::read_dir(&next)?
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<io::Result<Vec<PathBuf>>>()?;
            entries.sort();
            for path in entries {
                let ending = path.extension().and_then(|ending| ending.to_str());
                if path.is_dir() {
                    folders.push(path);
                } else if matches!(ending, Some("md" | "html")) {
                    let text = String::from_utf8_lossy(&fs::read(&path)?).into_owned();
                    documents.push((text, ending.unwrap_or_default().to_owned()));
                }
            }
        }
        let heavy = (0..HEAVY).map(|number| heavy(&documents, number, heavy_bytes));
        let heavy = heavy.collect();
        Ok(Site { documents, heavy })
    }

    /// How many links of the site lead nowhere, and how many only to a part of a page that is not there. In HTML that was
    /// there before, there may be more.
    pub(crate) fn broken(&self) -> (usize, usize) {
        let broken = (0..PAGES).filter(|page| page.is_multiple_of(BROKEN_EVERY));
        let parts = (0..PAGES).filter(|page| page.is_multiple_of(BROKEN_PARTS_EVERY));
        (broken.count(), parts.count())
    }

    /// What is at a path.
    pub(crate) fn answer(&self, path: &str) -> Answer {
        let (kind, number) = path[1..].split_once('/').unwrap_or((&path[1..], "0"));
        let number = number.parse::<usize>().unwrap_or(usize::MAX);
        match kind {
            "" => Answer::Html(self.index().into()),
            "page" if number < PAGES => Answer::Html(page(number).into()),
            "moved" if number < PAGES => Answer::Moved(format!("/page/{number}")),
            "heavy" if number < HEAVY => Answer::Html(self.heavy[number].clone()),
            "document" if number < self.documents.len() => {
                Answer::Html(self.document(number).into())
            }
            _ => Answer::Missing,
        }
    }

    fn index(&self) -> String {
        let mut html = String::from("<!doctype html><title>The site</title><ul>");
        for number in 0..PAGES {
            link(&mut html, &format!("/page/{number}"));
            if number % (PAGES / HEAVY) == 4 {
                link(&mut html, &format!("/heavy/{}", number / (PAGES / HEAVY)));
            }
        }
        for number in 0..self.documents.len() {
            link(&mut html, &format!("/document/{number}"));
        }
        html + "</ul>"
    }

    /// A document: HTML as it is, Markdown as the text that it is.
    fn document(&self, number: usize) -> String {
        let (text, ending) = &self.documents[number];
        match ending.as_str() {
            "html" => text.clone(),
            _ => format!("<!doctype html><pre>{}</pre>", escaped(text)),
        }
    }
}

/// All the words of all documents, each a link, again and again: large, and real work to parse.
fn heavy(documents: &[(String, String)], number: usize, bytes: usize) -> Bytes {
    let mut html = String::with_capacity(bytes + 1000);
    html.push_str("<!doctype html><title>Words</title><p>");
    let words = documents
        .iter()
        .flat_map(|(text, _)| text.split_whitespace());
    let mut words = words.chain(["word"]).cycle().enumerate();
    while let Some((place, word)) = words.next().filter(|_| html.len() < bytes) {
        let (target, word) = ((place + number) % PAGES, escaped(word));
        let _ = writeln!(html, "<a class=word href='/page/{target}#title'>{word}</a>");
    }
    html.into()
}

fn page(number: usize) -> String {
    let mut html = format!("<!doctype html><h1 id=title>Page {number}</h1><ul>");
    link(&mut html, &format!("../page/{}", (number + 1) % PAGES));
    link(&mut html, &format!("/moved/{}", (number * 7) % PAGES));
    link(&mut html, "mailto:nobody@example.org");
    if number.is_multiple_of(BROKEN_EVERY) {
        link(&mut html, &format!("/missing/{number}"));
    }
    if number.is_multiple_of(BROKEN_PARTS_EVERY) {
        link(&mut html, "#missing");
    }
    html + "</ul><script>'<a href=/not-a-link>'</script>"
}

fn link(html: &mut String, target: &str) {
    let _ = writeln!(html, "<li><a href=\"{target}\">{target}</a>");
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
