//! What kind of instruction a line of a disassembly is: a branch, a load, a store, a call.
//!
//! Reads objdump's AT&T text of x86-64: the destination stands last, and what is in memory has
//! parentheses or a segment. The return address that calls and returns move counts as neither load
//! nor store; what `push` and `pop` move does. Nothing here knows an address.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// What a path is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Instructions of the library.
    pub instructions: u32,
    /// Conditional branches among them.
    pub branches: u32,
    /// Reads of memory.
    pub loads: u32,
    /// Writes of memory.
    pub stores: u32,
    /// Calls, and jumps to other functions in the place of a call.
    pub calls: u32,
}

impl Counts {
    /// The names of the counts, in the order of [`Counts::all`].
    pub const NAMES: [&'static str; 5] = ["instructions", "branches", "loads", "stores", "calls"];

    /// Every count.
    #[must_use]
    pub fn all(&self) -> [u32; 5] {
        [self.instructions, self.branches, self.loads, self.stores, self.calls]
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.instructions += other.instructions;
        self.branches += other.branches;
        self.loads += other.loads;
        self.stores += other.stores;
        self.calls += other.calls;
    }
}

/// Words in front of an instruction that do not change what kind it is.
const PREFIXES: [&str; 11] =
    ["lock", "rep", "repz", "repnz", "notrack", "bnd", "data16", "addr32", "cs", "ds", "es"];
/// Instructions with an operand in memory that they do not touch.
const UNTOUCHED: [&str; 4] = ["lea", "nop", "prefetch", "endbr"];
/// Instructions that only read their last operand.
const READERS: [&str; 10] =
    ["cmp", "test", "ptest", "vptest", "ucomis", "comis", "mul", "imul", "div", "idiv"];
/// Instructions that only write their last operand.
const WRITERS: [&str; 8] = ["mov", "vmov", "set", "stos", "pextr", "vextract", "vpextr", "stmxcsr"];

/// One instruction, as objdump writes it behind the address.
#[must_use]
pub fn one(text: &str) -> Counts {
    let mut counts = Counts { instructions: 1, ..Counts::default() };
    // Names of places, which may have parentheses of their own, are no operands.
    let code = text.split(['<', '#']).next().unwrap_or(text);
    let mut words = code.trim();
    let (mut name, mut operands) = split(words);
    while PREFIXES.contains(&name) && !operands.is_empty() {
        words = operands;
        (name, operands) = split(words);
    }
    let operands = separate(operands);
    let in_memory = operands.iter().filter(|operand| is_memory(operand)).count();
    if name.starts_with("call") {
        counts.calls = 1;
    } else if name.starts_with('j') {
        counts.branches = u32::from(!name.starts_with("jmp"));
    } else if name.starts_with("push") {
        counts.stores = 1;
    } else if name.starts_with("pop") && !name.starts_with("popcnt") {
        counts.loads = 1;
        counts.stores = u32::from(in_memory > 0);
        return counts;
    }
    if in_memory == 0 || UNTOUCHED.iter().any(|untouched| name.starts_with(untouched)) {
        return counts;
    }
    if counts.calls > 0 || counts.stores > 0 || name.starts_with('j') {
        counts.loads = 1;
        return counts;
    }
    let (last, others) = operands.split_last().map_or(("", &[][..]), |(last, rest)| (last, rest));
    counts.loads = u32::from(others.iter().any(|operand| is_memory(operand)));
    if is_memory(last) {
        let named = |list: &[&str]| list.iter().any(|known| name.starts_with(known));
        let reads = (named(&READERS) && !name.starts_with("cmpxchg")) || is_bit_test(name);
        counts.loads += u32::from(!named(&WRITERS));
        counts.stores = u32::from(!reads);
    }
    counts
}

/// `bt` reads; `bts`, `btr` and `btc` write.
fn is_bit_test(name: &str) -> bool {
    matches!(name, "bt" | "btw" | "btl" | "btq")
}

/// The first word and the rest.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(name, rest)| (name, rest.trim()))
}

