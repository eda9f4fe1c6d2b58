//! Plans of small designs, and of the experiments of this house.

use std::collections::BTreeSet;

use camino::Utf8Path;

use super::*;
use crate::spec::{self, Mode};

const HOUSE: &str = r#"
[subject]
package = "bench"
bin = "worker"
feature = "lib/{factor}-{level}"
[factor.fetch]
question = "How?"
levels = ["eager", "lazy"]
[factor.cache]
question = "How much?"
levels = ["16", "2"]
[factor.colour]
question = "Which?"
levels = ["red", "blue"]
[instrument.trace]
question = "What happens?"
feature = "lib/trace"
[workload.churn]
[workload.steady]
"#;

const EXPERIMENT: &str = r#"
question = "Lazy or eager?"
why = "Because."
status = "open"
primary = ["cpu_ns"]
metrics = ["rss_bytes"]
[vary]
fetch = ["eager", "lazy"]
cache = ["2", "16"]
[baseline]
fetch = "lazy"
[[workload]]
name = "churn"
[[workload]]
name = "steady"
[[predict]]
id = "smaller"
source = "ours"
workload = "churn"
variant = "fetch-eager+cache-16"
metric = "rss_bytes"
sign = "less"
"#;

fn spec_of(experiment: &str) -> Spec {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    std::fs::write(root.join("ab.toml"), HOUSE).unwrap();
    std::fs::create_dir(root.join("experiments")).unwrap();
    std::fs::write(root.join("experiments/x.toml"), experiment).unwrap();
    spec::load(root, "x", Mode::Full).unwrap()
}

#[test]
fn the_levels_are_multiplied_out_with_the_baseline_first_and_the_placebo_last() {
    let plan = plan(&spec_of(EXPERIMENT), 1);
    let names: Vec<_> = plan.variants.iter().map(|variant| variant.name.as_str()).collect();
    let expected = [
        "fetch-lazy+cache-2",
        "fetch-lazy+cache-16",
        "fetch-eager+cache-2",
        "fetch-eager+cache-16",
        "placebo",
    ];
    assert_eq!(names, expected);
    let (baseline, placebo) = (&plan.variants[0], &plan.variants[4]);
    assert_eq!((baseline.role, placebo.role), (Role::Baseline, Role::Placebo));
    assert_eq!(baseline.features, placebo.features);
    assert_eq!(baseline.features, ["lib/cache-2", "lib/colour-red", "lib/fetch-lazy"]);
    let levels: Vec<_> = baseline.levels.iter().map(|(f, l)| format!("{f}={l}")).collect();
    assert_eq!(levels, ["cache=2", "colour=red", "fetch=lazy", "trace=off"]);
}

#[test]
fn an_instrument_is_a_level_and_a_feature_of_every_variant() {
    let experiment = EXPERIMENT.replace("[vary]", "instruments = [\"trace\"]\n[vary]");
    let plan = plan(&spec_of(&experiment), 1);
    for variant in &plan.variants {
        assert_eq!(variant.levels["trace"], "on");
        assert!(variant.features.contains(&"lib/trace".to_owned()));
    }
}

#[test]
fn every_variant_is_asked_about_in_every_cell_and_metric() {
    let plan = plan(&spec_of(EXPERIMENT), 1);
    // Four pairs, two main effects, an interaction.
    assert_eq!(plan.contrasts.len(), 2 * 2 * 7);
    let keys: BTreeSet<_> =
        plan.contrasts.iter().map(|c| (&c.workload, &c.metric, &c.variant)).collect();
    assert_eq!(keys.len(), plan.contrasts.len());
    for contrast in &plan.contrasts {
        assert_eq!(contrast.weights.iter().map(|(_, weight)| weight).sum::<f64>(), 0.0);
        assert_eq!(contrast.placebo, contrast.variant == PLACEBO);
        let predicted = contrast.metric == "rss_bytes"
            && contrast.workload == "churn"
            && (contrast.placebo || contrast.variant == "fetch-eager+cache-16");
        assert_eq!(contrast.primary, contrast.metric == "cpu_ns" || predicted, "{contrast:?}");
    }
}

#[test]
fn the_hash_covers_the_design_and_nothing_that_says_how_long_or_where() {
    let hash = |experiment: &str, seed| plan(&spec_of(experiment), seed).hash;
    let design = hash(EXPERIMENT, 1);
    assert_eq!(design.len(), 64);
    // Every call lies in another folder, with another seed.
    assert_eq!(design, hash(EXPERIMENT, 2));
    let longer = format!("{EXPERIMENT}[rules]\nbudget = \"9m\"\nlaunches-max = 99\nrounds = 3\n");
    assert_eq!(design, hash(&longer, 1));
    let changes = [
        EXPERIMENT.replace("sign = \"less\"", "sign = \"more\""),
        EXPERIMENT.replace("fetch = \"lazy\"", "fetch = \"eager\""),
        EXPERIMENT.replace("name = \"steady\"", "name = \"steady\"\nthreads = 2"),
        EXPERIMENT.replace("metrics = [\"rss_bytes\"]", "metrics = [\"peak_rss_bytes\"]"),
        format!("{EXPERIMENT}[rules]\nalpha = 0.01\n"),
        format!("{EXPERIMENT}[hold]\ncolour = \"blue\"\n"),
    ];
    for changed in changes {
        assert_ne!(design, hash(&changed, 1), "{changed}");
    }
}

#[test]
fn a_seed_survives_json() {
    let plan = plan(&spec_of(EXPERIMENT), u64::MAX);
    assert_eq!(plan.seed, (1 << 53) - 1);
}

#[test]
fn a_plan_is_read_back_from_a_file_without_the_folder_it_was_made_in() {
    let mut plan = plan(&spec_of(EXPERIMENT), 1);
    let text = serde_json::to_string(&plan).unwrap();
    let Subject::Cargo { root, .. } = &mut plan.subject else { panic!("not cargo") };
    assert!(!root.as_str().is_empty() && !text.contains(root.as_str()), "{text}");
    root.clear();
    assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
}

#[test]
fn the_description_names_everything_that_would_be_done() {
    let plan = plan(&spec_of(EXPERIMENT), 1);
    let text = describe(&plan);
    for variant in &plan.variants {
        assert!(text.contains(&variant.name), "{text}");
    }
    let words = ["churn", "steady", "cpu_ns", "rss_bytes", "smaller", "lib/colour-red", "minutes"];
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert!(text.contains("variants (5), 4 to build"), "{text}");
    assert!(
        text.contains("contrasts (28): 13 declared, 11 exploratory, 4 of the placebo"),
        "{text}"
    );
    assert!(text.contains("\n  interaction of fetch × cache\n"), "{text}");
}

#[test]
fn the_experiments_of_this_house_can_be_planned() {
    let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for mode in [Mode::Full, Mode::Quick] {
        for (name, spec) in spec::list(root).unwrap() {
            let spec = spec::load(root, &spec.unwrap().name, mode).unwrap();
            let plan = plan(&spec, 7);
            assert_eq!(plan.experiment, name);
            assert!(!plan.predictions.is_empty(), "{name} claims nothing");
        }
    }
    let plan = plan(&spec::load(root, "mincore-strategy", Mode::Full).unwrap(), 7);
    assert_eq!(plan.variants[0].name, "mincore-on");
    assert_eq!(plan.variants.len(), 6);
    let held =
        ["pool-tls", "ace", "page-cache"].map(|factor| plan.variants[0].levels[factor].as_str());
    assert_eq!(held, ["off", "header", "2"]);
}
