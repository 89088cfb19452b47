//! What a person sees.

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Announces a step, and says how long it took when it is over.
pub(crate) struct Step(Instant);

impl Step {
    pub(crate) fn begin(what: impl fmt::Display) -> Self {
        println!("▸ {what}");
        Self(Instant::now())
    }

    pub(crate) fn done(self) {
        println!("  done in {:.1} s", self.0.elapsed().as_secs_f64());
    }
}

/// A step that failed, and the log that says why.
#[derive(Debug)]
pub(crate) struct Failed {
    what: String,
    log: PathBuf,
}

impl Failed {
    pub(crate) fn new(what: impl Into<String>, log: &Path) -> Self {
        Self { what: what.into(), log: log.to_owned() }
    }
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)
    }
}

impl std::error::Error for Failed {}

/// How much of a log is shown.
const TAIL_LINES: usize = 25;

/// Says what failed and, if there is a log, how it ends and where it is.
pub(crate) fn failure(error: &anyhow::Error) {
    eprintln!("\n✗ {error:#}");
    if let Some(Failed { log, .. }) = error.downcast_ref() {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(TAIL_LINES)..];
        eprintln!("\nThe last {} lines of {}:", tail.len(), log.display());
        for line in tail {
            eprintln!("  {line}");
        }
    }
}
