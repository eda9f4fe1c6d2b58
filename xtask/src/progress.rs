//! What a waiting person sees on standard error while a run is built and measured.
//!
//! On a terminal a bar fills with the budget; it is drawn between launches only and has no thread
//! of its own, so that nothing but the worker runs while a slice is measured. Elsewhere a line
//! appears now and then.
//!
//! Results are not shown here.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Time between two lines where standard error is no terminal.
const PAUSE: Duration = Duration::from_secs(5);

/// Columns that the words beside the bar need: seconds, launches and the name of a cell.
const WORDS: u16 = 60;
/// Columns of the widest bar.
const BAR: u16 = 24;

/// Shows how far a run is.
#[derive(Debug)]
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    budget: Duration,
    spoken: Option<Instant>,
}

impl Progress {
    /// Begins to show a run that began at `started` and may take `budget`.
    #[must_use]
    pub fn new(started: Instant, budget: Duration) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(budget.as_secs()), target);
            let columns = rustix::termios::tcgetwinsize(std::io::stderr());
            let columns = columns.map_or(WORDS + BAR, |size| size.ws_col);
            let style = ProgressStyle::with_template(&template(columns));
            style.map_or(bar.clone(), |style| bar.with_style(style))
        });
        Self { bar, started, budget, spoken: None }
    }

    /// Says `words`, at once.
    pub fn say(&self, words: &str) {
        match &self.bar {
            Some(bar) => {
                self.advance(bar);
                bar.set_message(words.to_owned());
            }
            None => eprintln!("{words}"),
        }
    }

    /// Says that `launches` were made, the last of them in `cell`.
    pub fn launched(&mut self, launches: usize, cell: &str) {
        let words = format!("{launches} launches, now {cell}");
        let Some(bar) = &self.bar else {
            if self.spoken.is_none_or(|last| last.elapsed() > PAUSE) {
                self.spoken = Some(Instant::now());
                let seconds = self.started.elapsed().as_secs();
                eprintln!("{seconds} of {} s: {words}", self.budget.as_secs());
            }
            return;
        };
        self.advance(bar);
        bar.set_message(words);
    }

    fn advance(&self, bar: &ProgressBar) {
        bar.set_position(self.started.elapsed().min(self.budget).as_secs());
    }
}

/// What a line of so many columns shows: a narrow one does without the bar, never without words.
fn template(columns: u16) -> String {
    let bar = match columns.saturating_sub(WORDS).min(BAR) {
        0..4 => String::new(),
        width => format!("{{bar:{width}}} "),
    };
    bar + "{pos}/{len} s  {wide_msg}"
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::template;

    #[test]
    fn a_narrow_terminal_loses_the_bar_before_the_words() {
        let words = "{pos}/{len} s  {wide_msg}";
        assert_eq!(template(40), words);
        assert_eq!(template(70), format!("{{bar:10}} {words}"));
        assert_eq!(template(200), format!("{{bar:24}} {words}"));
    }
}
