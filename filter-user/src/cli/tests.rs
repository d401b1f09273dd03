//! What is on the command line, and what is wrong on it.

use super::*;

#[test]
fn definitions_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn paths_may_stand_before_and_behind_the_command() {
    for arguments in [
        ["edge-filter", "--config", "a.toml", "check"],
        ["edge-filter", "check", "--config", "a.toml"],
    ] {
        let cli = Cli::try_parse_from(arguments).expect("valid usage");
        assert_eq!(cli.paths.config, PathBuf::from("a.toml"));
    }
}

#[test]
fn a_configuration_is_named_on_the_command_line_or_not() {
    for (arguments, is_named) in [
        (&["edge-filter", "--config", "a.toml", "check"][..], true),
        (&["edge-filter", "check", "--config", "a.toml"], true),
        (&["edge-filter", "check"], false),
    ] {
        let matches = Cli::command().try_get_matches_from(arguments);
        let cli = Cli::from_matches(&matches.expect("valid usage"));
        assert_eq!(cli.expect("valid usage").paths.is_config_named, is_named);
    }
}

#[test]
fn wrong_usage_exits_2() {
    let error = Cli::try_parse_from(["edge-filter", "chekc"]).expect_err("no such command");
    assert_eq!(error.exit_code(), 2);
}

#[test]
fn events_are_asked_for_by_address_or_prefix() {
    for source in ["10.0.0.1", "10.0.0.0/8", "2001:db8::1", "2001:db8::/32"] {
        let arguments = ["edge-filter", "events", "--source", source];
        Cli::try_parse_from(arguments).expect("valid usage");
    }
    for wrong in [["--source", "everyone"], ["--reason", "bad_luck"]] {
        let arguments = ["edge-filter", "events"].into_iter().chain(wrong);
        let error = Cli::try_parse_from(arguments).expect_err("no such thing");
        assert_eq!(error.exit_code(), 2);
    }
}

#[test]
fn levels_count_as_the_packet_program_does() {
    assert_eq!(LogLevel::Error.number(), 1);
    assert_eq!(LogLevel::Trace.number(), 5);
}
