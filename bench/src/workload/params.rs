//! A workload's parameters: declared once, checked at the door, listed by `--list`.
//!
//! Every value has a kind with its range or its choices, so that a typo or a number that makes no
//! sense is answered by a sentence and never by a strange measurement.

use std::collections::BTreeMap;

use serde_json::Value;

/// A parameter of a workload.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Name in requests, and as `--name` in arguments.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// One line for people.
    pub help: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A whole number from `min` to `max`; without a default the workload has its own rule.
    Number {
        /// Used when it is not given.
        default: Option<u32>,
        /// Least.
        min: u32,
        /// Greatest.
        max: u32,
    },
    /// One of some words, the first being the default.
    Word(&'static [&'static str]),
}

/// Checked parameters, and the number of threads that will run the workload.
#[derive(Debug)]
pub struct Params {
    threads: u32,
    numbers: BTreeMap<&'static str, u32>,
    words: BTreeMap<&'static str, &'static str>,
}

impl Params {
    /// Checks `given` against the declaration and fills in defaults.
    ///
    /// # Errors
    /// One line: the parameter, what it was, what it may be.
    pub fn read(
        workload: &str,
        known: &[Param],
        given: &BTreeMap<String, Value>,
        threads: u32,
    ) -> Result<Self, String> {
        if let Some(name) = given.keys().find(|name| known.iter().all(|param| param.name != *name))
        {
            let names = known.iter().map(|param| param.name).collect::<Vec<_>>().join(", ");
            return Err(format!("{workload} has no parameter `{name}`; it has {names}"));
        }
        let mut params = Self { threads, numbers: BTreeMap::new(), words: BTreeMap::new() };
        for param in known {
            let value = given.get(param.name);
            match param.kind {
                Kind::Number { default, min, max } => {
                    let number = value.map(|value| number(param.name, value, min, max));
                    if let Some(number) = number.transpose()?.or(default) {
                        params.numbers.insert(param.name, number);
                    }
                }
                Kind::Word(choices) => {
                    let word = value.map(|value| word(param.name, value, choices)).transpose()?;
                    if let Some(word) = word.or(choices.first().copied()) {
                        params.words.insert(param.name, word);
                    }
                }
            }
        }
        Ok(params)
    }

    /// Threads that will run the workload, at least one.
    #[must_use]
    pub fn threads(&self) -> u32 {
        self.threads.max(1)
    }

    /// The number called `name`, if it was given or has a default.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u32> {
        self.numbers.get(name).copied()
    }

    /// The number called `name`.
    ///
    /// # Errors
    /// When it was not given and has no default.
    pub fn required(&self, name: &str) -> Result<u32, String> {
        self.number(name).ok_or_else(|| format!("`{name}` is missing"))
    }

    /// The word called `name`; empty when nothing of that name is declared.
    #[must_use]
    pub fn word(&self, name: &str) -> &'static str {
        self.words.get(name).copied().unwrap_or_default()
    }
}

fn number(name: &str, value: &Value, min: u32, max: u32) -> Result<u32, String> {
    value
        .as_u64()
        .and_then(|number| u32::try_from(number).ok())
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("`{name}` is {value}; write a whole number from {min} to {max}"))
}

fn word(
    name: &str,
    value: &Value,
    choices: &'static [&'static str],
) -> Result<&'static str, String> {
    choices
        .iter()
        .copied()
        .find(|choice| value.as_str() == Some(*choice))
        .ok_or_else(|| format!("`{name}` is {value}; write one of {}", choices.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const KNOWN: &[Param] = &[
        Param {
            name: "size",
            kind: Kind::Number { default: Some(7), min: 1, max: 9 },
            help: "a number",
        },
        Param { name: "way", kind: Kind::Word(&["up", "down"]), help: "a word" },
    ];

    fn read(given: &[(&str, Value)]) -> Result<Params, String> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Params::read("test", KNOWN, &given, 1)
    }

    #[test]
    fn defaults_are_filled_in_and_given_values_taken() {
        let defaults = read(&[]).unwrap();
        assert_eq!((defaults.number("size"), defaults.word("way")), (Some(7), "up"));
        let given = read(&[("size", json!(9)), ("way", json!("down"))]).unwrap();
        assert_eq!((given.required("size"), given.word("way")), (Ok(9), "down"));
        assert!(given.required("other").is_err());
    }

    #[test]
    fn what_makes_no_sense_is_answered_by_what_would() {
        for (name, value, answer) in [
            ("sise", json!(1), "it has size, way"),
            ("size", json!(0), "from 1 to 9"),
            ("size", json!(10), "from 1 to 9"),
            ("size", json!(-1), "from 1 to 9"),
            ("size", json!(1.5), "from 1 to 9"),
            ("size", json!("7"), "from 1 to 9"),
            ("way", json!("left"), "one of up, down"),
            ("way", json!(1), "one of up, down"),
        ] {
            let error = read(&[(name, value.clone())]).unwrap_err();
            assert!(error.contains(answer) && error.contains(name), "{value}: {error}");
        }
    }
}
