//! The worker's side of the black box: what each lane is at, and a handler that notes a fault.
//!
//! [`install`] maps the page that the engine names in the environment (see
//! [`ab_protocol::black_box`]) and takes over the signals of a crash. From then on a lane stores
//! the number, size and address of each block it handles with three plain stores into a cache line
//! of its own. Where there is no page the same stores go to memory that nobody reads, so that the
//! measured code is one and the same.
//!
//! The handler does only what a signal handler may: stores, gettid, sigaction, raise. It runs on an
//! alternative stack, for the fault may be a stack that is used up. Then the signal takes its
//! default course, so that the process ends as it would have without a handler.

use std::cell::Cell;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use ab_protocol::black_box::{
    BYTES, ENV, LANE_WORDS, LANES_AT, LANES_MAX, MAGIC, MODULE_WORDS, MODULES_AT, MODULES_MAX,
    NAME_BYTES, Phase, head, lane,
};

/// Words of a page.
const WORDS: usize = BYTES / 8;

/// A page, or memory of the same shape.
#[repr(C, align(64))]
struct Page([AtomicU64; WORDS]);

/// The words of one lane: a cache line.
type Words = [AtomicU64; LANE_WORDS];

/// Where notes go while the engine gave no page.
static NOWHERE: Page = Page([const { AtomicU64::new(0) }; WORDS]);
/// Where threads write that are no lane, or one too many.
static NOBODY: Words = [const { AtomicU64::new(0) }; LANE_WORDS];
/// The engine's page.
static PAGE: OnceLock<&'static Page> = OnceLock::new();
/// The first fault is being written.
static TAKEN: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// This thread's words.
    static HERE: Cell<&'static Words> = const { Cell::new(&NOBODY) };
}

/// Signals that mean a crash.
const CRASHES: [libc::c_int; 7] = [
    libc::SIGSEGV,
    libc::SIGBUS,
    libc::SIGILL,
    libc::SIGFPE,
    libc::SIGABRT,
    libc::SIGTRAP,
    libc::SIGSYS,
];

/// Bytes of an alternative stack: the handler's frames are small, the saved registers are not.
const ALT_STACK: usize = 64 << 10;

fn page() -> &'static Page {
    PAGE.get().copied().unwrap_or(&NOWHERE)
}

fn set(place: usize, word: u64) {
    page().0[place].store(word, Relaxed);
}

/// Takes part if the engine asks for it.
///
/// # Errors
/// The page that the engine names can't be opened or mapped.
pub fn install() -> std::io::Result<()> {
    let Some(path) = std::env::var_os(ENV) else { return Ok(()) };
    let file = File::options().read(true).write(true).open(path)?;
    let page = map(libc::MAP_SHARED, file.as_raw_fd(), BYTES)?;
    // SAFETY: the mapping is page-aligned, `BYTES` long and never unmapped; all words are atomic
    // on this side, and the engine does not write.
    let page: &'static Page = unsafe { page.cast().as_ref() };
    if PAGE.set(page).is_err() {
        return Ok(());
    }
    // Another process may have listed its own before.
    set(head::MODULES, 0);
    list_modules();
    stand_by()?;
    for signal in CRASHES {
        handle_signal(signal)?;
    }
    set(head::MAGIC, MAGIC);
    Ok(())
}

/// A new mapping.
fn map(flags: libc::c_int, file: libc::c_int, length: usize) -> std::io::Result<NonNull<u8>> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: the kernel chooses the address, so nothing that exists is replaced.
    let address = unsafe { libc::mmap(ptr::null_mut(), length, access, flags, file, 0) };
    if address == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    NonNull::new(address.cast()).ok_or_else(std::io::Error::last_os_error)
}

