//! A library's code as objdump prints it: instructions by address, and functions so that they can
//! be compared between two builds.
//!
//! Two builds put the same function at different places. So an address in it is written as the
//! distance from its beginning, and one outside of it as the name of what is there, or as the
//! relocation that fills it. What is then equal is equal to the byte, but for the distances that
//! the linker has filled in: each line keeps its own offset, which tells how long instructions
//! are.

use std::collections::BTreeMap;
use std::process::Command;

use camino::Utf8Path;
use miette::{Result, WrapErr, miette};

use super::counts::{self, Counts};
use super::walk::{Path, Place};
use crate::input::IntoDiagnostic;

/// The program that disassembles.
pub const TOOL: &str = "objdump";

/// One instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Instruction {
    text: String,
    /// Where its function begins.
    function: u64,
}

/// A library's code.
#[derive(Debug, Default)]
pub struct Listing {
    instructions: BTreeMap<u64, Instruction>,
    /// Names of functions by their first address.
    functions: BTreeMap<u64, String>,
    /// What the loader writes where.
    relocations: BTreeMap<u64, String>,
    /// Addresses of exported names.
    exports: BTreeMap<String, u64>,
}

impl Listing {
    /// Disassembles a library.
    ///
    /// # Errors
    /// objdump can't be run, or prints what is not understood.
    pub fn read(library: &Utf8Path) -> Result<Self> {
        let code = ["--disassemble", "--demangle", "--no-show-raw-insn", "--wide"];
        let listing = Self::parse(
            &told(&code, library)?,
            &told(&["--dynamic-reloc", "--demangle"], library)?,
            &told(&["--dynamic-syms"], library)?,
        );
        if listing.instructions.is_empty() || listing.exports.is_empty() {
            return Err(miette!("{TOOL} prints no code of {library} that is understood"));
        }
        Ok(listing)
    }

    fn parse(code: &str, relocations: &str, symbols: &str) -> Self {
        let mut listing = Self::default();
        let mut function = 0;
        for line in code.lines() {
            if let Some((address, name)) = head(line) {
                function = address;
                listing.functions.insert(address, name.to_owned());
            } else if let Some((address, text)) = line.split_once(":\t")
                && let Ok(address) = u64::from_str_radix(address.trim(), 16)
            {
                let text = text.trim().to_owned();
                listing.instructions.insert(address, Instruction { text, function });
            }
        }
        for line in relocations.lines() {
            let mut words = line.split_whitespace();
            let address = words.next().and_then(|word| u64::from_str_radix(word, 16).ok());
            if let Some(address) = address {
                listing.relocations.insert(address, words.collect::<Vec<_>>().join(" "));
            }
        }
        // Address, flags, section, size, version, name.
        for line in symbols.lines().filter(|line| line.contains(" .text")) {
            let address = line.split(' ').next().map(|word| u64::from_str_radix(word, 16));
            if let (Some(Ok(address)), Some(name)) = (address, line.split_whitespace().last()) {
                listing.exports.insert(name.to_owned(), address);
            }
        }
        listing
    }

    /// What a path is made of.
    ///
    /// # Errors
    /// It leads through a place where no instruction begins.
    pub fn counts(&self, path: &Path) -> Result<Counts> {
        let mut counts = Counts::default();
        for (at, place) in path.places.iter().enumerate() {
            let Place::Inside(address) = place else { continue };
            let instruction = self.at(*address)?;
            counts += counts::one(&instruction.text);
            let left = matches!(path.places.get(at + 1), Some(Place::Outside(_)));
            // A stub of the procedure linkage table was called already.
            let stub = self.function(instruction.function).contains("@plt");
            counts.calls += u32::from(left && !stub && instruction.text.starts_with("jmp"));
        }
        Ok(counts)
    }

    /// The instructions of a path, a line each, under the names of their functions.
    ///
    /// # Errors
    /// As [`Listing::counts`].
    pub fn shown(&self, path: &Path) -> Result<String> {
        let mut text = String::new();
        let mut function = None;
        for place in &path.places {
            match place {
                Place::Inside(address) => {
                    let instruction = self.at(*address)?;
                    if function.replace(instruction.function) != Some(instruction.function) {
                        text += &format!("    {}:\n", self.function(instruction.function));
                    }
                    text += &format!("{address:8x}  {}\n", instruction.text);
                }
                Place::Outside(count) => {
                    text += &format!("    {count} instructions of another library\n");
                    function = None;
                }
            }
        }
        Ok(text)
    }

    fn at(&self, address: u64) -> Result<&Instruction> {
        let found = self.instructions.get(&address);
        found.ok_or_else(|| miette!("{TOOL} shows no instruction at {address:#x}"))
    }

    fn function(&self, address: u64) -> &str {
        self.functions.get(&address).map_or("?", String::as_str)
    }

    /// An exported function, a line for each instruction, in words that are the same wherever the
    /// linker puts it. What fills the room up to the next function is left out.
    ///
    /// # Errors
    /// The library exports no such function.
    pub fn body(&self, name: &str) -> Result<Vec<String>> {
        let start = *self
            .exports
            .get(name)
            .ok_or_else(|| miette!("the library exports no function `{name}`"))?;
        let own = self.instructions.range(start..);
        let own: Vec<(u64, &str)> = own
            .take_while(|(_, instruction)| instruction.function == start)
            .map(|(address, instruction)| (*address, instruction.text.as_str()))
            .collect();
        let filler = |text: &str| text == "int3" || text.contains("nop");
        let used = own.iter().rposition(|(_, text)| !filler(text)).map_or(0, |last| last + 1);
        let end = own.last().map_or(start, |(address, _)| *address);
        let line = |&(address, text): &(u64, &str)| {
            format!("{:x} {}", address - start, self.placeless(text, start, end))
        };
        Ok(own[..used].iter().map(line).collect())
    }

