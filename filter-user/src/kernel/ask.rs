//! Questions to the loaded program: a frame in by test run, the answer out in front of it. Works
//! from the pin alone, and changes nothing: no counter, no rate.

#![forbid(unsafe_code)]

use super::pins::Folder;
use super::{Kernel, KernelError};
use aya::Ebpf;
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya_obj::programs::XdpAttachType;
use filter_common::answer::Answer;
use std::fs;
use std::io;
use zerocopy::FromBytes as _;

/// The program that answers, by its name in the object.
pub const PROGRAM: &str = "edge_filter_explain";
/// `XDP_PASS`: it has answered.
const ANSWERED: u32 = 2;
/// What a test run takes in one buffer: a page of 4,096 bytes, less 256 in front of the frame
/// and 320 behind it (`bpf_prog_test_run_xdp`).
pub const MOST_BYTES: usize = 3520;

/// The program that answers, from its pin.
pub struct Explainer {
    program: Xdp,
}

impl Explainer {
    /// Opens what a daemon, living or dead, has pinned; `None` if nothing is.
    ///
    /// # Errors
    /// The pin cannot be opened.
    pub fn open(folder: &Folder) -> Result<Option<Self>, KernelError> {
        let path = folder.program("explain");
        if !path.exists() {
            return Ok(None);
        }
        match Xdp::from_pin(&path, XdpAttachType::Interface) {
            Ok(program) => Ok(Some(Self { program })),
            Err(error) => Err(KernelError::Pin {
                path,
                doing: "opening the pin",
                source: io::Error::other(error),
            }),
        }
    }

    /// What would become of a frame that comes in by the interface of this index.
    ///
    /// # Errors
    /// The kernel does not run the program, as when there is no such interface.
    pub fn ask(&self, frame: &[u8], interface: u32) -> Result<Answer, KernelError> {
        ask(&self.program, frame, interface)
    }
}

/// What would become of a frame that comes in by the interface of this index; the program is
/// [`PROGRAM`] of some object.
///
/// # Errors
/// As [`Explainer::ask`].
pub fn ask(program: &Xdp, frame: &[u8], interface: u32) -> Result<Answer, KernelError> {
    let fail =
        |source: Box<dyn std::error::Error + Send + Sync>| KernelError::Ask { interface, source };
    let context = context(frame, interface);
    let mut out = vec![0; size_of::<Answer>() + frame.len()];
    let options = TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut out),
        ctx_in: Some(&context),
        ..TestRunOptions::default()
    };
    let run = program
        .test_run(options)
        .map_err(|error| fail(error.into()))?;
    if run.return_value != ANSWERED || run.data_size_out as usize != out.len() {
        let what = "the program had no room for its answer";
        return Err(fail(io::Error::other(what).into()));
    }
    match Answer::read_from_prefix(&out) {
        Ok((answer, _)) => Ok(answer),
        Err(_) => Err(fail(io::Error::other("the answer is too short").into())),
    }
}

/// `struct xdp_md` of linux/bpf.h: data, data_end, data_meta, ingress_ifindex, rx_queue_index,
/// egress_ifindex. Of a test run's the kernel takes the interface; the data begins at 0.
fn context(frame: &[u8], interface: u32) -> [u8; 24] {
    zerocopy::transmute!([0, frame.len() as u32, 0, interface, 0, 0])
}

/// Loads and pins the program that answers. The filter works without it, so a kernel that does
/// not take it is worth a warning, no more.
pub(super) fn provide(ebpf: &mut Ebpf, folder: &Folder) {
    if let Err(error) = try_provide(ebpf, folder) {
        let error = anyhow::Error::from(error);
        tracing::warn!("`explain` will have no answer: {error:#}");
    }
}

fn try_provide(ebpf: &mut Ebpf, folder: &Folder) -> Result<(), KernelError> {
    let program = program(ebpf)?;
    program
        .load()
        .map_err(|error| KernelError::Load(error.into()))?;
    pin(program, folder)
}

/// Pins it again; whatever becomes of that is no reason to be without the filter.
pub(super) fn pin_again(ebpf: &mut Ebpf, folder: &Folder) {
    let pinned = program(ebpf).and_then(|program| pin(program, folder));
    if let Err(error) = pinned {
        let error = anyhow::Error::from(error);
        tracing::warn!("`explain` will have no answer: {error:#}");
    }
}

fn pin(program: &mut Xdp, folder: &Folder) -> Result<(), KernelError> {
    // Moved over the one of an earlier daemon: there is always one to ask. No dots in a bpffs.
    let (beside, path) = (folder.program("explain-new"), folder.program("explain"));
    let fail = |doing, source| KernelError::Pin {
        path: path.clone(),
        doing,
        source,
    };
    match fs::remove_file(&beside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(fail("removing what an earlier daemon left", error));
        }
        _ => {}
    }
    program
        .pin(&beside)
        .map_err(|error| fail("pinning", io::Error::other(error)))?;
    fs::rename(&beside, &path).map_err(|error| fail("pinning", error))
}

fn program(ebpf: &mut Ebpf) -> Result<&mut Xdp, KernelError> {
    let program = ebpf.program_mut(PROGRAM);
    let program = program.ok_or_else(|| super::load::no_program(PROGRAM))?;
    program
        .try_into()
        .map_err(|error: aya::programs::ProgramError| KernelError::Load(error.into()))
}

impl Kernel {
    /// What would become of a frame that comes in by the interface of this index.
    ///
    /// # Errors
    /// As [`Explainer::ask`].
    pub fn ask(&mut self, frame: &[u8], interface: u32) -> Result<Answer, KernelError> {
        ask(program(&mut self.ebpf)?, frame, interface)
    }
}
