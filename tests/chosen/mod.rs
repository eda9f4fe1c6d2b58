//! Which levels this build has, for what a test expects of each.

/// The level of `factor`, a name of the README's table.
pub(crate) fn level(factor: &str) -> &'static str {
    hakmem::describe().find(|(name, _)| *name == factor).expect("a factor").1
}
