//! Asking about a packet: the same `decide`, over tables that only look, and that write down
//! what was looked at. For `explain`, in the kernel and offline alike.
//!
//! Nothing is counted, booked or noted: who asks ten times gets ten times the same answer.

use crate::packet::Packet;
use crate::pipeline::decide;
use crate::tables::{Ends, Finding, Tables, UdpSocket};
use filter_common::addr::{Address, SourceKey};
use filter_common::answer::{
    BYPASSED, Exception, LATER_FRAGMENT, Limited, POLICY_MONITORS, SERVICE_MONITORS, Words, word,
};
use filter_common::gcra::{Cost, Kind, Rate};
use filter_common::policy::{Fixed, Page, Pages, SERVICES};
use filter_common::sources::{Seed, Taken, WAYS};
use filter_common::verdict::Note;

/// Judges a packet and writes the answer, all but `active` and `slot`, which only who opened the
/// tables knows. The words are zero before.
#[inline(always)]
pub fn answer<P, T>(packet: &P, tables: &T, now_ns: u64, words: &Words)
where
    P: Packet + ?Sized,
    T: Tables,
{
    words[word::NOW].set(now_ns);
    words[word::INTERFACE].set(u64::from(tables.interface()));
    if tables.fixed().settings.is_monitor != 0 {
        add(words, POLICY_MONITORS);
    }
    if tables.is_bypassed() {
        add(words, BYPASSED);
    }
    let decision = decide(packet, &Asking { tables, words }, || now_ns);
    words[word::OUTCOME].set(u64::from(decision.outcome().number()));
}

#[inline(always)]
fn add(words: &Words, flag: u64) {
    words[word::FLAGS].set(words[word::FLAGS].get() | flag);
}

/// Tables that look, and change nothing.
struct Asking<'a, T> {
    tables: &'a T,
    words: &'a Words,
}

impl<T: Tables> Asking<'_, T> {
    /// Whether an event would conform; writes down the rate and the source's state.
    #[inline(always)]
    fn conforms(
        &self,
        kind: Kind,
        hash: u64,
        rate: &Rate,
        cost: Cost,
        now_ns: u64,
    ) -> Option<bool> {
        let at = match kind {
            Kind::Connection => word::CONNECTIONS,
            Kind::Packet => word::PACKETS,
        };
        let (interval_q8, limit) = rate.to_parts();
        self.words[at + 1].set(interval_q8);
        self.words[at + 2].set(limit);
        let Some(arrival) = self.tables.look(kind, hash)? else {
            return Some(true);
        };
        let now = kind.time(now_ns);
        // A time that has come holds no information: as if there were none.
        if rate.ahead(arrival, now) != 0 {
            self.words[at].set(Limited::KNOWN | arrival);
        }
        Some(rate.next(arrival, now, cost).is_some())
    }

    #[inline(always)]
    fn found(&self, at: usize, key: &SourceKey, expiry_ns: u64) {
        self.words[at].set(expiry_ns);
        self.words[at + 1].set(Exception::key_word(key));
    }
}

impl<T: Tables> Pages for Asking<'_, T> {
    #[inline(always)]
    fn page(&self, page: u32) -> Option<&Page> {
        self.tables.page(page)
    }
}

impl<T: Tables> Tables for Asking<'_, T> {
    type Cell = T::Cell;

    #[inline(always)]
    fn fixed(&self) -> &Fixed {
        self.tables.fixed()
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        self.tables.interface()
    }

    #[inline(always)]
    fn class(&self, source: Address) -> Option<u16> {
        self.tables.class(source)
    }

    #[inline(always)]
    fn seed(&self) -> &Seed {
        self.tables.seed()
    }

    #[inline(always)]
    fn cells(&self, kind: Kind, hash: u64) -> Option<&[T::Cell; WAYS]> {
        self.tables.cells(kind, hash)
    }

    #[inline(always)]
    fn take(&self, kind: Kind, hash: u64, rate: &Rate, cost: Cost, now_ns: u64) -> Option<Taken> {
        Some(Taken {
            conforms: self.conforms(kind, hash, rate, cost, now_ns)?,
            evicted: false,
            contended: false,
        })
    }

    #[inline(always)]
    fn peek(&self, kind: Kind, hash: u64, rate: &Rate, cost: Cost, now_ns: u64) -> Option<bool> {
        self.conforms(kind, hash, rate, cost, now_ns)
    }

    #[inline(always)]
    fn look(&self, kind: Kind, hash: u64) -> Option<Option<u64>> {
        self.tables.look(kind, hash)
    }

    #[inline(always)]
    fn exceptions(&self) -> u64 {
        self.tables.exceptions()
    }

    #[inline(always)]
    fn ban_expiry(&self, key: &SourceKey) -> Option<u64> {
        let expiry = self.tables.ban_expiry(key)?;
        self.found(word::BAN, key, expiry);
        Some(expiry)
    }

    #[inline(always)]
    fn allow_expiry(&self, key: &SourceKey) -> Option<u64> {
        let expiry = self.tables.allow_expiry(key)?;
        self.found(word::ALLOW, key, expiry);
        Some(expiry)
    }

    #[inline(always)]
    fn is_bypassed(&self) -> bool {
        self.words[word::FLAGS].get() & BYPASSED != 0
    }

    #[inline(always)]
    fn is_ephemeral(&self, port: u16) -> bool {
        self.tables.is_ephemeral(port)
    }

    #[inline(always)]
    fn has_tcp_connection(&self, ends: &Ends) -> bool {
        self.tables.has_tcp_connection(ends)
    }

    #[inline(always)]
    fn udp_socket(&self, ends: &Ends) -> UdpSocket {
        self.tables.udp_socket(ends)
    }

    #[inline(always)]
    fn note(&self, _: Note) {}

    #[inline(always)]
    fn wants_class(&self) -> bool {
        true
    }

    #[inline(always)]
    fn tell(&self, finding: Finding) {
        match finding {
            Finding::Listed(entry) => {
                let Some(service) = entry.service() else {
                    return;
                };
                self.words[word::SERVICE].set(u64::from(service) + 1);
                let service = &self.fixed().services[usize::from(service) % SERVICES];
                if service.is_monitor != 0 {
                    add(self.words, SERVICE_MONITORS);
                }
            }
            Finding::Class(class, entry) => {
                self.words[word::CLASS].set(u64::from(class) + 1);
                self.words[word::ENTRY].set(u64::from(entry.to_bits()));
            }
            Finding::LaterFragment => add(self.words, LATER_FRAGMENT),
        }
    }
}
