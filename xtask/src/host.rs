//! Where a run is measured: the machine, its settings, the toolchain and the state of the tree.
//!
//! Read from /proc, /sys, git and the compiler; what can't be learnt is absent rather than guessed.
//! [`Machine::warnings`] says in plain words what may blur the numbers of a run; `trouble` says
//! more to who asks, and what to do about it.
//!
//! Nothing is changed here, and nothing is measured.

mod trouble;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr};
use serde::{Deserialize, Serialize};
use xshell::{Shell, cmd};

use crate::input::IntoDiagnostic;

pub use trouble::{Trouble, troubles};

/// Load per core above which other work is surely in the way.
const BUSY: f64 = 0.5;

/// What says that tracepoints can be read, in either of the places of tracefs.
const TRACEPOINTS: [&str; 2] = [
    "/sys/kernel/tracing/events/raw_syscalls/sys_enter/id",
    "/sys/kernel/debug/tracing/events/raw_syscalls/sys_enter/id",
];

/// Share of stolen time above which the host is surely shared.
const STOLEN: f64 = 0.01;

/// The machine, as of the start of a run. Serialised, it is machine.json.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Model of the processor.
    pub cpu: Option<String>,
    /// Cores that this process may use.
    pub cores: u32,
    /// Memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Name and release of the kernel.
    pub kernel: String,
    /// Frequency governor of the first core.
    pub governor: Option<String>,
    /// Setting of transparent huge pages.
    pub thp: Option<String>,
    /// Address space layout randomisation: 0 off, 1 partly, 2 full.
    pub aslr: Option<u32>,
    /// Runnable processes, averaged over a minute.
    pub load: Option<f64>,
    /// Share of processor time since boot that the host gave to other machines.
    pub steal: Option<f64>,
    /// Cores that the control group allows; `None` where it sets no limit.
    #[serde(default)]
    pub quota: Option<f64>,
    /// Memory that is swapped out, bytes.
    #[serde(default)]
    pub swap_used_bytes: Option<u64>,
    /// The processor may go beyond its base frequency.
    #[serde(default)]
    pub boost: Option<bool>,
    /// What perf may see (`kernel.perf_event_paranoid`): less is more.
    #[serde(default)]
    pub perf_paranoid: Option<i32>,
    /// The toolchain has a linker that can shuffle sections.
    #[serde(default)]
    pub lld: Option<bool>,
    /// strace is installed.
    #[serde(default)]
    pub strace: Option<bool>,
    /// valgrind is installed.
    #[serde(default)]
    pub valgrind: Option<bool>,
    /// The kernel's tracepoints can be read, so that perf may count system calls.
    #[serde(default)]
    pub tracepoints: Option<bool>,
    /// The machine runs on a hypervisor.
    pub virtualised: bool,
    /// What `rustc -vV` says.
    pub rustc: String,
    /// First line of what the C compiler driver says about itself.
    pub linker: Option<String>,
    /// Git revision of the tree; empty where there is none.
    pub revision: String,
    /// The tree differs from that revision (results/ aside).
    pub dirty: bool,
    /// SHA-256 of Cargo.lock; empty where there is none.
    pub cargo_lock: String,
}

/// Looks at this machine, and at the tree and toolchain of `root`.
///
/// # Errors
/// `root` can't be entered, or the system does not say which cores may be used.
pub fn machine(root: &Utf8Path) -> Result<Machine> {
    let shell = Shell::new().into_diagnostic()?;
    let _inside = shell.push_dir(root);
    let cores = rustix::thread::sched_getaffinity(None)
        .into_diagnostic()
        .wrap_err("cannot learn which cores may be used")?
        .count();
    let cpuinfo = read("/proc/cpuinfo").unwrap_or_default();
    let system = rustix::system::uname();
    let (name, release) = (system.sysname().to_string_lossy(), system.release().to_string_lossy());
    let lock = root.join("Cargo.lock");
    Ok(Machine {
        cpu: field(&cpuinfo, "model name"),
        cores,
        memory_bytes: read("/proc/meminfo").and_then(|text| memory_bytes(&text)),
        kernel: format!("{name} {release}"),
        governor: read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        thp: read("/sys/kernel/mm/transparent_hugepage/enabled").and_then(|text| chosen(&text)),
        aslr: aslr(),
        load: read("/proc/loadavg").and_then(|text| text.split(' ').next()?.parse().ok()),
        steal: read("/proc/stat").and_then(|text| steal(&text)),
        quota: quota(),
        swap_used_bytes: read("/proc/meminfo").and_then(|text| swap_used(&text)),
        boost: boost(),
        perf_paranoid: read("/proc/sys/kernel/perf_event_paranoid")
            .and_then(|text| text.parse().ok()),
        lld: said(cmd!(shell, "rustc --print sysroot")).map(|sysroot| has_lld(&sysroot)),
        strace: Some(has_program("strace")),
        valgrind: Some(has_program("valgrind")),
        tracepoints: Some(TRACEPOINTS.iter().any(|path| read(path).is_some())),
        virtualised: field(&cpuinfo, "flags").is_some_and(|flags| flags.contains("hypervisor")),
        rustc: said(cmd!(shell, "rustc -vV")).unwrap_or_default(),
        linker: said(cmd!(shell, "cc --version"))
            .and_then(|text| text.lines().next().map(str::to_owned)),
        revision: said(cmd!(shell, "git rev-parse HEAD")).unwrap_or_default(),
        dirty: said(cmd!(shell, "git status --porcelain -- . :(exclude)results"))
            .is_some_and(|changes| !changes.is_empty()),
        cargo_lock: if lock.is_file() { crate::build::hash_file(&lock)? } else { String::new() },
    })
}

