//! The hash that tells whether a design was changed after its first sample.
//!
//! It covers what is compared, where, by which metrics and how it is decided, and what was
//! predicted. It leaves out what only says how long to measure (so that a run can be continued for
//! longer), the seed, and the folder that the project lies in (which is in no file of a run).

use std::fmt::Write;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::Plan;

/// Hex SHA-256 over the canonical JSON of the design and the predictions.
pub(super) fn design(plan: &Plan) -> String {
    let rules = &plan.rules;
    let mut design = json!({
        "experiment": plan.experiment,
        "question": plan.question,
        "subject": plan.subject,
        "variants": plan.variants,
        "cells": plan.cells,
        "metrics": plan.metrics,
        "contrasts": plan.contrasts,
        "predictions": plan.predictions,
        "rules": {
            "alpha": rules.alpha,
            "margin": rules.margin,
            "trim": rules.trim,
            "warm_in": rules.warm_in,
        },
    });
    // Named only where there is something to say, so that older designs keep their hashes.
    if !plan.design.is_plain() {
        design["design"] = json!(plan.design);
    }
    if !plan.blocks.is_empty() {
        design["blocks"] = json!(plan.blocks);
    }
    let mut text = String::new();
    canonical(&design, &mut text);
    let mut hex = String::with_capacity(64);
    for byte in Sha256::digest(text) {
        // Writing to a String can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// JSON without blanks and with sorted keys, so that the order of fields in our types is free.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            out.push('{');
            for (number, key) in keys.into_iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                canonical(&Value::from(key.as_str()), out);
                out.push(':');
                canonical(&fields[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (number, item) in items.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_is_sorted_and_dense() {
        let mut text = String::new();
        let value: Value =
            serde_json::from_str("{\"b\": [1, {\"z\": null, \"a\": 1.5}], \"a\": \"q\\\"\"}")
                .unwrap();
        canonical(&value, &mut text);
        assert_eq!(text, r#"{"a":"q\"","b":[1,{"a":1.5,"z":null}]}"#);
    }
}