/// Gives the calling thread a stack for the handler, unless it has one.
fn stand_by() -> std::io::Result<()> {
    let mut now = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: asks only, and writes one `stack_t` to a valid place; it can't fail then.
    let now = unsafe {
        libc::sigaltstack(ptr::null(), now.as_mut_ptr());
        now.assume_init()
    };
    if now.ss_flags & libc::SS_DISABLE == 0 {
        return Ok(());
    }
    let stack = map(libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, ALT_STACK)?;
    let own = libc::stack_t { ss_sp: stack.as_ptr().cast(), ss_flags: 0, ss_size: ALT_STACK };
    // SAFETY: the stack is mapped, never unmapped, and this thread's alone.
    match unsafe { libc::sigaltstack(&raw const own, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

fn handle_signal(signal: libc::c_int) -> std::io::Result<()> {
    let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = on_crash;
    // SAFETY: all zeroes is a `sigaction`; sigfillset and sigaction get valid places, and the
    // handler keeps to what a handler may do.
    let done = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigfillset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, ptr::null_mut())
    };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

/// Notes the fault, then lets the signal have its way.
extern "C" fn on_crash(
    signal: libc::c_int,
    info: *mut libc::siginfo_t,
    context: *mut libc::c_void,
) {
    if TAKEN.swap(true, Relaxed) {
        // Another thread is writing, and ends the process when it is done.
        loop {
            // SAFETY: pause has no preconditions.
            unsafe { libc::pause() };
        }
    }
    // SAFETY: with SA_SIGINFO the kernel passes valid pointers for the length of the call.
    let (code, address) = unsafe { ((*info).si_code, (*info).si_addr()) };
    set(head::CODE, i64::from(code).cast_unsigned());
    // A code that a process sent carries no address but its sender.
    let address = if code > 0 { address.addr() as u64 } else { 0 };
    set(head::ADDRESS, address);
    set(head::INSTRUCTION, instruction(context));
    set(head::THREAD, thread_id());
    set(head::SIGNAL, u64::from(signal.unsigned_abs()));
    // SAFETY: all three may be called in a handler. The signal is blocked until the handler
    // returns, and then ends the process.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Where the thread was.
#[cfg(target_arch = "x86_64")]
fn instruction(context: *mut libc::c_void) -> u64 {
    let context: *const libc::ucontext_t = context.cast();
    // SAFETY: the kernel passes a `ucontext_t` that is valid for the length of the handler.
    let place = unsafe { (*context).uc_mcontext.gregs[libc::REG_RIP as usize] };
    place.cast_unsigned()
}

#[cfg(target_arch = "aarch64")]
fn instruction(context: *mut libc::c_void) -> u64 {
    let context: *const libc::ucontext_t = context.cast();
    // SAFETY: the kernel passes a `ucontext_t` that is valid for the length of the handler.
    unsafe { (*context).uc_mcontext.pc }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn instruction(_context: *mut libc::c_void) -> u64 {
    0
}

fn thread_id() -> u64 {
    // SAFETY: gettid has no preconditions and may be called in a handler.
    u64::from(unsafe { libc::gettid() }.unsigned_abs())
}

/// Lists the modules that are loaded, so that the handler needs no look-up.
fn list_modules() {
    // SAFETY: the callback keeps to its contract and does not unwind.
    unsafe { libc::dl_iterate_phdr(Some(note_module), ptr::null_mut()) };
}

/// Notes one module; returns non-zero when there is no room for more.
unsafe extern "C" fn note_module(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    _data: *mut libc::c_void,
) -> libc::c_int {
    let number = page().0[head::MODULES].load(Relaxed);
    let Ok(place) = usize::try_from(number) else { return 1 };
    if place >= MODULES_MAX {
        return 1;
    }
    // SAFETY: the loader passes a valid description, with `dlpi_phnum` headers and a name that ends
    // with a zero, for the length of the call.
    let (bias, headers, name) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (info.dlpi_addr, headers, std::ffi::CStr::from_ptr(info.dlpi_name).to_bytes())
    };
    let loaded = headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
    let ends = loaded.map(|header| (header.p_vaddr, header.p_vaddr + header.p_memsz));
    let Some((first, last)) = ends.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1))) else {
        return 0;
    };
    let at = MODULES_AT + place * MODULE_WORDS;
    set(at, bias + first);
    set(at + 1, bias + last);
    set(at + 2, bias);
    // The program itself has no name here; of a path the end tells most.
    let name = if name.is_empty() { b"worker" } else { name };
    let name = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    for (word, bytes) in name[..name.len().min(NAME_BYTES)].chunks(8).enumerate() {
        let mut padded = [0; 8];
        padded[..bytes.len()].copy_from_slice(bytes);
        set(at + 3 + word, u64::from_ne_bytes(padded));
    }
    set(head::MODULES, number + 1);
    0
}

/// The calling thread is lane `number` from now on.
pub fn enter(number: u32) {
    let words = match usize::try_from(number) {
        Ok(number) if number < LANES_MAX => {
            let at = LANES_AT + number * LANE_WORDS;
            let words = page().0[at..at + LANE_WORDS].try_into();
            words.unwrap_or(&NOBODY)
        }
        _ => &NOBODY,
    };
    HERE.set(words);
    words[lane::THREAD].store(thread_id(), Relaxed);
    if PAGE.get().is_some()
        && let Err(error) = stand_by()
    {
        eprintln!("worker: lane {number} has no stack for a fault: {error}");
    }
}

/// A lane's place in the page, to be passed on to a thread that works in its stead.
#[derive(Clone, Copy)]
pub struct Seat(&'static Words);

impl Seat {
    /// The calling thread's.
    #[must_use]
    pub fn of_this_thread() -> Self {
        Self(HERE.get())
    }

    /// The calling thread notes here from now on; the one that did so must wait. No stack for a
    /// fault is set up: that would cost short lives more than their work.
    pub fn take(self) {
        HERE.set(self.0);
    }

    /// As [`handle`], by the lane whose seat it is; for loops that know it.
    #[inline(always)]
    pub fn handle(self, size: usize, block: *const u8) {
        let Self(words) = self;
        // One lane writes these words, so that a load and a store are enough.
        let operation = words[lane::OPERATION].load(Relaxed) + 1;
        words[lane::OPERATION].store(operation, Relaxed);
        words[lane::SIZE].store(size as u64, Relaxed);
        words[lane::POINTER].store(block.addr() as u64, Relaxed);
    }
}

/// A part of a slice begins: this lane's blocks are counted anew.
pub fn begin() {
    HERE.get()[lane::OPERATION].store(0, Relaxed);
}

/// This lane handles a block: it was just received, or is about to be checked and given back.
#[inline(always)]
pub fn handle(size: usize, block: *const u8) {
    Seat::of_this_thread().handle(size, block);
}

/// A new set-up: slices are counted anew.
pub fn prepared() {
    set(head::SLICE, 0);
    set(head::PHASE, Phase::SetUp as u64);
}

/// A slice begins, with its warm-in.
pub fn slice() {
    let number = page().0[head::SLICE].load(Relaxed);
    set(head::SLICE, number + 1);
    set(head::PHASE, Phase::WarmIn as u64);
}

/// The worker goes on to another part of its work.
pub fn phase(phase: Phase) {
    set(head::PHASE, phase as u64);
}
