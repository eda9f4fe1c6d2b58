//! What about a machine spoils measurements, what it does to them, and how to fix it.
//!
//! Rules over the facts in [`Machine`]; a fact that could not be learnt says nothing. Whether the
//! numbers are spoilt, and how far, is for the placebo of a run to say.

use serde::Serialize;

use super::{BUSY, Machine, STOLEN};

/// Something that is in the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trouble {
    /// The fact.
    pub what: String,
    /// What it does to measurements.
    pub effect: String,
    /// What to do about it.
    pub fix: String,
}

impl Trouble {
    /// Three sentences' worth of trouble.
    pub fn new(what: impl Into<String>, effect: &str, fix: impl Into<String>) -> Self {
        Self { what: what.into(), effect: effect.to_owned(), fix: fix.into() }
    }
}

/// Everything that is in the way on `machine`, the worst first.
#[must_use]
pub fn troubles(machine: &Machine) -> Vec<Trouble> {
    [load(machine), quota(machine), steal(machine), swap(machine)]
        .into_iter()
        .chain([cores(machine), governor(machine), clock(machine), aslr(machine), thp(machine)])
        .chain([virtualised(machine), linker(machine), tracers(machine), counter(machine)])
        .flatten()
        .collect()
}

fn load(machine: &Machine) -> Option<Trouble> {
    let load = machine.load.filter(|load| *load > BUSY * f64::from(machine.cores))?;
    Some(Trouble::new(
        format!("load {load:.1} on {} cores: other programs are running", machine.cores),
        "wall times are wide, CPU times a little; a launch may be off for its whole life",
        "end them or wait; `uptime` shows when it is quiet",
    ))
}

fn quota(machine: &Machine) -> Option<Trouble> {
    let quota = machine.quota.filter(|quota| *quota < f64::from(machine.cores))?;
    Some(Trouble::new(
        format!("the control group allows {quota:.1} of {} cores", machine.cores),
        "the kernel stops every thread for the rest of a period when the quota is used up: wall \
         times jump by tens of ms",
        "raise cpu.max of the group (docker: --cpus), or measure outside the container",
    ))
}

fn steal(machine: &Machine) -> Option<Trouble> {
    let steal = machine.steal.filter(|steal| *steal > STOLEN)?;
    Some(Trouble::new(
        format!("the host gave {:.1} % of the processor time since boot to others", steal * 100.0),
        "wall times are wide and CPU times drift",
        "use a machine with processors of its own, or more launches (--budget)",
    ))
}

fn swap(machine: &Machine) -> Option<Trouble> {
    let used = machine.swap_used_bytes.filter(|used| *used > 0)?;
    Some(Trouble::new(
        format!("{} MiB are swapped out", used >> 20),
        "a page that comes back costs ms: major faults and wall times jump",
        "end what needs the memory, then `swapoff -a && swapon -a` as root",
    ))
}

fn cores(machine: &Machine) -> Option<Trouble> {
    (machine.cores <= 2).then(|| {
        Trouble::new(
            format!("{} cores only", machine.cores),
            "the engine, the kernel and workers of several threads share them: two-threaded \
             workloads meet whatever else runs",
            "nothing needed for one thread; for several, a machine with more cores",
        )
    })
}

fn governor(machine: &Machine) -> Option<Trouble> {
    let name = machine.governor.as_ref().filter(|name| *name != "performance")?;
    Some(Trouble::new(
        format!("the frequency governor is `{name}`"),
        "the clock changes during a run, so that time per operation does, too",
        "`cpupower frequency-set -g performance` as root",
    ))
}

fn clock(machine: &Machine) -> Option<Trouble> {
    machine.boost.filter(|boost| *boost)?;
    Some(Trouble::new(
        "the processor may go beyond its base frequency",
        "the clock depends on heat and on the neighbours",
        "as root: `echo 0 > /sys/devices/system/cpu/cpufreq/boost`, or with intel_pstate \
         `echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo`",
    ))
}

