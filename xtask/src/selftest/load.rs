//! A load beside the measurement: the subject burning time in bursts, on the last core that the
//! engine may use. Launches that are drawn to that core compete with it.

use std::process::{Child, Stdio};

use miette::{Result, WrapErr, miette};

use crate::build::Built;
use crate::input::IntoDiagnostic;
use crate::launcher;
use crate::run::{Setup, allowed_cores};

/// Runs until it is dropped.
pub(super) struct Load(Child);

impl Load {
    /// Starts it. It also ends with the engine.
    pub(super) fn start(built: &Built, setup: &Setup) -> Result<Self> {
        let artifact = built.variants.iter().flatten().next();
        let artifact = artifact.ok_or_else(|| miette!("the subject was not built"))?;
        let last = allowed_cores()?.pop().ok_or_else(|| miette!("there is no core"))?;
        let child = launcher::command(&setup.launcher, Some(last), &artifact.as_built().program)
            .arg("--burn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        child.into_diagnostic().wrap_err("cannot start the load").map(Self)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It may have ended already; then there is nothing to end.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
