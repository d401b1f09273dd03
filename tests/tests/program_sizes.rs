//! What the packet programs weigh, against `program_sizes.toml`: instructions that the verifier
//! reads, bytes that it leaves. Nothing is timed, so that a slower program is found on any machine.
//!
//! Both counts are the kernel's: they are compared on kernels that the table has. `cargo xtask
//! sizes` writes this kernel's anew, after a change that is meant.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use aya::EbpfLoader;
use aya::programs::Xdp;
use edge_filter_tests::kernel::object;
use filter_user::kernel::environment::{parse_version, release};
use serde::{Deserialize, Serialize};

const PROGRAMS: [&str; 3] = ["edge_filter", "edge_filter_linear", "edge_filter_explain"];
/// Says that the table is to be written.
const UPDATE: &str = "EDGE_FILTER_UPDATE_SIZES";

#[derive(Deserialize, Serialize)]
struct Table {
    /// Either way: a program that became smaller leaves room in which the next one grows unseen.
    allowed_drift_percent: u32,
    /// By kernel, then by program.
    kernel: BTreeMap<String, BTreeMap<String, Size>>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
struct Size {
    verified_instructions: u32,
    translated_bytes: u32,
}

#[test]
fn the_programs_weigh_what_the_table_says() {
    let path = path();
    let text = std::fs::read_to_string(&path).expect("the table is there");
    let mut table: Table = toml::from_str(&text).expect("the table is TOML");
    let (major, minor) = parse_version(&release()).expect("the kernel tells its version");
    let kernel = format!("{major}.{minor}");
    let found = measure();
    if std::env::var_os(UPDATE).is_some() {
        table.kernel.insert(kernel, found);
        write(&path, &table);
        return;
    }
    let Some(expected) = table.kernel.get(&kernel) else {
        // Past the capture of the test's output: who reads this must know that nothing was compared.
        let known: Vec<_> = table.kernel.keys().collect();
        let _ = writeln!(
            std::io::stderr(),
            "\nPROGRAM SIZES NOT COMPARED: this kernel is {kernel}, the table has {known:?}; \
             `cargo xtask sizes` adds it\n"
        );
        return;
    };
    let drifted = drifted(expected, &found, table.allowed_drift_percent);
    assert!(
        drifted.is_empty(),
        "the programs weigh something else than {} says for {kernel} (allowed: {} %); if that is \
         meant: cargo xtask sizes\n{}",
        path.display(),
        table.allowed_drift_percent,
        drifted.join("\n")
    );
}

#[test]
fn a_drift_is_found_either_way() {
    let size = |instructions| Size {
        verified_instructions: instructions,
        translated_bytes: 1000,
    };
    let table = |instructions| BTreeMap::from([("edge_filter".to_owned(), size(instructions))]);
    for (instructions, is_found) in [(1000, false), (1050, false), (1051, true), (949, true)] {
        let found = drifted(&table(1000), &table(instructions), 5);
        assert_eq!(!found.is_empty(), is_found, "{found:?}");
    }
    let found = drifted(&table(1000), &BTreeMap::new(), 5);
    assert_eq!(found.len(), 1, "a program that is gone: {found:?}");
}

fn drifted(
    expected: &BTreeMap<String, Size>,
    found: &BTreeMap<String, Size>,
    percent: u32,
) -> Vec<String> {
    let is_near = |expected: u32, found: u32| {
        u64::from(expected.abs_diff(found)) * 100 <= u64::from(expected) * u64::from(percent)
    };
    let names = expected
        .keys()
        .chain(found.keys().filter(|name| !expected.contains_key(*name)));
    names
        .filter_map(|name| {
            let (expected, found) = (expected.get(name), found.get(name));
            let is_same = expected.zip(found).is_some_and(|(expected, found)| {
                is_near(expected.verified_instructions, found.verified_instructions)
                    && is_near(expected.translated_bytes, found.translated_bytes)
            });
            (!is_same).then(|| format!("{name}: table {expected:?}, found {found:?}"))
        })
        .collect()
}

/// Loads each program as the daemon does.
fn measure() -> BTreeMap<String, Size> {
    let object = object("edge-filter.o").expect("the object is built");
    let mut loader = EbpfLoader::new();
    loader.override_global(aya_log::LEVEL, &0_u8, true);
    let mut ebpf = loader.load(&object).expect("needs root");
    let sizes = PROGRAMS.map(|name| {
        let program = ebpf.program_mut(name).expect("the object has it");
        let program: &mut Xdp = program.try_into().expect("it is XDP");
        program.load().expect("the verifier takes it");
        let info = program.info().expect("the kernel tells");
        let size = Size {
            verified_instructions: info.verified_instruction_count().expect("5.16 or later"),
            translated_bytes: info.size_translated().expect("root is told"),
        };
        (name.to_owned(), size)
    });
    sizes.into()
}

fn write(path: &Path, table: &Table) {
    let text = format!(
        "# What the packet programs weigh, by kernel. Written by `cargo xtask sizes`.\n{}",
        toml::to_string(table).expect("it is a table")
    );
    std::fs::write(path, text).expect("the checkout is writable");
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("program_sizes.toml")
}
