//! The Python tools: the emulator, SAM with cargo-lambda and cfn-lint, and schemathesis.

use crate::process::{install_once, run_quietly};
use crate::report::Step;
use anyhow::Context;
use recado_testkit::template::repository;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// A virtual environment with pinned tools. They do not fit into one: two pin
/// different versions of botocore, and not everybody needs the third.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Tools {
    /// MiniStack.
    Emulator,
    /// SAM CLI, cargo-lambda, cfn-lint.
    Sam,
    /// schemathesis.
    Schemathesis,
}

impl Tools {
    const fn name(self) -> &'static str {
        match self {
            Self::Emulator => "emulator",
            Self::Sam => "sam",
            Self::Schemathesis => "schemathesis",
        }
    }

    fn folder(self) -> PathBuf {
        repository().join(".local/venv").join(self.name())
    }

    /// One of its programs.
    pub(crate) fn program(self, name: &str) -> PathBuf {
        self.folder().join("bin").join(name)
    }

    /// A `PATH` on which its programs come first.
    #[allow(clippy::disallowed_methods, reason = "a tool that starts other tools hands its search path on")]
    pub(crate) fn path(self) -> anyhow::Result<OsString> {
        let rest = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder().join("bin")).chain(std::env::split_paths(&rest));
        Ok(std::env::join_paths(folders)?)
    }

    /// Installs it, unless exactly this is installed already.
    pub(crate) fn install(self) -> anyhow::Result<()> {
        let name = self.name();
        let requirements = repository().join(format!("infra/requirements/{name}.txt"));
        let wanted = fs::read_to_string(&requirements).with_context(|| format!("{}", requirements.display()))?;
        let folder = self.folder();
        install_once(&folder, &wanted, || {
            let step = Step::begin(format!("installing the Python tools for the {name} environment (once)"));
            let python = find_python()?;
            let log = repository().join(format!(".local/venv/{name}.log"));
            let mut venv = Command::new(python);
            venv.args(["-m", "venv", "--clear"]).arg(&folder);
            run_quietly("making a Python environment (on Debian it needs the package python3-venv)", &mut venv, &log)?;
            let mut pip = Command::new(self.program("python"));
            pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
            run_quietly("installing Python packages", &mut pip, &log)?;
            step.done();
            Ok(())
        })
    }
}

/// The oldest Python that the tools run on.
const OLDEST: (u32, u32) = (3, 10);

fn find_python() -> anyhow::Result<&'static str> {
    for program in ["python3", "python3.11", "python3.12", "python3.13", "python"] {
        let version = Command::new(program).args(["-c", "import sys; print(*sys.version_info[:2])"]).output();
        let Ok(version) = version else { continue };
        let text = String::from_utf8_lossy(&version.stdout);
        let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
        if let (Some(major), Some(minor)) = (numbers.next(), numbers.next())
            && (major, minor) >= OLDEST
        {
            return Ok(program);
        }
    }
    anyhow::bail!("no Python {}.{} or newer was found; install Python 3.11 and try again", OLDEST.0, OLDEST.1)
}
