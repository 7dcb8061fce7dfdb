//! Rust source with its comments and the insides of its literals blanked out: what is left is code.

/// Returns the code of each line. A comment, a string's content and a character become blanks, so
/// that a word found in what is left was not merely talked about.
pub(crate) fn code_lines(text: &str) -> Vec<String> {
    let code = Blanker {
        rest: text,
        code: String::with_capacity(text.len()),
    }
    .run();
    code.lines().map(str::to_owned).collect()
}

struct Blanker<'a> {
    rest: &'a str,
    code: String,
}

impl Blanker<'_> {
    fn run(mut self) -> String {
        while let Some(first) = self.rest.chars().next() {
            if self.rest.starts_with("//") {
                let end = self.rest.find('\n').unwrap_or(self.rest.len());
                self.blank(end);
            } else if self.rest.starts_with("/*") {
                self.blank(block_comment(self.rest));
            } else if let Some(end) = raw_string(self.rest).filter(|_| !self.in_word()) {
                self.blank(end);
            } else if first == '"' {
                self.blank(quoted(self.rest, '"'));
            } else if first == '\'' && is_char(self.rest) {
                self.blank(quoted(self.rest, '\''));
            } else {
                self.code.push(first);
                self.rest = &self.rest[first.len_utf8()..];
            }
        }
        self.code
    }

    /// Whether the last character belongs to a word: the `r` of `for` starts no raw string.
    fn in_word(&self) -> bool {
        self.code
            .chars()
            .next_back()
            .is_some_and(|last| last.is_alphanumeric() || last == '_')
    }

    fn blank(&mut self, bytes: usize) {
        let (gone, rest) = self.rest.split_at(bytes);
        self.code
            .extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.rest = rest;
    }
}

/// The length of a block comment, whose like may stand inside it.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// The length of a raw string, if one starts here.
fn raw_string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "r"]
        .into_iter()
        .find(|prefix| text.starts_with(prefix))?;
    let after = &text[prefix.len()..];
    let hashes = after.len() - after.trim_start_matches('#').len();
    let content = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let start = prefix.len() + hashes + 1;
    Some(
        content
            .find(&end)
            .map_or(text.len(), |at| start + at + end.len()),
    )
}

/// The length of a literal that ends at the next quote that no backslash stands before.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Whether the quote opens a character, and not a lifetime.
fn is_char(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) => true,
        (Some(_), Some(after)) => after == '\'',
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        code_lines(text)
            .join("\n")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn comments_and_literals_are_blank() {
        assert_eq!(code("a // unsafe\nb /* x /* y */ z */ c"), "a b c");
        assert_eq!(code(r#"f("unsafe \" {", 'u', '\'', b"x")"#), "f( , , , b )");
        assert_eq!(code("g(r#\"a \" b\"#, br\"c\") for"), "g( , ) for");
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(
            code("impl<'a> A<'a> for B<'a> { x: 'b' }"),
            "impl<'a> A<'a> for B<'a> { x: }"
        );
    }

    #[test]
    fn lines_stay_where_they_were() {
        let lines = code_lines("a /* 1\n2 */ b\n\"x\ny\" c\n// äö\nd");
        assert_eq!(lines.len(), 6);
        assert!(lines[1].ends_with('b') && lines[3].ends_with('c') && lines[5] == "d");
    }
}
