//! docs/doctor.md: every check, from the same table that the output names them by.

use super::Check;

/// The whole page.
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    for check in Check::ALL {
        text += &format!("| `{}` | {} |\n", check.id(), check.about());
    }
    text
}

const HEAD: &str = "\
# What `doctor` looks at

`edge-filter doctor` reads the host and its configuration and changes nothing. Each finding is an
*error* (the filter does not start, or drops what it should not), a *warning* (it works, but not as
one would expect) or a *note*, and comes with the command or the line that mends it. The exit
status is 1 with errors or warnings, 0 otherwise; `--json` prints the same for programs.
`--device D` asks about one device, also before there is a configuration.

The limit of locked memory (`ulimit -l`) is not looked at: since Linux 5.11 maps do not count towards it.

| check | what goes wrong where it finds something |
|---|---|
";
