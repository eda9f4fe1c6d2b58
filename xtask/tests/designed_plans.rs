//! Plans of designs other than everything: what is run, what is asked, what is refused.

use camino::Utf8Path;

use xtask::plan::{Plan, describe, plan};
use xtask::spec::{self, Mode};

/// Five factors of two levels and one of three.
const HOUSE: &str = r#"
[subject]
command = ["sh"]
[factor.a]
question = "?"
levels = ["0", "1"]
[factor.b]
question = "?"
levels = ["0", "1"]
[factor.c]
question = "?"
levels = ["0", "1"]
[factor.d]
question = "?"
levels = ["0", "1"]
[factor.e]
question = "?"
levels = ["0", "1"]
[factor.wide]
question = "?"
levels = ["x", "y", "z"]
[workload.churn]
"#;

const HEAD: &str =
    "question = \"?\"\nwhy = \"Because.\"\nstatus = \"open\"\nprimary = [\"cpu_ns\"]\n";
const FOUR: &str =
    "[vary]\na = [\"0\", \"1\"]\nb = [\"0\", \"1\"]\nc = [\"0\", \"1\"]\nd = [\"0\", \"1\"]\n";
const CELL: &str = "[[workload]]\nname = \"churn\"\n";

fn load(design: &str, vary: &str, rest: &str) -> miette::Result<Plan> {
    let folder = tempfile::tempdir().unwrap();
    let root = Utf8Path::from_path(folder.path()).unwrap();
    std::fs::write(root.join("ab.toml"), HOUSE).unwrap();
    std::fs::create_dir(root.join("experiments")).unwrap();
    let text = format!("{HEAD}{design}\n{vary}{CELL}{rest}");
    std::fs::write(root.join("experiments/x.toml"), text).unwrap();
    Ok(plan(&spec::load(root, "x", Mode::Full)?, 1))
}

fn made(design: &str, vary: &str, rest: &str) -> Plan {
    load(design, vary, rest).unwrap()
}

/// Everything that is said about a bad experiment.
fn refused(design: &str, vary: &str, rest: &str) -> String {
    format!("{:?}", load(design, vary, rest).unwrap_err())
}

fn names(plan: &Plan) -> Vec<&str> {
    plan.variants.iter().map(|variant| variant.name.as_str()).collect()
}

#[test]
fn one_at_a_time_is_named_in_full() {
    let vary = "[vary]\na = [\"0\", \"1\"]\nwide = [\"y\", \"x\", \"z\"]\n";
    let plan = made("design = \"one-at-a-time\"", vary, "");
    let expected = ["a-0+wide-y", "a-1+wide-y", "a-0+wide-x", "a-0+wide-z", "placebo"];
    assert_eq!(names(&plan), expected);
    assert!(plan.contrasts.iter().all(|contrast| contrast.factors.is_empty()));
}

