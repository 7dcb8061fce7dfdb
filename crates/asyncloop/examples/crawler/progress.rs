//! How far the crawl is: a bar on standard error, where that is a terminal.

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::report::Report;

pub(crate) struct Progress(ProgressBar);

impl Progress {
    pub(crate) fn new() -> Progress {
        let bar = ProgressBar::new(1);
        let style = ProgressStyle::with_template("[{bar:30}] {pos}/{len} {msg}");
        let style = style.expect("the template is valid");
        bar.set_style(style.progress_chars("=> "));
        Progress(bar)
    }

    /// Shows how many addresses of those known have been asked for. Both grow.
    pub(crate) fn show(&self, ended: usize, known: usize, running: usize, report: &Report) {
        self.0.set_length(known as u64);
        self.0.set_position(ended as u64);
        self.0.set_message(format!(
            "links, {running} at work, {}, {} timeouts",
            HumanBytes(report.bytes as u64),
            report.late.len()
        ));
    }

    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}