    /// An instruction of the function from `start` to `end`, without addresses.
    fn placeless(&self, text: &str, start: u64, end: u64) -> String {
        if let Some((code, comment)) = text.split_once('#') {
            let (address, name) = split(comment);
            let filled = address.and_then(|address| self.relocations.get(&address));
            let name = filled.map_or(name, String::as_str);
            return without_distance(code.trim(), name);
        }
        let (mnemonic, operands) = split_word(text);
        match split(operands) {
            (Some(to), name) if (start..=end).contains(&to) && !name.is_empty() => {
                format!("{mnemonic} +{:x}", to - start)
            }
            (Some(_), name) if !name.is_empty() => format!("{mnemonic} {name}"),
            _ => format!("{mnemonic} {operands}"),
        }
    }
}

/// `0000000000006fb0 <realloc>:`
fn head(line: &str) -> Option<(u64, &str)> {
    let (address, name) = line.strip_suffix(">:")?.split_once(" <")?;
    Some((u64::from_str_radix(address, 16).ok()?, name))
}

fn split_word(text: &str) -> (&str, &str) {
    text.split_once(' ').map_or((text, ""), |(first, rest)| (first, rest.trim()))
}

/// `17738 <hakmem::thread::REGION+0x8>` as address and name.
fn split(text: &str) -> (Option<u64>, &str) {
    let (address, name) = split_word(text.trim());
    let name = name.strip_prefix('<').and_then(|name| name.strip_suffix('>'));
    (u64::from_str_radix(address, 16).ok(), name.unwrap_or_default())
}

/// `mov 0xcad9(%rip),%rdx` with a name in the place of the distance.
fn without_distance(code: &str, name: &str) -> String {
    let (mnemonic, operands) = split_word(code);
    let Some((before, after)) = operands.split_once("(%rip)") else {
        return format!("{mnemonic} {operands} {name}");
    };
    let kept = before.trim_end_matches(|c: char| c.is_ascii_hexdigit() || "-x".contains(c));
    format!("{mnemonic} {kept}[{name}]{after}")
}

fn told(arguments: &[&str], library: &Utf8Path) -> Result<String> {
    let mut command = Command::new(TOOL);
    command.args(arguments).arg(library).env("LC_ALL", "C");
    let output =
        command.output().into_diagnostic().wrap_err_with(|| format!("cannot run {TOOL}"))?;
    if !output.status.success() {
        let words = String::from_utf8_lossy(&output.stderr);
        return Err(miette!("{TOOL} can't read {library}: {}", words.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "\
0000000000000100 <operator delete[](void*)>:
     100:\tmov    0x11cf1(%rip),%rcx        # 17738 <hakmem::thread::REGION+0x8>
     107:\tmov    0xcad9(%rip),%rdx        # 12550 <_DYNAMIC+0x1c0>
     10e:\tje     116 <operator delete[](void*)+0x16>
     110:\tjmp    900 <f(int, <T as X>::y)>
     116:\tmovl   $0x1,0x8(%rip)        # 17740 <G>
     118:\tret
     119:\tint3

0000000000000120 <other>:
     120:\tjmp    *0x10(%rip)        # 12558 <_DYNAMIC+0x1c8>

0000000000000130 <memset@plt>:
     130:\tjmp    *0x10(%rip)        # 12558 <_DYNAMIC+0x1c8>
";
    const RELOCATIONS: &str = "0000000000012550 R_X86_64_TPOFF64  *ABS*\n";
    const SYMBOLS: &str = "0000000000000100 g    DF .text\t0000000000000019  Base        free\n";

    fn listing() -> Listing {
        Listing::parse(CODE, RELOCATIONS, SYMBOLS)
    }

    #[test]
    fn a_function_reads_the_same_wherever_it_lies() {
        let expected = [
            "0 mov [hakmem::thread::REGION+0x8],%rcx",
            "7 mov [R_X86_64_TPOFF64 *ABS*],%rdx",
            "e je +16",
            "10 jmp f(int, <T as X>::y)",
            "16 movl $0x1,[G]",
            "18 ret ",
        ];
        assert_eq!(listing().body("free").unwrap(), expected);
        let moved = CODE.replace("0x11cf1(", "-0x22(").replace("0xcad9(", "0x1(");
        let moved = Listing::parse(&moved, RELOCATIONS, SYMBOLS);
        assert_eq!(moved.body("free").unwrap(), expected);
        assert!(listing().body("malloc").is_err());
    }

    #[test]
    fn a_jump_to_another_library_is_a_call_but_in_a_stub() {
        let path = |places: &[u64]| {
            let mut places: Vec<Place> = places.iter().copied().map(Place::Inside).collect();
            places.push(Place::Outside(9));
            Path { call: "free".into(), places }
        };
        let calls = |places: &[u64]| listing().counts(&path(places)).unwrap().calls;
        assert_eq!((calls(&[0x100, 0x120]), calls(&[0x100, 0x130])), (1, 0));
        assert!(listing().counts(&path(&[0x101])).is_err());
        let shown = listing().shown(&path(&[0x100, 0x120])).unwrap();
        assert!(shown.starts_with("    operator delete[](void*):\n     100  mov "), "{shown}");
        assert!(shown.ends_with("    9 instructions of another library\n"), "{shown}");
    }
}
