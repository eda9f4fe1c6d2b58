//! The golden file: what the hit paths were when somebody last agreed to them.
//!
//! It holds for the compiler that it names. With that compiler a count that is larger than written
//! down is a regression, one that is smaller is told and passes. Another compiler lays code out
//! otherwise, and a stranger has not made it do so: then differences are told and none is judged.
//! A path that nobody has agreed to is a fault under any compiler.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::counts::Counts;

/// Where it is, from the workspace's root.
pub const FILE: &str = "tests/golden/shape.toml";

/// What is written down.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// What `rustc -V` said.
    pub rustc: String,
    /// By set of features, and then by call.
    pub set: BTreeMap<String, BTreeMap<String, Counts>>,
}

/// One path of one set of features, as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The set's name.
    pub set: String,
    /// The call.
    pub call: String,
    /// What it is made of.
    pub counts: Counts,
}

/// How a path is to what was written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing is written down.
    New,
    /// No count has changed.
    Same,
    /// Some counts are smaller, none is larger.
    Less,
    /// Some count is larger.
    More,
}

impl Golden {
    /// What was written down for a path.
    #[must_use]
    pub fn of(&self, seen: &Seen) -> Option<&Counts> {
        self.set.get(&seen.set)?.get(&seen.call)
    }

    /// How a path has changed.
    #[must_use]
    pub fn change(&self, seen: &Seen) -> Change {
        let Some(was) = self.of(seen) else { return Change::New };
        let pairs = || was.all().into_iter().zip(seen.counts.all());
        if *was == seen.counts {
            Change::Same
        } else if pairs().any(|(was, now)| now > was) {
            Change::More
        } else {
            Change::Less
        }
    }

    /// Whether a change is a failure under the compiler `rustc`.
    #[must_use]
    pub fn fails(&self, change: Change, rustc: &str) -> bool {
        match change {
            Change::New => true,
            Change::Same | Change::Less => false,
            Change::More => rustc == self.rustc,
        }
    }
}

/// The file's text for what was seen, in its order.
#[must_use]
pub fn text(rustc: &str, seen: &[Seen]) -> String {
    let mut text = format!(
        "# What a hit is made of in libhakmem.so, by set of features. Written by\n\
         # `cargo xtask shape --bless`, compared by `cargo xtask shape`: with this compiler no count \
         may grow.\n\n\
         rustc = \"{rustc}\"\n"
    );
    let mut set = "";
    for one in seen {
        if one.set != set {
            set = &one.set;
            text += &format!("\n[set.{set}]\n");
        }
        let counts = Counts::NAMES.iter().zip(one.counts.all());
        let counts: Vec<String> = counts.map(|(name, count)| format!("{name} = {count}")).collect();
        text += &format!("{:26} = {{ {} }}\n", format!("\"{}\"", one.call), counts.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(set: &str, call: &str, instructions: u32, loads: u32) -> Seen {
        let counts = Counts { instructions, loads, ..Counts::default() };
        Seen { set: set.into(), call: call.into(), counts }
    }

    #[test]
    fn what_is_written_is_read() {
        let all = [seen("b", "malloc 64 B", 18, 5), seen("b", "free 64 B", 17, 4)];
        let all = [all.as_slice(), &[seen("a-1", "malloc 64 B", 20, 5)]].concat();
        let golden: Golden = toml::from_str(&text("rustc 1.95.0", &all)).unwrap();
        assert_eq!((golden.rustc.as_str(), golden.set.len()), ("rustc 1.95.0", 2));
        assert!(all.iter().all(|one| golden.change(one) == Change::Same));
        assert!(text("x", &all).lines().all(|line| line.len() <= 110));
    }

    #[test]
    fn only_growth_under_the_same_compiler_and_strangers_fail() {
        let all = [seen("a", "malloc 64 B", 18, 5)];
        let golden: Golden = toml::from_str(&text("rustc 1", &all)).unwrap();
        let cases = [
            (seen("a", "malloc 64 B", 18, 5), Change::Same, [false, false]),
            (seen("a", "malloc 64 B", 17, 5), Change::Less, [false, false]),
            (seen("a", "malloc 64 B", 19, 5), Change::More, [true, false]),
            (seen("a", "malloc 64 B", 10, 6), Change::More, [true, false]),
            (seen("a", "free 64 B", 1, 1), Change::New, [true, true]),
            (seen("b", "malloc 64 B", 1, 1), Change::New, [true, true]),
        ];
        for (now, change, fails) in cases {
            assert_eq!(golden.change(&now), change, "{now:?}");
            let judged = ["rustc 1", "rustc 2"].map(|rustc| golden.fails(change, rustc));
            assert_eq!(judged, fails, "{now:?}");
        }
    }
}