/// Operands, which commas separate outside of parentheses.
fn separate(operands: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let parts = operands.split(|c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn is_memory(operand: &str) -> bool {
    let operand = operand.trim_start_matches('*');
    operand.contains('(') || operand.starts_with("%fs:") || operand.starts_with("%gs:")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_told_from_its_text() {
        // Text, then branches, loads, stores, calls.
        let cases = [
            ("mov    %rdi,%rax", [0, 0, 0, 0]),
            ("mov    0x8(%rax,%rcx,1),%rdx", [0, 1, 0, 0]),
            ("movzbl (%rax,%rdx,1),%ecx", [0, 1, 0, 0]),
            ("mov    %fs:(%rdx),%rax", [0, 1, 0, 0]),
            ("mov    %fs:0x0,%rax", [0, 1, 0, 0]),
            ("mov    %rcx,(%rax)", [0, 0, 1, 0]),
            ("movl   $0xc,(%rax)", [0, 0, 1, 0]),
            ("movups %xmm0,0x10(%rdi)", [0, 0, 1, 0]),
            ("sete   (%rax)", [0, 0, 1, 0]),
            ("lea    -0x4af3(%rip),%rax", [0, 0, 0, 0]),
            ("nopw   0x0(%rax,%rax,1)", [0, 0, 0, 0]),
            ("cs nopw 0x0(%rax,%rax,1)", [0, 0, 0, 0]),
            ("cmp    0x10(%rax,%rcx,1),%rdx", [0, 1, 0, 0]),
            ("cmpb   $0x1,(%rax)", [0, 1, 0, 0]),
            ("cmp    %rdx,(%rax)", [0, 1, 0, 0]),
            ("testb  $0x1,(%rax)", [0, 1, 0, 0]),
            ("add    $0x8,%rdx", [0, 0, 0, 0]),
            ("add    %rdx,(%rax)", [0, 1, 1, 0]),
            ("incq   (%rax)", [0, 1, 1, 0]),
            ("bt     %rcx,(%rax)", [0, 1, 0, 0]),
            ("btr    %rcx,(%rax)", [0, 1, 1, 0]),
            ("lock cmpxchg %rcx,(%rdx)", [0, 1, 1, 0]),
            ("xchg   %rax,(%rdi)", [0, 1, 1, 0]),
            ("rep stos %al,%es:(%rdi)", [0, 0, 1, 0]),
            ("push   %rax", [0, 0, 1, 0]),
            ("push   0x8(%rax)", [0, 1, 1, 0]),
            ("pop    %rcx", [0, 1, 0, 0]),
            ("popcnt (%rax),%rcx", [0, 1, 0, 0]),
            ("je     6323 <malloc+0x73>", [1, 0, 0, 0]),
            ("jae    5aa8 <operator delete[](void*)+0x68>", [1, 0, 0, 0]),
            ("mov    0x11cf1(%rip),%rcx        # 17738 <f(int)>", [0, 1, 0, 0]),
            ("jmp    62e7 <malloc+0x37>", [0, 0, 0, 0]),
            ("jmp    *0xc253(%rip)", [0, 1, 0, 0]),
            ("call   e610 <f(int, long)>", [0, 0, 0, 1]),
            ("call   *0xc253(%rip)", [0, 1, 0, 1]),
            ("ret", [0, 0, 0, 0]),
            ("", [0, 0, 0, 0]),
        ];
        for (text, expected) in cases {
            let seen = one(text).all();
            assert_eq!(seen[0], 1, "{text}");
            assert_eq!(seen[1..], expected, "{text}");
        }
    }

    #[test]
    fn counts_add_up() {
        let mut sum = Counts::default();
        ["push   %rax", "je     10 <f>", "call   *(%rax)"].iter().for_each(|text| sum += one(text));
        assert_eq!(sum.all(), [3, 1, 1, 1, 1]);
    }
}