impl Machine {
    /// What may blur the numbers, in plain words.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(load) = self.load.filter(|load| *load > BUSY * f64::from(self.cores)) {
            warnings.push(format!(
                "the machine was busy when the run began (load {load:.1} on {} cores): wall times \
                 will be wide",
                self.cores
            ));
        }
        if let Some(steal) = self.steal.filter(|steal| *steal > STOLEN) {
            warnings.push(format!(
                "the host has given {:.1} % of this machine's processor time to others since boot",
                steal * 100.0
            ));
        }
        if let Some(governor) = self.governor.as_ref().filter(|name| *name != "performance") {
            warnings.push(format!(
                "the frequency governor is `{governor}`: the clock may change during a run"
            ));
        }
        if self.aslr == Some(0) {
            warnings.push(
                "address space randomisation is off: one set of addresses serves every launch"
                    .to_owned(),
            );
        }
        warnings
    }

    /// What sets `self` apart from `other` so far that one run can't span both.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let pairs = [
            ("the processor", format!("{:?}", self.cpu), format!("{:?}", other.cpu)),
            ("the number of cores", self.cores.to_string(), other.cores.to_string()),
            ("the kernel", self.kernel.clone(), other.kernel.clone()),
            ("huge pages", format!("{:?}", self.thp), format!("{:?}", other.thp)),
            ("the governor", format!("{:?}", self.governor), format!("{:?}", other.governor)),
        ];
        pairs
            .into_iter()
            .filter(|(_, ours, theirs)| ours != theirs)
            .map(|(what, ours, theirs)| format!("{what}: {ours}, then {theirs}"))
            .collect()
    }
}

/// How far the kernel randomises addresses; 0 too where a parent of this process has asked it not
/// to (`setarch -R`, debuggers), which workers inherit.
fn aslr() -> Option<u32> {
    const ADDR_NO_RANDOMIZE: u32 = 0x0004_0000;
    let personality = read("/proc/self/personality");
    let flags = personality.and_then(|text| u32::from_str_radix(&text, 16).ok());
    if flags.is_some_and(|flags| flags & ADDR_NO_RANDOMIZE != 0) {
        return Some(0);
    }
    read("/proc/sys/kernel/randomize_va_space").and_then(|text| text.parse().ok())
}

/// A small file of the kernel, trimmed; `None` where there is none.
fn read(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(Utf8PathBuf::from(path)).ok()?.trim().to_owned())
}

/// What a command says; `None` when it fails.
fn said(command: xshell::Cmd<'_>) -> Option<String> {
    command.quiet().ignore_stderr().read().ok()
}

/// The first `name : value` of /proc/cpuinfo.
fn field(text: &str, name: &str) -> Option<String> {
    let (_, value) =
        text.lines().filter_map(|line| line.split_once(':')).find(|(key, _)| key.trim() == name)?;
    Some(value.trim().to_owned())
}

/// The word in brackets: `always [madvise] never` → `madvise`.
fn chosen(text: &str) -> Option<String> {
    Some(text.split_once('[')?.1.split_once(']')?.0.to_owned())
}

