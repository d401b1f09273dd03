//! Which helpers of the kernel a program of an object may call, by its own code and by the functions
//! that it calls: an older kernel refuses a program that can reach one that it does not have.

use anyhow::{Context as _, Result};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SymbolKind};
use std::collections::{BTreeSet, HashMap, HashSet};

const INSTRUCTION: u64 = 8;
/// BPF_JMP | BPF_CALL (RFC 9669 s. 4.3); the kind of call stands in the source register.
const CALL: u8 = 0x85;
const OF_A_HELPER: u8 = 0;
const OF_A_FUNCTION: u8 = 1;

/// Code from one address of a section on.
type Place = (SectionIndex, u64);

/// Numbers of the helpers that are reached from an entry point.
///
/// # Errors
/// There is no such entry point, or the code cannot be read.
pub fn helpers(file: &object::File<'_>, entry: &str) -> Result<BTreeSet<u32>> {
    let mut sizes = HashMap::new();
    for symbol in file.symbols().filter(|s| s.kind() == SymbolKind::Text) {
        if let Some(section) = symbol.section_index() {
            sizes.insert((section, symbol.address()), symbol.size());
        }
    }
    let start = file
        .symbols()
        .find(|symbol| symbol.name() == Ok(entry))
        .with_context(|| format!("it has no program {entry}"))?;
    let section = start.section_index().context("a program has code")?;
    let mut open: Vec<Place> = vec![(section, start.address())];
    let mut seen = HashSet::new();
    let mut helpers = BTreeSet::new();
    while let Some(place) = open.pop() {
        if !seen.insert(place) {
            continue;
        }
        let size = sizes.get(&place).context("a call into the middle")?;
        calls(file, place, *size, &mut open, &mut helpers)?;
    }
    Ok(helpers)
}

/// What one function calls.
fn calls(
    file: &object::File<'_>,
    (section, start): Place,
    size: u64,
    functions: &mut Vec<Place>,
    helpers: &mut BTreeSet<u32>,
) -> Result<()> {
    let code = file.section_by_index(section)?;
    let relocations: HashMap<u64, RelocationTarget> = code
        .relocations()
        .map(|(at, relocation)| (at, relocation.target()))
        .collect();
    let bytes = code.data()?;
    for at in (start..start + size).step_by(INSTRUCTION as usize) {
        let instruction = bytes
            .get(at as usize..)
            .and_then(|rest| rest.first_chunk::<{ INSTRUCTION as usize }>())
            .context("code that is cut short")?;
        let [operation, registers, _, _, number @ ..] = *instruction;
        if operation != CALL {
            continue;
        }
        let number = i32::from_le_bytes(number);
        match registers >> 4 {
            OF_A_HELPER => _ = helpers.insert(number as u32),
            OF_A_FUNCTION => {
                // Relative to the next instruction, or to the start of a section.
                let relative = (i64::from(number) + 1) * INSTRUCTION as i64;
                functions.push(match relocations.get(&at) {
                    None => (section, at.wrapping_add_signed(relative)),
                    Some(RelocationTarget::Symbol(index)) => {
                        let symbol = file.symbol_by_index(*index)?;
                        let of = symbol
                            .section_index()
                            .context("a function that is not there")?;
                        (of, symbol.address().wrapping_add_signed(relative))
                    }
                    Some(other) => anyhow::bail!("a call of {other:?}"),
                });
            }
            _ => {}
        }
    }
    Ok(())
}
