//! A printed line without what differs from run to run, or from language to language.
//!
//! - `<...>`, which is how an object is shown, becomes `<>`: what stands inside is the program's.
//! - A number with a point is a duration: `{t=N}`, in seconds of the program, rounded.
//! - A number beyond 1e8, or a date, is a moment: `{+N}` seconds after the first one printed.
//! - A process id becomes `PID`; `'x'` is `"x"`; `True` is `true`.

/// A number larger than this counts seconds since 1970.
const MOMENT: f64 = 1e8;

/// What stands before a process id.
const PROCESS: &str = "进程ID为:";

/// Makes a run's lines plain, in the order in which they were printed.
#[derive(Debug)]
pub(crate) struct Plainer {
    scale: f64,
    first_moment: Option<f64>,
}

impl Plainer {
    /// Starts a run in which the program's second is `scale` seconds long.
    pub(crate) fn new(scale: f64) -> Self {
        Self {
            scale,
            first_moment: None,
        }
    }

    /// Returns the line without what differs.
    pub(crate) fn line(&mut self, line: &str) -> String {
        let text = truth(&without_objects(line).replace('\'', "\""));
        let text = process_id(&self.times(&text));
        text.trim_end().to_owned()
    }

    /// Replaces the numbers and dates.
    fn times(&mut self, text: &str) -> String {
        let mut plain = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let rest = &text[at..];
            if let Some((seconds, length)) = date(rest) {
                plain.push_str(&self.moment(seconds));
                at += length;
            } else if !ends_in_word(&text[..at])
                && let Some((value, length)) = decimal(rest)
            {
                let shown = if value > MOMENT {
                    self.moment(value)
                } else {
                    self.duration(value)
                };
                plain.push_str(&shown);
                at += length;
            } else {
                plain.push(c);
                at += c.len_utf8();
            }
        }
        plain
    }

    fn moment(&mut self, seconds: f64) -> String {
        let first = *self.first_moment.get_or_insert(seconds);
        format!(
            "{{+{}}}",
            ((seconds - first) / self.scale).round_ties_even() as i64
        )
    }

    fn duration(&self, seconds: f64) -> String {
        format!("{{t={}}}", (seconds / self.scale).round_ties_even() as i64)
    }
}

/// Empties the angle brackets, the inner ones first.
fn without_objects(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut open = Vec::new();
    for c in line.chars() {
        match c {
            '<' => open.push(plain.len() + 1),
            '>' => {
                if let Some(inside) = open.pop() {
                    plain.truncate(inside);
                }
            }
            _ => {}
        }
        plain.push(c);
    }
    plain
}

/// Writes truth values the way Rust does.
fn truth(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain(['\n']) {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        match word.as_str() {
            "True" => plain.push_str("true"),
            "False" => plain.push_str("false"),
            other => plain.push_str(other),
        }
        word.clear();
        plain.push(c);
    }
    plain.pop();
    plain
}

fn process_id(text: &str) -> String {
    let Some((before, after)) = text.split_once(PROCESS) else {
        return text.to_owned();
    };
    let digits = after.trim_start_matches(' ');
    let blanks = &after[..after.len() - digits.len()];
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    if rest.len() == digits.len() {
        return text.to_owned();
    }
    format!("{before}{PROCESS}{blanks}PID{}", process_id(rest))
}

/// Whether a character joins a number to a word or to a longer number.
fn joins(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '.'
}

fn ends_in_word(text: &str) -> bool {
    text.chars().next_back().is_some_and(joins)
}

/// Reads a number with a point that stands alone: its value and its length.
fn decimal(text: &str) -> Option<(f64, usize)> {
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    let whole = usize::from(text.starts_with('-'));
    let point = whole + Some(digits(whole)).filter(|count| *count > 0)?;
    text[point..].strip_prefix('.')?;
    let mut end = point + 1 + Some(digits(point + 1)).filter(|count| *count > 0)?;
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['-', '+']));
        let power = digits(end + 1 + sign);
        end += if power > 0 { 1 + sign + power } else { 0 };
    }
    let alone = !text[end..].starts_with(joins);
    alone
        .then(|| text[..end].parse().ok())
        .flatten()
        .map(|value| (value, end))
}

/// Reads `YYYY-MM-DD hh:mm:ss`, with a fraction or without: its seconds and its length.
fn date(text: &str) -> Option<(f64, usize)> {
    const FORM: &str = "dddd-dd-dd dd:dd:dd";
    let stamp = text.get(..FORM.len())?;
    let fits = |(c, form): (u8, u8)| {
        if form == b'd' {
            c.is_ascii_digit()
        } else {
            c == form
        }
    };
    if !stamp.bytes().zip(FORM.bytes()).all(fits) {
        return None;
    }
    let number = |from: usize, to: usize| stamp[from..to].parse::<i64>().ok();
    let days = days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hours, minutes) = (days * 24 + number(11, 13)?, number(14, 16)?);
    let seconds = ((hours * 60 + minutes) * 60 + number(17, 19)?) as f64;
    let fraction: String = text[FORM.len()..]
        .strip_prefix('.')
        .map(|rest| rest.chars().take_while(char::is_ascii_digit).collect())
        .unwrap_or_default();
    match format!("0.{fraction}").parse::<f64>() {
        Ok(part) if !fraction.is_empty() => Some((seconds + part, FORM.len() + 1 + fraction.len())),
        _ => Some((seconds, FORM.len())),
    }
}

/// The days of a date since some day long ago: years begin in March, so that a leap day is their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day
}

#[test]
fn objects_are_emptied() {
    let plain = |line: &str| Plainer::new(1.0).line(line);
    assert_eq!(plain("[<Task a>, <Task b>]"), "[<>, <>]");
    assert_eq!(plain("<Task coro=<f() at 1.5> cb=[<g>]> x"), "<> x");
    assert_eq!(plain("a > b"), "a > b");
    assert_eq!(plain("a < b"), "a < b");
}

#[test]
fn quotes_and_truth_are_rusts() {
    let plain = |line: &str| Plainer::new(1.0).line(line);
    assert_eq!(plain("['a', True] False "), "[\"a\", true] false");
    assert_eq!(plain("Truely isTrue"), "Truely isTrue");
}

#[test]
fn durations_are_in_seconds_of_the_program() {
    let plain = |line: &str| Plainer::new(0.1).line(line);
    assert_eq!(plain("0.6012"), "{t=6}");
    assert_eq!(plain("一共用了0.41时间"), "一共用了{t=4}时间");
    assert_eq!(plain("-1.0e-5 x"), "{t=0} x");
    assert_eq!(plain("3.7.1 v1.5 12 1.5x 1."), "3.7.1 v1.5 12 1.5x 1.");
}

#[test]
fn moments_count_from_the_first() {
    let mut plainer = Plainer::new(0.1);
    assert_eq!(plainer.line("1700000000.25 start"), "{+0} start");
    assert_eq!(plainer.line("1700000000.55: end"), "{+3}: end");
    let mut plainer = Plainer::new(0.5);
    assert_eq!(plainer.line("2024-02-28 23:59:59.5: a"), "{+0}: a");
    assert_eq!(plainer.line("2024-02-29 00:00:00: b"), "{+1}: b");
    assert_eq!(plainer.line("2024-03-01 00:00:00: c"), "{+172801}: c");
}

#[test]
fn process_ids_are_all_alike() {
    let plain = |line: &str| Plainer::new(1.0).line(line);
    assert_eq!(plain("<T> 进程ID为: 4711"), "<> 进程ID为: PID");
    assert_eq!(plain("进程ID为: none"), "进程ID为: none");
}
