//! Bans and allows in the kernel's maps and in the journal: many, too many, and in step. Needs
//! root; everything happens in the test thread's own mount namespace, which goes with it.

mod filter;

use filter::{Filter, of_service, only, order, targets, with_bpffs};
use filter_common::addr::Scope;
use filter_common::state::{ALLOWS, BANS_V4, BANS_V6, BANS_V6_64, of_scope};
use filter_user::exceptions::{
    Journal, Kind, Listing, Now, Order, Sort, Target, Which, list, sweep, sync,
};
use filter_user::kernel::clock;
use std::time::Duration;

const BANS: usize = 100_000;
const ALLOW_ROWS: usize = 10_000;
const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_hundred_thousand_bans_go_in_at_once_and_one_more_changes_nothing() {
    with_bpffs(|folder| {
        let filter = Filter::new(folder, &["api"]);
        filter.ban(None, &targets(0, BANS)).expect("there is room");
        assert_eq!(filter.count(), (BANS as u64, 0));
        assert_eq!(filter.pins().state.exceptions(), BANS_V4 | BANS_V6);

        // Listed by page.
        let ledger = || {
            let journal = Journal::new(&filter.locations.state_directory);
            journal.read().expect("readable").ledger
        };
        let (pins, now) = (filter.pins(), Now::read());
        let rows = list(&ledger(), Kind::Ban, Some(&pins), &filter.book, &now);
        let listing = Listing::new(rows.expect("readable"), Sort::Address, 1000, 100);
        assert_eq!((listing.total, listing.pages), (BANS, 100));
        assert!(listing.rows.iter().all(|row| row.is_in_force));
        assert_eq!(listing.rows.len(), 1000);

        // A full table: half of these are banned already, and still there is no room for others.
        let before = ledger();
        let error = filter.ban(None, &targets(BANS - 5, 10)).expect_err("full");
        let error = error.to_string();
        for expected in ["5 more rows", "0 are free of 100000", "NOTHING was done"] {
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(filter.count(), (BANS as u64, 0));
        assert_eq!(ledger(), before);
        // Who is banned can be banned for longer all the same.
        filter.ban(None, &targets(0, 10)).expect("no more rows");
        let lifted = filter
            .desk()
            .lift(Kind::Ban, Which::default(), &targets(0, 5))
            .expect("lifted");
        assert!(lifted.iter().all(|lifted| lifted.was_in_force));
        filter
            .ban(None, &targets(BANS, 5))
            .expect("there is room again");

        // After a reboot the maps are empty.
        let pins = filter.pins();
        for (key, _) in pins.exceptions.bans.rows().expect("readable") {
            pins.exceptions.bans.remove(&key).expect("removed");
        }
        pins.state.set_exceptions(0);
        let folder = &filter.locations.state_directory;
        sync(folder, &pins, &filter.book, Duration::ZERO).expect("in step");
        assert_eq!(filter.count(), (BANS as u64, 0));
        assert_eq!(pins.state.exceptions(), BANS_V4 | BANS_V6);
        assert_eq!(filter.expiry(Kind::Ban, "10.0.0.2", Scope::All), None);
        let expiry = filter.expiry(Kind::Ban, "10.0.0.6", Scope::All);
        let left = expiry.expect("banned") - clock::monotonic_ns();
        assert!(left <= HOUR.as_nanos() as u64 + 1_000_000_000, "{left}");
    });
}

#[test]
fn too_many_allows_change_nothing_and_one_of_a_service_takes_two_rows() {
    with_bpffs(|folder| {
        let filter = Filter::new(folder, &["api"]);
        let half = ALLOW_ROWS / 2;
        filter.allow(Some("api"), &targets(0, half)).expect("room");
        assert_eq!(filter.count(), (0, half as u64));
        let error = filter.allow(None, &targets(half, 1)).expect_err("full");
        assert!(error.to_string().contains("of 10000"), "{error}");
        assert_eq!(filter.count(), (0, half as u64));
        filter
            .desk()
            .lift(Kind::Allow, of_service("api"), &targets(0, half))
            .expect("lifted");
        assert!(
            filter
                .pins()
                .exceptions
                .allows
                .rows()
                .expect("readable")
                .is_empty()
        );
        sweep(&filter.locations.state_directory, &filter.pins()).expect("swept");
        assert_eq!(filter.pins().state.exceptions(), 0);
    });
}

#[test]
fn a_row_for_any_service_stands_beside_allows_with_the_latest_end() {
    with_bpffs(|folder| {
        let mut filter = Filter::new(folder, &["api", "dns"]);
        let (source, text) = (only("192.0.2.1"), "192.0.2.1");
        let any = |filter: &Filter| filter.expiry(Kind::Allow, text, Scope::Any);
        let of = |filter: &Filter, name| filter.expiry(Kind::Allow, text, filter.number(name));
        filter.allow(Some("api"), &source).expect("room");
        let mut longer = order(Kind::Allow, Some("dns"));
        longer.duration = Some(2 * HOUR);
        filter.desk().set(&longer, &source).expect("room");
        assert_eq!(any(&filter), of(&filter, "dns"));
        let flag = of_scope(ALLOWS, Scope::Any);
        assert_eq!(filter.pins().state.exceptions(), flag);
        filter
            .desk()
            .lift(Kind::Allow, of_service("dns"), &source)
            .expect("lifted");
        assert_eq!(any(&filter), of(&filter, "api"));
        // A service that leaves takes its allow with it, and brings it back.
        filter.reload(&["dns"]);
        assert_eq!(any(&filter), None);
        filter.reload(&["dns", "api"]);
        assert!(any(&filter).is_some() && any(&filter) == of(&filter, "api"));
        filter
            .desk()
            .lift(Kind::Allow, Which::default(), &source)
            .expect("lifted");
        assert_eq!(any(&filter), None);
    });
}

#[test]
fn nobody_inherits_the_bans_of_a_service_by_its_number() {
    with_bpffs(|folder| {
        let names: Vec<String> = (0..64).map(|n| format!("s{n}")).collect();
        let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut filter = Filter::new(folder, &names);
        filter.ban(Some("s7"), &only("192.0.2.1")).expect("room");
        filter
            .ban(Some("s8"), &only("2001:db8::/64"))
            .expect("room");
        let number = filter.number("s7");
        assert!(filter.expiry(Kind::Ban, "192.0.2.1", number).is_some());
        // All numbers are taken: a new name gets that of the one that left.
        names[7] = "other";
        filter.reload(&names);
        assert_eq!(filter.number("other"), number);
        assert_eq!(filter.expiry(Kind::Ban, "192.0.2.1", number), None);
        let of_s8 = filter.expiry(Kind::Ban, "2001:db8::/64", filter.number("s8"));
        assert!(of_s8.is_some());
        let flag = of_scope(BANS_V6_64, Scope::Service(0));
        assert_eq!(filter.pins().state.exceptions(), flag);
        // It returns under another number.
        names[7] = "s7";
        names[9] = "another";
        filter.reload(&names);
        assert!(
            filter
                .expiry(Kind::Ban, "192.0.2.1", filter.number("s7"))
                .is_some()
        );
        assert_eq!(filter.count(), (2, 0));
    });
}

#[test]
fn a_ban_of_another_note_or_a_later_end_is_nobody_elses_to_lift_or_to_shorten() {
    with_bpffs(|folder| {
        let filter = Filter::new(folder, &["api"]);
        let (source, text) = (only("192.0.2.1"), "192.0.2.1");
        let noted = |note: &str| note.parse().expect("a note");
        let ban = |note: &str, hours: Option<u32>, service: Option<&str>| {
            let order = Order {
                duration: hours.map(|hours| HOUR * hours),
                note: Some(noted(note)),
                keeps_longer: true,
                ..order(Kind::Ban, service)
            };
            filter.desk().set(&order, &source).expect("room")
        };
        let lift = |note: &str, service| {
            let note = noted(note);
            let which = Which {
                service,
                note: Some(&note),
            };
            let lifted = filter.desk().lift(Kind::Ban, which, &source);
            lifted.expect("lifted").remove(0)
        };
        let all = || filter.expiry(Kind::Ban, text, Scope::All);
        assert_eq!(ban("short", Some(1), None).new, 1);
        assert_eq!(ban("long", Some(9), None).renewed, 1);
        let end = all();
        let change = ban("short", Some(1), None);
        assert_eq!((change.new, change.renewed, change.kept), (0, 0, 1));
        assert_eq!(all(), end);
        let lifted = lift("short", None);
        assert!(!lifted.was_in_force && lifted.goes_on_with_another_note);
        assert_eq!(all(), end);
        // Without end is longer than anything; each service has bans of its own.
        assert_eq!(ban("ever", None, None).renewed, 1);
        assert_eq!(ban("long", Some(99), None).kept, 1);
        assert_eq!(ban("long", Some(9), Some("api")).new, 1);
        assert!(!lift("ever", Some("api")).was_in_force);
        let lifted = lift("long", None);
        assert!(lifted.was_in_force && lifted.goes_on_with_another_note);
        assert_eq!(filter.expiry(Kind::Ban, text, filter.number("api")), None);
        assert!(lift("ever", None).was_in_force);
        assert_eq!(all(), None);
        // What is written down says the same.
        let folder = &filter.locations.state_directory;
        sync(folder, &filter.pins(), &filter.book, Duration::ZERO).expect("in step");
        assert_eq!(filter.count(), (0, 0));
    });
}

#[test]
fn expired_rows_are_swept_and_make_room() {
    with_bpffs(|folder| {
        let filter = Filter::new(folder, &["api"]);
        let pins = filter.pins();
        let over: Vec<_> = targets(0, BANS)
            .iter()
            .map(|t| (t.key(Scope::All), 1))
            .collect();
        pins.exceptions.bans.set(&over).expect("room");
        assert_eq!(filter.count(), (0, 0));
        filter
            .ban(None, &only("192.0.2.1"))
            .expect("what is over makes room");
        assert_eq!(pins.exceptions.bans.rows().expect("readable").len(), 1);
        filter.ban(None, &only("2001:db8::/64")).expect("room");
        assert_eq!(pins.state.exceptions(), BANS_V4 | BANS_V6_64);
        filter
            .desk()
            .lift(Kind::Ban, Which::default(), &only("192.0.2.1"))
            .expect("lifted");
        sweep(&filter.locations.state_directory, &pins).expect("swept");
        assert_eq!(pins.state.exceptions(), BANS_V6_64);
    });
}

#[test]
fn a_command_that_died_halfway_is_made_good() {
    with_bpffs(|folder| {
        let filter = Filter::new(folder, &["api"]);
        filter.ban(None, &only("192.0.2.1")).expect("room");
        let key = "192.0.2.1"
            .parse::<Target>()
            .expect("an address")
            .key(Scope::All);
        let (pins, folder) = (filter.pins(), &filter.locations.state_directory);
        // Written down, not in the map; and the other way round.
        pins.exceptions.bans.remove(&key).expect("removed");
        let stray = "192.0.2.9"
            .parse::<Target>()
            .expect("an address")
            .key(Scope::All);
        pins.exceptions
            .bans
            .set(&[(stray, u64::MAX)])
            .expect("room");
        sync(folder, &pins, &filter.book, Duration::ZERO).expect("in step");
        let rows = pins.exceptions.bans.rows().expect("readable");
        assert_eq!(rows.iter().map(|row| row.0).collect::<Vec<_>>(), [key]);
        // And an unknown service is refused with those that there are.
        let error = filter
            .ban(Some("apii"), &only("192.0.2.1"))
            .expect_err("unknown");
        assert!(error.to_string().contains("it has: api"), "{error}");
    });
}

#[test]
fn commands_at_the_same_time_wait_for_each_other() {
    with_bpffs(|folder| {
        let filter = Filter::new(folder, &["api"]);
        std::thread::scope(|scope| {
            for start in 0..8 {
                let filter = &filter;
                scope.spawn(move || {
                    for n in 0..20 {
                        filter
                            .ban(None, &targets(100 * start + n, 1))
                            .expect("room");
                    }
                });
            }
        });
        assert_eq!(filter.count(), (160, 0));
        let journal = Journal::new(&filter.locations.state_directory);
        let content = journal.read().expect("readable");
        assert_eq!(content.ledger.len(), 160);
        assert!(content.damaged.is_empty());
    });
}
