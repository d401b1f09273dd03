//! What does not fit is refused, and the message names what to change.

use super::random::Random;
use super::*;
use crate::compile::CompileError;
use crate::config::policy::Override;
use filter_common::policy::{CLASSES, GROUPS, PROFILES};
use std::net::{IpAddr, Ipv4Addr};

fn error(policy: &Policy) -> CompileError {
    match compile(policy, &Ids::in_order(policy)) {
        Ok(_) => panic!("compiled beyond capacity"),
        Err(error) => error,
    }
}

/// Classes for all combinations of 17 lists up to `addresses`.
fn combinations(addresses: u32) -> Policy {
    let mut policy = empty_policy();
    for bit in 0..17 {
        let members = (0..addresses).filter(|at| at >> bit & 1 == 1);
        let v4 = members.map(|at| Ipv4Net::from(Ipv4Addr::from(0x0a00_0000 + at)));
        policy
            .lists
            .push(list(&format!("list{bit}"), v4.collect(), Vec::new()));
        let mut service = service(&format!("service{bit}"), bit);
        service.allow = of_lists(&[usize::from(bit)]);
        policy.services.push(service);
    }
    policy
}

#[test]
fn classes_fit_up_to_their_limit_and_no_further() {
    let policy = combinations(CLASSES as u32);
    assert_eq!(in_order(&policy).summary.classes, CLASSES);
    let error = error(&combinations(CLASSES as u32 + 1));
    assert!(matches!(error, CompileError::Classes { .. }));
    assert!(error.to_string().contains("list \"list"), "{error}");
}

#[test]
fn profiles_fit_up_to_their_limit_and_no_further() {
    let mut policy = empty_policy();
    let mut limited = service("many-rates", 1);
    let overrides = (1..PROFILES as u32 - 1).map(|at| Override {
        sources: Sources {
            v4: vec![Ipv4Net::from(Ipv4Addr::from(at))],
            ..Sources::default()
        },
        connections: Some(Rate {
            per_second: 3.0,
            burst: 5.0,
        }),
        packets: None,
    });
    let mut limit = rate_limit(20.0);
    limit.overrides = overrides.collect();
    limited.rate_limit = Some(limit);
    policy.services.push(limited);
    policy.services.push(service("few-rates", 2));
    assert_eq!(in_order(&policy).summary.profiles, PROFILES - 1);
    policy.services[1].rate_limit = Some(rate_limit(21.0));
    let error = error(&policy);
    assert!(
        error
            .to_string()
            .contains("service \"many-rates\", service"),
        "{error}"
    );
}

#[test]
fn groups_beyond_their_limit_are_refused() {
    let mut random = Random(31);
    let mut policy = empty_policy();
    for at in 0..64_u16 {
        let mut service = service(&format!("service{at}"), at);
        service.addresses = vec![IpAddr::V4(u32::from(at).into())];
        service.ports = (0..GROUPS as u16 + 40)
            .filter(|_| random.below(2) == 0)
            .map(|port| ports(port, port, Transport::Tcp))
            .collect();
        policy.services.push(service);
    }
    let error = error(&policy);
    assert!(error.to_string().contains("\"service63\""), "{error}");
}

#[test]
fn more_addresses_than_slots_are_refused() {
    let mut policy = empty_policy();
    policy.services.push(service("api", 443));
    policy.services[0].addresses = (0..65_u32).map(|at| IpAddr::V4(at.into())).collect();
    assert_eq!(
        error(&policy),
        CompileError::Addresses {
            services: vec!["api".into()]
        }
    );
}

#[test]
fn a_rate_that_cannot_be_kept_names_service_and_override() {
    let mut policy = empty_policy();
    policy.services.push(service("api", 443));
    let mut limit = rate_limit(20.0);
    limit.overrides.push(Override {
        sources: Sources::default(),
        connections: Some(Rate {
            per_second: 0.0,
            burst: 1.0,
        }),
        packets: None,
    });
    policy.services[0].rate_limit = Some(limit);
    let message = error(&policy).to_string();
    assert!(message.contains("service \"api\""), "{message}");
    assert!(message.contains("override number 1"), "{message}");
}

#[test]
fn numbers_that_do_not_fit_the_policy_are_refused() {
    let mut policy = empty_policy();
    policy.services.push(service("one", 1));
    policy.services.push(service("two", 2));
    for services in [vec![0], vec![0, 0], vec![0, 64], vec![0, 1, 2]] {
        let ids = Ids {
            services,
            interfaces: Vec::new(),
        };
        assert!(matches!(
            compile(&policy, &ids),
            Err(CompileError::Ids { .. })
        ));
    }
}
