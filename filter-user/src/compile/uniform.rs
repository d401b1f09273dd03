//! Services that say the same about every source of a family, as one that is open to anybody does:
//! their packets need not look their source up.

use filter_common::policy::{ClassEntry, ClassRow, Fixed, GroupEntry, PortEntry, SERVICES};

/// Writes what each service says about all IPv4 and all IPv6 sources, and marks its ports.
///
/// Not those of management, which ask who the source is, nor those of groups, which have no room
/// for the mark.
pub(super) fn write(rows: &[ClassRow], classes: [&[u16]; 2], fixed: &mut Fixed) {
    let [v4, v6] = classes.map(|classes| entries(rows, classes));
    for (service, entries) in fixed.services.iter_mut().zip(v4.into_iter().zip(v6)) {
        service.uniform = entries.into();
    }
    let services = &fixed.services;
    let mark = |port: &mut PortEntry| {
        let Ok(Some(number)) = port.resolve().map(GroupEntry::service) else {
            return;
        };
        if port.is_management() {
            return;
        }
        let [v4, v6] = services[usize::from(number)].uniform;
        if v4 != ClassEntry::NONE {
            *port = port.with_uniform_v4();
        }
        if v6 != ClassEntry::NONE {
            *port = port.with_uniform_v6();
        }
    };
    fixed.tcp.iter_mut().for_each(mark);
    fixed.udp.iter_mut().for_each(mark);
}

/// By service, what the rows of all these classes say, or nothing where they differ.
fn entries(rows: &[ClassRow], classes: &[u16]) -> ClassRow {
    let mut is_seen = vec![false; rows.len()];
    let mut same: Option<ClassRow> = None;
    for &class in classes {
        let class = usize::from(class);
        if std::mem::replace(&mut is_seen[class], true) {
            continue;
        }
        let row = rows[class].map(|entry| entry.without(ClassEntry::OF_ROW));
        let same = same.get_or_insert(row);
        for (same, entry) in same.iter_mut().zip(row) {
            if *same != entry {
                *same = ClassEntry::NONE;
            }
        }
    }
    same.unwrap_or([ClassEntry::NONE; SERVICES])
}