#[test]
fn a_fraction_asks_about_effects_and_says_what_looks_alike() {
    let plan = made("design = \"fraction-iv\"", FOUR, "");
    assert_eq!(plan.variants.len(), 8 + 1);
    assert_eq!(plan.design.generators, ["d = a × b × c"]);
    assert_eq!(plan.design.aliases, ["a × b = c × d", "a × c = b × d", "a × d = b × c"]);
    let effects: Vec<_> = plan.contrasts.iter().filter(|c| !c.factors.is_empty()).collect();
    assert_eq!(effects.len(), 4 + 3);
    assert!(effects.iter().all(|contrast| contrast.primary));
    let pairs = || plan.contrasts.iter().filter(|c| c.factors.is_empty() && !c.placebo);
    assert!(pairs().count() == 7 && pairs().all(|contrast| !contrast.primary));
    for contrast in &plan.contrasts {
        assert!(contrast.weights.iter().map(|(_, w)| w).sum::<f64>().abs() < 1e-12);
        let known = |name: &String| plan.variants.iter().any(|variant| variant.name == *name);
        assert!(contrast.weights.iter().all(|(name, _)| known(name)));
    }
    let text = describe(&plan);
    for words in ["generator: d = a × b × c", "look alike: a × b = c × d", "blocks: 2 launches"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn many_variants_are_dealt_to_blocks_with_baseline_and_placebo() {
    let plan = made("design = \"fraction-v\"", &format!("{FOUR}e = [\"0\", \"1\"]\n"), "");
    assert_eq!((plan.variants.len(), plan.cycle()), (17, 3));
    for cycle in 0..20 {
        let mut met = vec![0; plan.variants.len()];
        for launch in 0..plan.cycle() {
            let members = plan.members(cycle * plan.cycle() + launch);
            assert!(members.len() <= 8 && members.is_sorted());
            members.into_iter().for_each(|place| met[place] += 1);
        }
        let last = met.len() - 1;
        assert_eq!((met[0], met[last]), (3, 3));
        assert!(met[1..last].iter().all(|&times| times == 1), "{met:?}");
    }
    // Few variants share every launch.
    let small = made("", "[vary]\na = [\"0\", \"1\"]\n", "");
    assert_eq!((small.cycle(), small.members(7)), (1, vec![0, 1, 2]));
    assert!(serde_json::to_value(&small).unwrap().get("blocks").is_none());
}

#[test]
fn constraints_hold_in_every_design_and_what_they_cost_is_said() {
    let excludes = "[[excludes]]\na = \"1\"\nb = \"1\"\n";
    let requires = "[[requires]]\nwhen = { a = \"1\" }\nneeds = { b = \"0\" }\n";
    for rule in [excludes, requires] {
        for design in ["full", "one-at-a-time", "fraction-iv", "pairwise"] {
            let plan = made(&format!("design = \"{design}\""), FOUR, rule);
            assert!(!names(&plan).iter().any(|name| name.contains("a-1+b-1")), "{design}");
            let cut = design != "one-at-a-time";
            assert_eq!(plan.design.left_out.is_empty(), !cut, "{design}");
            let text = describe(&plan);
            assert_eq!(text.contains("left out by the constraints: "), cut, "{text}");
        }
        let plan = made("", FOUR, rule);
        let lost: Vec<_> = plan.design.lost.iter().map(|lost| lost.name.as_str()).collect();
        assert_eq!(lost, ["interaction of a × b"]);
        assert!(describe(&plan).contains("not estimable: interaction of a × b: "));
    }
    // What is held decides whether a constraint can matter.
    let plan = made("", FOUR, "[[excludes]]\na = \"1\"\nwide = \"y\"\n");
    assert!(plan.design.left_out.is_empty());
    let plan = made("", FOUR, "[[excludes]]\na = \"1\"\nwide = \"x\"\n");
    assert_eq!(plan.design.left_out.len(), 8);
    let plan = made("", FOUR, "[[requires]]\nwhen = { a = \"1\" }\nneeds = { wide = \"z\" }\n");
    assert_eq!(plan.design.left_out.len(), 8);
}

#[test]
fn predictions_speak_of_effects() {
    let claim = |about: &str| {
        format!(
            "[[predict]]\nid = \"p\"\nsource = \"ours\"\nworkload = \"churn\"\n{about}\n\
             metric = \"minor_faults\"\nsign = \"less\"\n"
        )
    };
    let plan = made("", FOUR, &claim("effect = \"b\""));
    assert_eq!(plan.predictions[0].variant, "b-1");
    let asked: Vec<_> =
        plan.contrasts.iter().filter(|c| c.metric == "minor_faults" && c.primary).collect();
    let names: Vec<_> = asked.iter().map(|contrast| contrast.name.as_str()).collect();
    assert_eq!(names, ["placebo vs a-0+b-0+c-0+d-0", "effect of b: 1 vs 0"]);
    // In a fraction, the name of what it can't be told from does as well.
    let plan = made("design = \"fraction-iv\"", FOUR, &claim("interaction = [\"d\", \"c\"]"));
    assert_eq!(plan.predictions[0].variant, "a-1 × b-1");
    let bad = [
        ("effect = \"wide\"", "the design has no effect of wide"),
        ("interaction = [\"a\", \"zz\"]", "the design has no effect of a × zz"),
        ("effect = \"a\"\nvariant = \"a-1+b-0+c-0+d-0\"", "it speaks of two things"),
        ("", "the prediction speaks of nothing"),
    ];
    for (about, words) in bad {
        let said = refused("", FOUR, &claim(about));
        assert!(said.contains(words), "{about}: {said}");
    }
    let rule = "[[excludes]]\na = \"1\"\nb = \"1\"\n";
    let said = refused("", FOUR, &format!("{rule}{}", claim("interaction = [\"a\", \"b\"]")));
    assert!(said.contains("interaction of a × b can't be estimated"), "{said}");
    let outcome = claim("effect = \"a\"").replace("sign = \"less\"", "outcome = \"SIGSEGV\"");
    assert!(refused("", FOUR, &outcome).contains("an effect has no outcome"));
}

#[test]
fn designs_that_do_not_suit_are_refused() {
    let three = "[vary]\nwide = [\"x\", \"y\", \"z\"]\na = [\"0\", \"1\"]\n";
    let rule = |text: &str| format!("[[excludes]]\n{text}\n");
    let bad = [
        ("design = \"fraction-v\"", three, String::new(), "a fraction wants two levels"),
        ("design = \"fractoin-v\"", FOUR, String::new(), "did you mean `fraction-v`"),
        ("", FOUR, rule("a = \"0\""), "the baseline itself breaks this constraint"),
        ("", FOUR, rule("a = \"7\""), "`7` is no level of `a`"),
        ("", FOUR, rule("q = \"7\""), "`q` is no factor in ab.toml"),
        ("", FOUR, rule(""), "this constraint names no factor"),
        (
            "",
            &format!("{FOUR}e = [\"0\", \"1\"]\nwide = [\"x\", \"y\", \"z\"]\n"),
            String::new(),
            "the varied levels make 96 variants",
        ),
    ];
    for (design, vary, rest, words) in bad {
        let said = refused(design, vary, &rest);
        assert!(said.contains(words), "{design} {rest}: {said}");
    }
}
