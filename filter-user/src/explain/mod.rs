//! `explain`: from an answer in numbers, the loaded program's or the offline one, to what an
//! operator asks: the verdict, why, by which line, and how the source stands.
//!
//! Pure: whoever calls it has asked the kernel, read the files and looked at the clock.

#![forbid(unsafe_code)]

mod decider;
mod frame;
mod question;
mod rates;
mod text;

pub use decider::Decider;
pub use frame::frame;
pub use question::{Flags, Packet, Question, What};
pub use rates::RateState;

use crate::config::policy::Policy;
use crate::config::{At, Key, Loaded, Mention, Places};
use filter_common::addr::Scope;
use filter_common::answer::{self, Answer};
use filter_common::policy::ClassEntry;
use filter_common::verdict::{Action, Outcome, Reason};
use serde::Serialize;

/// What is known beside the answer.
pub struct Facts<'a> {
    /// What was asked about.
    pub question: &'a Question,
    /// What came back.
    pub answer: &'a Answer,
    /// Name of the interface.
    pub device: &'a str,
    /// The policy that judged, with its files, if they are to be had.
    pub loaded: Option<&'a Loaded>,
    /// Who answered.
    pub answered_by: Answerer,
    /// Name of a service by its number.
    pub service_name: &'a dyn Fn(u8) -> Option<String>,
    /// Unix time, seconds.
    pub now_unix: u64,
}

/// Who answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Answerer {
    /// The program in the kernel.
    LoadedProgram,
    /// The same packet path, in this process.
    Offline,
}

/// The whole explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `pass` or `drop`: what happens to the packet.
    pub verdict: &'static str,
    /// `pass`, `drop` or `would_drop`, as in the metrics.
    pub action: &'static str,
    /// As in the metrics.
    pub reason: &'static str,
    /// Of the verdict table; a fault and a missing policy have none.
    pub row: Option<&'static str>,
    /// The reason in words.
    pub meaning: &'static str,
    /// What was asked about.
    pub packet: Packet,
    /// By which interface it comes in.
    pub device: String,
    /// The service that lists the port.
    pub service: Option<Service>,
    /// What decided, and where that is written.
    pub decided_by: Option<Decider>,
    /// What the service says about the source.
    pub class: Option<Class>,
    /// Where the source stands with the rates that were asked.
    pub rates: Vec<RateState>,
    /// Why no rate applies.
    pub exempt: Option<Mention>,
    /// The ban that was found.
    pub ban: Option<Timed>,
    /// The timed allow that was found.
    pub allow: Option<Timed>,
    /// What spares a packet that would be dropped.
    pub spared_by: Vec<&'static str>,
    /// Who answered.
    pub answered_by: Answerer,
    /// Number of the generation that judged; `None` for an offline answer, without a policy, and
    /// where an apply was reverted, since the kernel does not keep the number before it.
    pub generation: Option<u32>,
    /// What else is worth a word.
    pub notes: Vec<String>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Where it is written.
    pub at: Option<At>,
}

/// A class of sources, and what one service says about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Class {
    /// Its number, in the generation that judged.
    pub number: u16,
    /// In the service's `allow`.
    pub is_allowed: bool,
    /// In the service's `deny`.
    pub is_denied: bool,
    /// May reach management ports.
    pub is_management: bool,
    /// Number of its rates; 0 for none.
    pub profile: usize,
}

/// A ban or a timed allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Timed {
    /// The service that it is for; `None` for all.
    pub service: Option<String>,
    /// 32, 64 or 128.
    pub prefix_length: u32,
    /// How long it lasts, rounded up.
    pub seconds_left: u64,
    /// When it ends: Unix time, seconds.
    pub expires_at: u64,
}

impl Explanation {
    /// From everything that is known.
    pub fn new(facts: &Facts<'_>) -> Self {
        let (question, answer) = (facts.question, facts.answer);
        let outcome = answer.outcome();
        let policy = facts.loaded.map(|loaded| &loaded.policy);
        let places = facts.loaded.and_then(Places::new);
        let name = answer.service().map(|number| service_name(facts, number));
        let index = name.as_ref().and_then(|name| position(policy?, name));
        let service = name.map(|name| Service {
            at: index.and_then(|index| places.as_ref()?.key(Key::Service(index))),
            name,
        });
        let sets = decider::Sets {
            question,
            answer,
            policy,
            places: places.as_ref(),
            service: index,
        };
        Self {
            verdict: match outcome.action() {
                Action::Drop => "drop",
                Action::Pass | Action::WouldDrop => "pass",
            },
            action: outcome.action().label(),
            reason: outcome.reason().label(),
            row: row(answer),
            meaning: outcome.reason().help(),
            packet: question.into(),
            device: facts.device.into(),
            decided_by: sets.decider(),
            class: answer.class().map(|found| class(found, service.is_some())),
            rates: rates::states(&sets),
            exempt: sets.exempt(),
            ban: answer.ban().map(|found| timed(facts, found)),
            allow: answer.allow().map(|found| timed(facts, found)),
            spared_by: spared_by(answer),
            answered_by: facts.answered_by,
            generation: generation(answer),
            notes: notes(answer, policy, index),
            service,
        }
    }
}

