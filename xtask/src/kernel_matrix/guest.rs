//! What is in a guest: programs of the host with their libraries, the tests, and the steps to run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::command;
use crate::machine::cpio::Archive;
use crate::machine::kernels::{Kernel, Series};
use crate::machine::{busybox, modules};
use crate::progress::say;
use crate::workspace::Workspace;

/// The first that must run the filter; one below must refuse, and say why.
const OLDEST: Series = Series::new(5, 15);

/// Modules that a host would load by itself when they are asked for.
const MODULES: [&str; 9] = [
    "veth",
    "8021q",
    "dummy",
    "tun",
    "bridge",
    "macvlan",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
];

/// Test programs by the name of their target.
const TESTS: [&str; 9] = [
    "agreement",
    "buffers",
    "events",
    "explain",
    "fixtures",
    "kernel_exceptions",
    "kernel_life",
    "netns",
    "rates",
];

/// Texts that tests compare with what they got.
const SNAPSHOTS: &str = "filter-user/tests/snapshots";

/// What must succeed on a kernel.
pub struct Step {
    pub name: &'static str,
    command: &'static str,
    /// Quick enough for each commit.
    is_quick: bool,
}

impl Step {
    /// Runs a test program, which must have found a test to run.
    pub fn is_of_tests(&self) -> bool {
        self.command.starts_with("/tests/")
    }
}

/// What must hold on a kernel. Names are parts of the tests' names.
const STEPS: [Step; 10] = [
    Step {
        name: "load",
        command: "/tests/agreement --test-threads=1 --nocapture the_verifier",
        is_quick: true,
    },
    Step {
        name: "fixtures",
        command: "/tests/fixtures --test-threads=1",
        is_quick: true,
    },
    Step {
        name: "buffers",
        command: "/tests/buffers --test-threads=1",
        is_quick: true,
    },
    Step {
        name: "life",
        command: "/tests/kernel_life --test-threads=1",
        is_quick: true,
    },
    Step {
        name: "events",
        command: "/tests/events --test-threads=1",
        is_quick: false,
    },
    Step {
        name: "core",
        command: "/tests/netns --test-threads=1 access:: apply::a_candidate_reverts \
                  interfaces::generic_mode reload::a_rejected reload::a_source",
        is_quick: true,
    },
    // The clock is the guest's own: elsewhere this test is not run.
    Step {
        name: "clock",
        command: "/tests/netns --test-threads=1 --ignored clock::",
        is_quick: false,
    },
    Step {
        name: "explain",
        command: "/tests/explain --test-threads=1",
        is_quick: false,
    },
    Step {
        name: "agreement",
        command: "/tests/agreement --test-threads=1 the_kernel_agrees",
        is_quick: false,
    },
    Step {
        name: "namespaces",
        command: "/tests/netns --test-threads=1 addresses:: apply:: bypass:: events:: explain:: \
                  frames:: guard:: interfaces:: life:: monitor:: reload:: unlisted:: upgrade:: \
                  bans::a_ban bans::bans boot::a_renamed boot::attached",
        is_quick: false,
    },
];

/// A kernel that is too old must be named as such, before anything is done.
const REFUSAL: [Step; 1] = [Step {
    name: "refusal",
    command: "printf '[[service]]\\nname = \"web\"\\nports = [\"443/tcp\"]\\nallow = [\"any\"]\\n\
              interfaces = [\"lo\"]\\n' > /tmp/f.toml; \
              /bin/edge-filter run --config /tmp/f.toml > /tmp/out 2>&1; code=$?; \
              busybox cat /tmp/out; [ $code != 0 ] && busybox grep -q 'is too old: edge-filter needs 5.15' /tmp/out \
              && [ -z \"$(busybox ls /sys/fs/bpf)\" ]",
    is_quick: true,
}];

/// The steps for a series; for each commit the quick ones.
pub fn steps(series: Series, filter: Option<&str>, is_quick_only: bool) -> Vec<&'static Step> {
    let all = match series < OLDEST {
        true => &REFUSAL[..],
        false => &STEPS[..],
    };
    all.iter()
        .filter(|step| step.is_quick || !is_quick_only)
        .filter(|step| filter.is_none_or(|text| step.name.contains(text)))
        .collect()
}

/// Everything that guests of all kernels have.
pub struct Guest {
    archive: Archive,
}

