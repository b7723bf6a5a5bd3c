//! Lines of many children on one terminal: each with the name of its child, in a colour of its own.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// Colours that read well on light and dark backgrounds.
const COLOURS: [u8; 6] = [36, 33, 32, 35, 34, 31];

/// The longest line that is shown whole, in bytes.
const LINE_BYTES: usize = 8_192;

/// Where lines go.
#[derive(Clone)]
pub(super) struct Console {
    out: Arc<Mutex<Box<dyn Write + Send>>>,
    is_coloured: bool,
    width: usize,
}

impl Console {
    /// Writes to standard output, in colours if that is a terminal; names are padded to `width`.
    pub(super) fn stdout(width: usize) -> Self {
        Self {
            out: Arc::new(Mutex::new(Box::new(io::stdout()))),
            is_coloured: io::stdout().is_terminal(),
            width,
        }
    }

    /// Shows one line of a child.
    pub(super) fn line(&self, name: &str, text: &str) {
        let width = self.width;
        let line = if self.is_coloured {
            let colour = COLOURS[name.bytes().map(usize::from).sum::<usize>() % COLOURS.len()];
            format!("\x1b[{colour}m{name:width$}\x1b[0m | {text}\n")
        } else {
            format!("{name:width$} | {text}\n")
        };
        let mut out = self
            .out
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        // A closed terminal must not stop what runs.
        let _ = out.write_all(line.as_bytes()).and_then(|()| out.flush());
    }

    /// Shows what a child writes, line by line, until it closes its end.
    pub(super) async fn follow(&self, name: &str, from: impl AsyncRead + Unpin) {
        let mut reader = BufReader::with_capacity(LINE_BYTES, from);
        let mut line = Vec::new();
        loop {
            line.clear();
            match read_line(&mut reader, &mut line).await {
                Ok(true) => self.line(name, String::from_utf8_lossy(&line).trim_end()),
                // The child is gone; how it ended is reported elsewhere.
                Ok(false) | Err(_) => return,
            }
        }
    }
}

/// Reads up to the end of a line or [`LINE_BYTES`], so that a child without line ends cannot fill the memory.
async fn read_line(
    reader: &mut BufReader<impl AsyncRead + Unpin>,
    line: &mut Vec<u8>,
) -> io::Result<bool> {
    loop {
        let piece = reader.fill_buf().await?;
        if piece.is_empty() {
            return Ok(!line.is_empty());
        }
        let end = piece.iter().position(|byte| *byte == b'\n');
        let taken = end
            .map_or(piece.len(), |at| at + 1)
            .min(LINE_BYTES - line.len());
        line.extend_from_slice(&piece[..taken]);
        let is_whole = line.ends_with(b"\n") || line.len() >= LINE_BYTES;
        reader.consume(taken);
        if is_whole {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Seen(Arc<Mutex<Vec<u8>>>);

    impl Write for Seen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn each_line_carries_the_name_and_long_ones_are_cut() {
        let seen = Seen::default();
        let console = Console {
            out: Arc::new(Mutex::new(Box::new(seen.clone()))),
            is_coloured: false,
            width: 6,
        };
        let text = format!("one\ntwo\u{fffd}\n{}\nlast", "x".repeat(LINE_BYTES + 5));
        console.follow("cart", text.as_bytes()).await;
        let shown = String::from_utf8(seen.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], "cart   | one");
        assert!(lines[1].starts_with("cart   | two"));
        assert_eq!(
            (lines[2].len(), lines[3]),
            (LINE_BYTES + 9, "cart   | xxxxx")
        );
        assert_eq!(lines[4], "cart   | last");
    }
}
