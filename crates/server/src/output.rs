//! What goes to stdout and stderr.

use std::error::Error;
use std::io::{self, Write as _};

use crate::Failure;

/// A text and a line end, at once.
pub(crate) fn say(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(())
}

/// Why a command failed, with what lies behind it.
pub(crate) fn error(error: &(dyn Error + 'static)) {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(behind) = source {
        let more = behind.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        source = behind.source();
    }
    // Where stderr is gone, there is nobody to tell.
    let _ = writeln!(io::stderr(), "error: {text}");
}

/// Whether the reader of stdout has gone, as `| head` does: no failure of ours.
pub(crate) fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