/// MemTotal of /proc/meminfo.
fn memory_bytes(text: &str) -> Option<u64> {
    let kib: u64 = field(text, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// SwapTotal less SwapFree of /proc/meminfo.
fn swap_used(text: &str) -> Option<u64> {
    let kib =
        |name: &str| -> Option<u64> { field(text, name)?.strip_suffix("kB")?.trim().parse().ok() };
    kib("SwapTotal")?.checked_sub(kib("SwapFree")?)?.checked_mul(1024)
}

/// Cores that this process's control group allows, in either version of the interface.
fn quota() -> Option<f64> {
    let groups = read("/proc/self/cgroup").unwrap_or_default();
    let path = |mark: &str| {
        let line = groups.lines().find(|line| line.contains(mark));
        line.and_then(|line| line.splitn(3, ':').nth(2)).unwrap_or("/").trim_end_matches('/')
    };
    // A container sees its own group at the mount's root.
    let both = |mount: &str, mark: &str, file: &str| {
        let own = read(&format!("{mount}{}/{file}", path(mark)));
        own.or_else(|| read(&format!("{mount}/{file}")))
    };
    if let Some(text) = both("/sys/fs/cgroup", "0::", "cpu.max") {
        return ratio(&text);
    }
    let old = |file: &str| both("/sys/fs/cgroup/cpu", ":cpu", file);
    ratio(&format!("{} {}", old("cpu.cfs_quota_us")?, old("cpu.cfs_period_us")?))
}

/// `150000 100000` → 1.5; `max` and −1 mean no limit.
fn ratio(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.trim().parse().ok()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

/// Whether the clock may exceed its base.
fn boost() -> Option<bool> {
    let intel = read("/sys/devices/system/cpu/intel_pstate/no_turbo").map(|text| text == "0");
    intel.or_else(|| read("/sys/devices/system/cpu/cpufreq/boost").map(|text| text == "1"))
}

/// Whether a program is in PATH.
#[must_use]
pub fn has_program(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

/// Whether rustup's toolchain brings lld, or the system has one.
fn has_lld(sysroot: &str) -> bool {
    let own = Utf8Path::new(sysroot).join("lib/rustlib");
    let targets = own.read_dir_utf8().into_iter().flatten().flatten();
    let mut bins = targets.map(|target| target.path().join("bin/rust-lld"));
    bins.any(|program| program.is_file()) || has_program("ld.lld")
}

/// Stolen time as a share of all, from the first line of /proc/stat (proc(5): the eighth number).
fn steal(text: &str) -> Option<f64> {
    let line = text.lines().next()?.strip_prefix("cpu ")?;
    let times: Vec<f64> =
        line.split_whitespace().take(8).map(|word| word.parse().ok()).collect::<Option<_>>()?;
    let all: f64 = times.iter().sum();
    (all > 0.0).then(|| times.get(7).map(|steal| steal / all)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        assert_eq!(chosen("always [madvise] never").as_deref(), Some("madvise"));
        assert_eq!(memory_bytes("MemTotal:        2048 kB\nMemFree: 1 kB"), Some(2 << 20));
        assert_eq!(steal("cpu  50 0 20 20 0 0 0 10 0 0\ncpu0 1"), Some(0.1));
        assert_eq!(steal("cpu  50 0 20"), None);
        assert_eq!(swap_used("SwapTotal: 10 kB\nSwapFree: 4 kB\n"), Some(6 << 10));
        assert_eq!(ratio("150000 100000"), Some(1.5));
        assert_eq!((ratio("max 100000"), ratio("-1 100000")), (None, None));
        assert_eq!(field("model name\t: A CPU\n", "model name").as_deref(), Some("A CPU"));
    }

    #[test]
    fn this_machine_can_be_described() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
        let machine = machine(root).unwrap();
        assert!(machine.cores >= 1 && machine.kernel.starts_with("Linux"), "{machine:?}");
        assert!(machine.rustc.contains("host:"), "{machine:?}");
        let text = serde_json::to_string(&machine).unwrap();
        assert_eq!(serde_json::from_str::<Machine>(&text).unwrap(), machine);
    }

    #[test]
    fn a_busy_machine_and_another_one_are_noticed() {
        let root = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
        let quiet = Machine {
            load: Some(0.0),
            steal: Some(0.0),
            governor: None,
            aslr: Some(2),
            cores: 2,
            ..machine(root).unwrap()
        };
        assert_eq!(quiet.warnings(), Vec::<String>::new());
        let busy = Machine { load: Some(3.0), kernel: "Linux 0".into(), ..quiet.clone() };
        assert_eq!(busy.warnings().len(), 1);
        assert_eq!(quiet.differences(&busy).len(), 1);
    }
}
