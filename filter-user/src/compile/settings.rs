//! Settings of the policy and of its services.

use super::Ids;
use crate::config::policy::{Mode, Policy, Service, Unlisted};
use filter_common::policy::{
    self as layout, ClassEntry, Fixed, UNKNOWN_INTERFACE, UNLISTED_DROP, UNLISTED_MONITOR,
    UNLISTED_PASS,
};

/// Writes both but for the page numbers, the address hash, and who says the same about all.
pub(super) fn write(policy: &Policy, ids: &Ids, fixed: &mut Fixed) {
    let settings = &mut fixed.settings;
    settings.interfaces = 1 << UNKNOWN_INTERFACE;
    for slot in &ids.interfaces {
        settings.interfaces |= 1 << slot;
    }
    settings.is_monitor = is_monitor(policy.mode);
    settings.unlisted = match policy.unlisted_ports {
        Unlisted::Pass => UNLISTED_PASS,
        Unlisted::Monitor => UNLISTED_MONITOR,
        Unlisted::Drop => UNLISTED_DROP,
    };
    for protocol in &policy.protocols {
        settings.protocols[usize::from(protocol / 64)] |= 1 << (protocol % 64);
    }
    for (service, number) in policy.services.iter().zip(&ids.services) {
        fixed.services[usize::from(*number)] = service_settings(service);
    }
}

fn service_settings(service: &Service) -> layout::Service {
    let (length4, length6) = service.rate_limit.as_ref().map_or((32, 128), |limit| {
        (limit.source_prefix_ipv4, limit.source_prefix_ipv6)
    });
    let mask6 = !u128::MAX.checked_shr(length6.into()).unwrap_or(0);
    layout::Service {
        mask4: !u32::MAX.checked_shr(length4.into()).unwrap_or(0),
        is_monitor: is_monitor(service.mode),
        upper_mask6: (mask6 >> 64) as u64,
        lower_mask6: mask6 as u64,
        logs_connections: service.log_connections.into(),
        uniform: [ClassEntry::NONE; 2],
    }
}

const fn is_monitor(mode: Mode) -> u32 {
    match mode {
        Mode::Enforce => 0,
        Mode::Monitor => 1,
    }
}