fn aslr(machine: &Machine) -> Option<Trouble> {
    (machine.aslr == Some(0)).then(|| {
        Trouble::new(
            "address space randomisation is off",
            "one set of addresses serves every launch: its luck is taken for an effect",
            "`sysctl kernel.randomize_va_space=2` as root; start no shell through `setarch -R`",
        )
    })
}

fn thp(machine: &Machine) -> Option<Trouble> {
    (machine.thp.as_deref() == Some("always")).then(|| {
        Trouble::new(
            "transparent huge pages are always on",
            "khugepaged changes pages behind a run's back: memory and faults jump between launches",
            "as root: `echo madvise > /sys/kernel/mm/transparent_hugepage/enabled`, unless that is \
             what your users have",
        )
    })
}

fn virtualised(machine: &Machine) -> Option<Trouble> {
    machine.virtualised.then(|| {
        Trouble::new(
            "this is a virtual machine",
            "faults and system calls are dearer than on bare metal, by other factors on other hosts",
            "believe ratios of this machine for this machine; repeat the run on bare metal",
        )
    })
}

fn linker(machine: &Machine) -> Option<Trouble> {
    (machine.lld == Some(false)).then(|| {
        Trouble::new(
            "the toolchain has no lld",
            "layouts can't be drawn for each launch: where code happens to lie counts as an effect",
            "install rustup's stable toolchain for x86-64 Linux, or a package called lld",
        )
    })
}

fn tracers(machine: &Machine) -> Option<Trouble> {
    let blind = machine.strace == Some(false) && machine.tracepoints != Some(true);
    blind.then(|| {
        Trouble::new(
            "strace is not installed, and tracepoints can't be read",
            "system calls are not listed by name, and counters have no second source",
            "install strace; or as root, `mount -t tracefs tracefs /sys/kernel/tracing`",
        )
    })
}

fn counter(machine: &Machine) -> Option<Trouble> {
    (machine.valgrind == Some(false)).then(|| {
        Trouble::new(
            "valgrind is not installed",
            "experiments with `instructions = true` have no counts; nothing else needs it",
            "install valgrind",
        )
    })
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    #[test]
    fn each_trouble_is_noticed_alone_and_says_what_to_do() {
        let here = super::super::machine(Utf8Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        let quiet = Machine {
            cores: 8,
            load: Some(0.1),
            quota: None,
            steal: Some(0.0),
            swap_used_bytes: Some(0),
            governor: Some("performance".into()),
            boost: Some(false),
            aslr: Some(2),
            thp: Some("madvise".into()),
            virtualised: false,
            lld: Some(true),
            strace: Some(true),
            valgrind: Some(true),
            tracepoints: Some(false),
            ..here
        };
        assert_eq!(troubles(&quiet), []);
        type Spoil = fn(&mut Machine);
        let spoilt: [(&str, Spoil); 13] = [
            ("load 9.0", |machine| machine.load = Some(9.0)),
            ("1.5 of 8 cores", |machine| machine.quota = Some(1.5)),
            ("4.0 %", |machine| machine.steal = Some(0.04)),
            ("3 MiB", |machine| machine.swap_used_bytes = Some(3 << 20)),
            ("2 cores", |machine| machine.cores = 2),
            ("`powersave`", |machine| machine.governor = Some("powersave".into())),
            ("base frequency", |machine| machine.boost = Some(true)),
            ("randomisation", |machine| machine.aslr = Some(0)),
            ("huge pages", |machine| machine.thp = Some("always".into())),
            ("virtual machine", |machine| machine.virtualised = true),
            ("lld", |machine| machine.lld = Some(false)),
            ("strace", |machine| machine.strace = Some(false)),
            ("valgrind", |machine| machine.valgrind = Some(false)),
        ];
        for (words, spoil) in spoilt {
            let mut machine = quiet.clone();
            spoil(&mut machine);
            let found = troubles(&machine);
            assert_eq!(found.len(), 1, "{words}: {found:?}");
            assert!(found[0].what.contains(words), "{words}: {found:?}");
            assert!(!found[0].effect.is_empty() && !found[0].fix.is_empty());
        }
    }
}
