//! Columns for people.

use std::fmt;

/// Makes a text that came from elsewhere fit in a line, and harmless for a terminal.
pub(super) fn line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Rows of text under a heading, each column as wide as its widest cell.
pub(super) struct Table<const N: usize> {
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    /// Makes a table without rows.
    pub(super) fn new(heading: [&str; N]) -> Self {
        Self {
            rows: vec![heading.map(str::to_owned)],
        }
    }

    /// Adds a row.
    pub(super) fn push(&mut self, row: [String; N]) {
        self.rows.push(row.map(|cell| line(&cell)));
    }

    /// Whether there is no row.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.len() == 1
    }
}

impl<const N: usize> fmt::Display for Table<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = [0; N];
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in &self.rows {
            let cells = row.iter().zip(widths);
            let padded: Vec<_> = cells
                .map(|(cell, width)| format!("{cell:width$}"))
                .collect();
            writeln!(f, "{}", padded.join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(["ROOT", "ERROR"]);
        assert!(table.is_empty());
        table.push(["heron/1".to_owned(), "INTERNAL: two\nlines\0".to_owned()]);
        table.push(["ü".to_owned(), "x".to_owned()]);
        let expected = "ROOT     ERROR\nheron/1  INTERNAL: two lines\nü        x\n";
        assert_eq!(table.to_string(), expected);
    }
}
