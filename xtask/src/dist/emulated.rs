//! The trial of packages for another machine: what is inside answers as the host's own program
//! does, under an emulator. Only what needs no kernel: `check`, `explain --config`, `replay`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Dist;
use super::architecture::Architecture;
use crate::command;
use crate::progress;
use crate::workspace::Workspace;

/// Runs the program of this .deb.
pub fn package(workspace: &Workspace, dist: &Dist, package: &Path) -> Result<()> {
    progress::step("the arm64 program under emulation");
    let mut field = Command::new("dpkg-deb");
    field.arg("--field").arg(package).arg("Architecture");
    let architecture = command::output(&mut field)?;
    ensure!(
        architecture.trim() == dist.architecture.debian(),
        "{} is for {architecture}",
        package.display()
    );
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    let mut unpack = Command::new("dpkg-deb");
    command::output(unpack.arg("-x").arg(package).arg(folder.path()))?;
    let program = folder.path().join("usr/bin/edge-filter");
    let capture = folder.path().join("capture.pcap");
    fs::write(&capture, pcap()).with_context(|| format!("cannot write {}", capture.display()))?;
    let capture = capture.to_string_lossy().into_owned();
    let config = workspace.root().join("config/example.toml");
    let config = config.to_string_lossy().into_owned();
    let ask = ["--port", "8000/tcp", "--device", "eth0", "--json"];
    for arguments in [
        vec!["--version"],
        vec!["check", "--config", &config],
        [
            &["explain", "--config", &config, "--src", "203.0.113.7"],
            &ask[..],
        ]
        .concat(),
        [
            &["explain", "--config", &config, "--src", "2001:db8::7"],
            &ask[..],
        ]
        .concat(),
        vec![
            "replay", &capture, "--device", "eth0", "--config", &config, "--json",
        ],
    ] {
        let mut native = Command::new(workspace.edge_filter());
        let wanted = command::output(native.args(&arguments))?;
        let mut emulated = dist.architecture.start(&program);
        let said = command::output(emulated.args(&arguments))?;
        ensure!(
            !said.is_empty() && said == wanted,
            "edge-filter {} says on {}:\n{said}\nand here:\n{wanted}",
            arguments.join(" "),
            Architecture::machine(dist.architecture),
        );
    }
    Ok(())
}

/// A capture: SYNs to 443 from a source that may be listed, from one that is not, and one cut short.
fn pcap() -> Vec<u8> {
    // Little-endian, microseconds, version 2.4, Ethernet (draft-ietf-opsawg-pcap s. 4).
    let mut file = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1]
        .map(u32::to_le_bytes)
        .concat();
    for (second, source) in [[203, 0, 113, 7], [192, 0, 2, 66]].into_iter().enumerate() {
        for length in [54, 40] {
            let frame = syn(source);
            let frame = frame.get(..length).unwrap_or(&frame);
            let bytes = frame.len() as u32;
            let record = [1_700_000_000 + second as u32, 0, bytes, bytes];
            file.extend(record.map(u32::to_le_bytes).concat());
            file.extend(frame);
        }
    }
    file
}

/// From port 40000 to 192.0.2.80, 443/tcp; checksums are the stack's business.
fn syn(source: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00];
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
    frame.extend(source);
    frame.extend([192, 0, 2, 80]);
    frame.extend([0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, 0x02]);
    frame.extend([0xff, 0xff, 0, 0, 0, 0]);
    frame
}