/// Without a service its flags are nobody's; that of management stands in the whole row.
fn class((number, entry): (u16, ClassEntry), has_service: bool) -> Class {
    Class {
        number,
        is_allowed: has_service && entry.has(ClassEntry::ALLOW),
        is_denied: has_service && entry.has(ClassEntry::DENY),
        is_management: entry.has(ClassEntry::MANAGEMENT),
        profile: if has_service { entry.profile() } else { 0 },
    }
}

fn generation(answer: &Answer) -> Option<u32> {
    let active = answer.active();
    let is_newest = active.is_set() && answer.slot == u64::from(active.slot());
    is_newest.then(|| active.generation())
}

fn service_name(facts: &Facts<'_>, number: u8) -> String {
    (facts.service_name)(number).unwrap_or_else(|| format!("number {number}"))
}

fn position(policy: &Policy, name: &str) -> Option<usize> {
    policy
        .services
        .iter()
        .position(|service| service.name == name)
}

/// Number in the verdict table; its row 7 has two lines.
fn row(answer: &Answer) -> Option<&'static str> {
    Some(match answer.outcome().reason() {
        Reason::NotIp => "1",
        Reason::Malformed => "2",
        Reason::Fragment if answer.has(answer::LATER_FRAGMENT) => "4",
        Reason::Fragment => "3",
        Reason::Icmp => "5",
        Reason::Management => "6",
        Reason::Reply => "7",
        Reason::UnlistedPort => "7b",
        Reason::Banned => "8",
        Reason::Denied => "9",
        Reason::NotAllowed => "10",
        Reason::PacketRate => "11",
        Reason::ConnectionRate => "12",
        Reason::Allowed => "13",
        Reason::NoPolicy | Reason::Fault => return None,
    })
}

fn timed(facts: &Facts<'_>, found: answer::Exception) -> Timed {
    let left_ns = found.expiry_ns.saturating_sub(facts.answer.now_ns);
    // The nearest: the packet program's clock stands still between ticks. 0 would be over.
    let seconds_left = (left_ns.saturating_add(500_000_000) / 1_000_000_000).max(1);
    Timed {
        service: match found.scope() {
            Some(Scope::Service(number)) => Some(service_name(facts, number)),
            Some(Scope::All | Scope::Any) | None => None,
        },
        prefix_length: found.prefix_length(),
        seconds_left,
        expires_at: facts.now_unix.saturating_add(seconds_left),
    }
}

fn spared_by(answer: &Answer) -> Vec<&'static str> {
    let outcome = answer.outcome();
    if outcome.action() != Action::WouldDrop {
        return Vec::new();
    }
    let by = [
        (
            answer.has(answer::POLICY_MONITORS),
            "mode = \"monitor\" of the policy",
        ),
        (
            answer.has(answer::SERVICE_MONITORS) && outcome.has_service(),
            "mode = \"monitor\" of the service",
        ),
        (answer.has(answer::BYPASSED), "a bypass"),
    ];
    let mut spared: Vec<_> = by.iter().filter(|by| by.0).map(|by| by.1).collect();
    if spared.is_empty() {
        spared.push("unlisted_ports = \"monitor\"");
    }
    spared
}

fn notes(answer: &Answer, policy: Option<&Policy>, service: Option<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut say = |text: &str| notes.push(text.to_owned());
    if answer.has(answer::BYPASSED) {
        say("a bypass is in force: everything passes");
    }
    let limit = service.and_then(|at| policy?.services[at].rate_limit.as_ref());
    let is_limited = answer
        .class()
        .is_some_and(|(_, entry)| entry.profile() != 0);
    let is_unasked = answer.outcome() == Outcome::ALLOWED && answer.connections.interval_q8 == 0;
    if is_limited && is_unasked && limit.is_some_and(|limit| limit.connections.is_some()) {
        say("the connection rate is asked only of packets that open a connection");
    }
    notes
}