impl Guest {
    /// Builds the tests and gathers the files.
    pub fn prepare(workspace: &Workspace, edge_filter: &Path, folder: &Path) -> Result<Self> {
        let stripped = folder.join("stripped");
        for made in [folder, &stripped] {
            fs::create_dir_all(made).with_context(|| format!("cannot make {}", made.display()))?;
        }
        let mut archive = Archive::default();
        for place in ["/proc", "/sys", "/dev", "/run", "/tmp", "/etc", "/root"] {
            archive.folder(place);
        }
        archive.device("/dev/console", 5, 1);
        archive.device("/dev/null", 1, 3);
        archive.file("/init", include_bytes!("init.sh"));
        archive.file("/bin/busybox", &busybox(folder)?);
        let mut libraries = Vec::new();
        let mut program = |archive: &mut Archive, path: &str, file: &Path, is_ours: bool| {
            let code = match is_ours {
                true => strip(file, &stripped)?,
                false => fs::read(file).with_context(|| format!("no {}", file.display()))?,
            };
            archive.file(path, &code);
            libraries.extend(libraries_of(file)?);
            anyhow::Ok(())
        };
        program(&mut archive, "/bin/sh", Path::new("/bin/dash"), false)?;
        program(&mut archive, "/usr/sbin/ip", &found("ip")?, false)?;
        program(&mut archive, "/bin/edge-filter", edge_filter, true)?;
        let next = workspace.edge_filter_next_abi();
        program(&mut archive, "/bin/edge-filter-next-abi", &next, true)?;
        for (name, file) in tests(workspace)? {
            program(&mut archive, &format!("/tests/{name}"), &file, true)?;
        }
        libraries.sort();
        libraries.dedup();
        for library in libraries {
            let code = fs::read(&library).with_context(|| format!("no {}", library.display()))?;
            archive.file(&library.to_string_lossy(), &code);
        }
        add_files(&mut archive, "/objects", &workspace.objects())?;
        let snapshots = workspace.root().join(SNAPSHOTS);
        add_files(&mut archive, &format!("/source/{SNAPSHOTS}"), &snapshots)?;
        Ok(Self { archive })
    }

    /// The initial file system for one kernel.
    pub fn with(&self, kernel: &Kernel, steps: &[&Step]) -> Result<Vec<u8>> {
        let mut archive = self.archive.clone();
        let mut order = String::new();
        for module in modules::in_order(&kernel.modules, &MODULES)? {
            archive.file(&format!("/modules/{}", module.name), &module.code);
            order += &format!("{}\n", module.name);
        }
        archive.file("/modules/order", order.as_bytes());
        let steps: String = steps
            .iter()
            .map(|step| format!("{} {}\n", step.name, step.command))
            .collect();
        archive.file("/steps", steps.as_bytes());
        Ok(archive.finish())
    }
}

/// All files of a folder of the host.
fn add_files(archive: &mut Archive, place: &str, folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("no {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = format!("{place}/{}", entry.file_name().to_string_lossy());
        archive.file(&path, &fs::read(entry.path())?);
    }
    Ok(())
}

/// A line of `cargo test --message-format=json`.
#[derive(Deserialize)]
struct Message {
    target: Option<Target>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

/// Builds the test programs; the same as `cargo xtask test` runs.
fn tests(workspace: &Workspace) -> Result<Vec<(String, PathBuf)>> {
    say("building the tests (some minutes the first time)");
    let output = command::output(command::cargo(workspace.root()).args([
        "test",
        "--workspace",
        "--no-run",
        "--message-format=json",
    ]))?;
    let mut found = Vec::new();
    for line in output.lines() {
        let message: Message = serde_json::from_str(line).context("not a message of cargo's")?;
        if let (Some(target), Some(executable)) = (message.target, message.executable)
            && target.kind == ["test"]
            && TESTS.contains(&target.name.as_str())
        {
            found.push((target.name, executable));
        }
    }
    found.sort();
    if let Some(two) = found.windows(2).find(|two| two[0].0 == two[1].0) {
        bail!("two test programs are called {}", two[0].0);
    }
    Ok(found)
}

/// Without what only debuggers read: it would be ten times as long.
fn strip(file: &Path, folder: &Path) -> Result<Vec<u8>> {
    let name = file.file_name().context("it has no name")?;
    let out = folder.join(name);
    command::output(
        Command::new("strip")
            .args(["--strip-debug", "-o"])
            .args([&out, file]),
    )?;
    fs::read(&out).with_context(|| format!("cannot read {}", out.display()))
}

/// What the dynamic linker will open, itself included.
fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let list = command::output(Command::new("ldd").arg(program))?;
    // `libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)` and `/lib64/ld-linux… (0x…)`
    let path = |line: &str| {
        let path = line.split_whitespace().find(|word| word.starts_with('/'))?;
        Some(PathBuf::from(path))
    };
    Ok(list.lines().filter_map(path).collect())
}

fn found(program: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
        .with_context(|| format!("this host has no {program}"))
}
