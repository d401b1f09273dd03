//! What the scripts of the .deb tell a systemd that runs. As root: they get folders of their own in
//! place of the system's.

use std::path::Path;
use std::process::Command;

const TOLD: &str = "\
postinst configure :
systemd-tmpfiles --create edge-filter.conf
systemctl daemon-reload
prerm upgrade 0.2.0:
postinst configure 0.1.0:
systemd-tmpfiles --create edge-filter.conf
systemctl daemon-reload
systemctl try-restart edge-filter.service
postinst configure 0.1.0:
systemd-tmpfiles --create edge-filter.conf
systemctl daemon-reload
systemctl try-restart edge-filter.service
prerm remove:
systemctl --quiet disable --now edge-filter.service
edge-filter unload
postrm remove:
systemctl daemon-reload
postrm purge:
systemctl daemon-reload
";

#[test]
fn systemd_is_told_what_each_step_needs_and_an_upgrade_outlives_a_failing_restart() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let output = Command::new("unshare")
        .args(["--mount", "sh"])
        .arg(folder.join("tests/packages/maintainer.sh"))
        .arg(folder.join("../config/packages/debian"))
        .output()
        .expect("unshare is there: cargo xtask setup");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), TOLD, "{said}");
    assert!(said.contains("the filter is in force as it was"), "{said}");
}
