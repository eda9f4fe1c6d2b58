//! Plain text on a given number of columns: wrapping, padding, tables.
//!
//! A character counts as one column, which holds for everything the reports write themselves.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

/// Columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// `text` with spaces after it, to `columns`.
pub(super) fn left(text: &str, columns: usize) -> String {
    format!("{text}{}", " ".repeat(columns.saturating_sub(width(text))))
}

/// `text` with spaces before it, to `columns`.
pub(super) fn right(text: &str, columns: usize) -> String {
    format!("{}{text}", " ".repeat(columns.saturating_sub(width(text))))
}

/// Breaks `text` between words so that no line is longer than `columns`, if its words are not;
/// further lines are indented by `indent`.
pub(crate) fn wrap(text: &str, indent: usize, columns: usize) -> String {
    let mut lines = vec![String::new()];
    // A number keeps its per cent sign beside it.
    let words = text.replace(" %", "\u{a0}%");
    for word in words.split([' ', '\n']).filter(|word| !word.is_empty()) {
        let line = lines.last().map_or(0, |line| width(line));
        let fresh = lines.last().is_none_or(|line| line.trim().is_empty());
        if !fresh && line + 1 + width(word) > columns {
            lines.push(format!("{}{word}", " ".repeat(indent)));
        } else if let Some(current) = lines.last_mut() {
            if !fresh {
                current.push(' ');
            }
            current.push_str(word);
        }
    }
    lines.join("\n").replace('\u{a0}', " ")
}

/// A line `- text`, wrapped.
pub(super) fn item(text: &str, columns: usize) -> String {
    format!("- {}\n", wrap(text, 2, columns.saturating_sub(2)))
}

/// A table without lines; `None` where it does not fit on `columns`.
pub(crate) fn table(header: &[&str], rows: &[Vec<String>], columns: usize) -> Option<String> {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.to_vec());
    for row in rows {
        table.add_row(row);
    }
    // Cells begin with a space, which is the indentation.
    let text: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    text.lines().all(|line| width(line) <= columns).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrapping_keeps_words_and_columns() {
        let text = wrap("one two three four five", 2, 9);
        assert_eq!(text, "one two\n  three\n  four\n  five");
        assert!(text.lines().all(|line| width(line) <= 9));
        assert_eq!(wrap("", 2, 9), "");
        assert_eq!(wrap("incomprehensible", 2, 9), "incomprehensible");
        assert_eq!(wrap("it cost 7 % more", 0, 9), "it cost\n7 % more");
    }
}
