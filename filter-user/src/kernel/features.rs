//! What the running kernel offers of what the packet program uses: probed, not concluded from its
//! version.

use aya::maps::MapType;
use aya::programs::ProgramType;
use aya::sys::{BpfHelper, is_helper_supported, is_map_supported, is_program_supported};

const MAPS: [(MapType, &str); 4] = [
    (MapType::RingBuf, "ring buffers (Linux 5.8)"),
    (MapType::ArrayOfMaps, "arrays of maps"),
    (MapType::PerCpuArray, "arrays per CPU"),
    (MapType::Hash, "hash maps"),
];
const HELPERS: [(BpfHelper, &str); 6] = [
    (
        BpfHelper::BPF_FUNC_ktime_get_coarse_ns,
        "the coarse clock (Linux 5.11)",
    ),
    (
        BpfHelper::BPF_FUNC_ktime_get_boot_ns,
        "the boot clock (Linux 5.8)",
    ),
    (BpfHelper::BPF_FUNC_skc_lookup_tcp, "looking up TCP sockets"),
    (BpfHelper::BPF_FUNC_sk_lookup_udp, "looking up UDP sockets"),
    (
        BpfHelper::BPF_FUNC_xdp_adjust_head,
        "moving a packet's start",
    ),
    (
        BpfHelper::BPF_FUNC_xdp_get_buff_len,
        "frames in several buffers (Linux 5.18)",
    ),
];

/// What is missing; empty if nothing is.
///
/// # Errors
/// The kernel refuses to be asked: mostly a lack of capabilities.
pub fn missing() -> Result<Vec<&'static str>, Box<dyn std::error::Error + Send + Sync>> {
    let mut missing = Vec::new();
    if !is_program_supported(ProgramType::Xdp)? {
        missing.push("XDP programs");
    }
    for (kind, name) in MAPS {
        if !is_map_supported(kind)? {
            missing.push(name);
        }
    }
    for (helper, name) in HELPERS {
        if !is_helper_supported(ProgramType::Xdp, helper)? {
            missing.push(name);
        }
    }
    Ok(missing)
}
