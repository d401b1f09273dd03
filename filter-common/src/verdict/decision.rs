//! What `decide` says of a packet, as one word: every packet carries one through the program.

use super::{OUTCOMES, Outcome, ROWS, Reason};

/// The outcome, the service's number, and whether the service logs the connection that this packet
/// opens.
///
/// One word: an [`Outcome`], to whose number the service's is added, times 16. That is the place
/// of its counter among those of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision(u32);

impl Decision {
    /// A new connection to a service that logs those that it takes.
    const LOGGED: u32 = 8;
    /// From one service to the next.
    const SERVICE: u32 = Outcome::NEXT * OUTCOMES as u32;

    /// A decision that belongs to no service.
    #[inline(always)]
    pub const fn general(outcome: Outcome) -> Self {
        Self(outcome.0)
    }

    /// A decision of a service.
    #[inline(always)]
    pub const fn of_service(outcome: Outcome, service: u8) -> Self {
        Self(outcome.0 + service as u32 * Self::SERVICE)
    }

    /// The same, of a new connection to a service that logs those that it takes, if the lowest bit
    /// of `logs` is set.
    #[inline(always)]
    pub const fn logged(self, logs: u32) -> Self {
        Self(self.0 | ((logs & 1) * Self::LOGGED))
    }

    /// The word, to be handed on to another function.
    #[inline(always)]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// What [`Self::to_bits`] gave.
    #[inline(always)]
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Verdict and reason.
    #[inline(always)]
    pub const fn outcome(self) -> Outcome {
        let place = self.place();
        let number = if place < OUTCOMES as u32 {
            place
        } else {
            OUTCOMES as u32 + place % OUTCOMES as u32
        };
        let beside = self.0 & (Outcome::NEXT - 1) & !Self::LOGGED;
        Outcome(number << Outcome::NUMBER_SHIFT | beside)
    }

    /// The service's number, where the packet belongs to one.
    #[inline(always)]
    pub const fn service(self) -> Option<u8> {
        match self.place() / OUTCOMES as u32 {
            0 => None,
            row => Some(row as u8 - 1),
        }
    }

    /// Whether it ends the packet.
    #[inline(always)]
    pub const fn drops(self) -> bool {
        Outcome(self.0).drops()
    }

    /// Whether it is [`Outcome::FAULT`].
    #[inline(always)]
    pub const fn is_fault(self) -> bool {
        self.place() == Outcome::FAULT.0 >> Outcome::NUMBER_SHIFT
    }

    /// The same, spared; as [`Outcome::spared`].
    #[inline(always)]
    pub const fn spared(self) -> Self {
        Self(Outcome(self.0).spared().0)
    }

    /// Whether it is an event.
    #[inline(always)]
    pub const fn is_reported(self) -> bool {
        self.0 & (Outcome::REPORTED | Self::LOGGED) != 0
    }

    /// Whether it may be the decision of a packet that lies in more than one buffer, of which only
    /// the first was looked into: its IP length was not read, or its headers were not found.
    #[inline(always)]
    pub const fn may_be_cut_short(self) -> bool {
        self.0 & Outcome::CUT_SHORT != 0
    }

    /// Whether the parser made it, for want of a header perhaps.
    #[inline(always)]
    pub const fn is_of_the_parser(self) -> bool {
        const PARSER: u32 = 1 << Reason::Malformed as u32 | 1 << Reason::Fragment as u32;
        PARSER >> self.reason_number() & 1 != 0
    }

    /// Number of the reason.
    #[inline(always)]
    pub const fn reason_number(self) -> usize {
        Outcome(self.0).reason_number()
    }

    /// Where it is counted, for an interface slot.
    #[inline(always)]
    pub const fn counter(self, interface: u32) -> u32 {
        interface * (ROWS * OUTCOMES) as u32 + self.place()
    }

    /// Place of its counter among those of an interface: of outcomes of no service, then of each
    /// service's. Those of services are numbered from 16 on: that is the row's step.
    #[inline(always)]
    const fn place(self) -> u32 {
        self.0 >> Outcome::NUMBER_SHIFT
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Action, COUNTERS, counter_place};
    use super::*;
    use crate::policy::{INTERFACES, SERVICES};

    fn outcomes() -> impl Iterator<Item = Outcome> {
        (0..=u8::MAX).filter_map(Outcome::from_number)
    }

    /// Of an outcome: without a service, or of each one.
    fn decisions(outcome: Outcome) -> impl Iterator<Item = (Option<u8>, Decision)> {
        let services = if outcome.has_service() {
            SERVICES as u8
        } else {
            1
        };
        (0..services).map(move |service| {
            if outcome.has_service() {
                (Some(service), Decision::of_service(outcome, service))
            } else {
                (None, Decision::general(outcome))
            }
        })
    }

    #[test]
    fn a_decision_says_what_it_was_made_of_and_is_counted_there() {
        for outcome in outcomes() {
            for (service, decision) in decisions(outcome) {
                for logs in [0, 1, u32::MAX - 1, u32::MAX] {
                    let decision = decision.logged(logs);
                    assert_eq!(decision.outcome(), outcome);
                    assert_eq!(decision.service(), service);
                    assert_eq!(decision.drops(), outcome.drops());
                    assert_eq!(decision.is_fault(), outcome == Outcome::FAULT);
                    assert_eq!(decision.reason_number(), outcome.reason() as usize);
                    assert_eq!(
                        decision.is_reported(),
                        logs & 1 == 1 || outcome.is_reported()
                    );
                    assert_eq!(Decision::from_bits(decision.to_bits()), decision);
                    for interface in [0, 1, INTERFACES as u32] {
                        let counter = decision.counter(interface);
                        assert!((counter as usize) < COUNTERS);
                        let place = (interface, service, Some(outcome));
                        assert_eq!(counter_place(counter), place);
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_spared_would_be_dropped_for_the_same_reason_from_the_same_service() {
        for outcome in outcomes() {
            for (service, decision) in decisions(outcome) {
                let spared = decision.spared();
                assert_eq!(spared.outcome(), outcome.spared());
                assert_eq!(spared.service(), service);
                assert_eq!(spared.may_be_cut_short(), decision.may_be_cut_short());
                assert_eq!(spared.outcome().reason(), outcome.reason());
                let action = match outcome.action() {
                    Action::Drop => Action::WouldDrop,
                    other => other,
                };
                assert_eq!(spared.outcome().action(), action);
            }
        }
    }

    #[test]
    fn outcomes_are_ordered_by_number() {
        assert!(outcomes().is_sorted_by_key(Outcome::number));
        assert!(outcomes().is_sorted());
        assert_eq!(outcomes().count(), 28);
    }
}
