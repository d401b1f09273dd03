//! `explain`: asked of the loaded program, from its pin alone, or offline of a configuration.

use super::{Failure, print, print_json};
use crate::cli::{Cli, ExplainOptions, PathOptions};
use crate::compile::{Ids, compile};
use crate::config::policy::{Policy, Unlisted};
use crate::config::{self, HostFacts, Loaded};
use crate::daemon::{beyond_capacity, unix_now};
use crate::explain::{Answerer, Explanation, Facts, Flags, Question, What, frame};
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::Pins;
use crate::kernel::ask::Explainer;
use crate::kernel::netlink::{self, Link};
use crate::last_good::{self, Kept};
use crate::locations::Locations;
use crate::offline::Host;
use anyhow::{Context as _, anyhow};
use clap::CommandFactory as _;
use clap::error::ErrorKind;
use filter_common::answer::Answer;
use filter_common::verdict::Reason;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// Addresses of nobody (RFC 5737, RFC 3849), for a device that has none.
const NOBODY: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
];

pub(super) fn run(options: &ExplainOptions, paths: &PathOptions) -> Result<(), Failure> {
    check(options);
    let explanation = if paths.is_config_named {
        offline(options, &paths.config)?
    } else {
        by_kernel(
            options,
            &Locations::find(paths, options.pin_path.as_deref()),
        )?
    };
    if options.json {
        print_json(&explanation)
    } else {
        print(&explanation.to_string())
    }
}

/// Ends the process where the options contradict each other.
fn check(options: &ExplainOptions) {
    if options
        .dst
        .is_some_and(|dst| dst.is_ipv4() != options.src.is_ipv4())
    {
        usage("--src and --dst are of different families");
    }
    if options.flags.is_some() && !matches!(options.port, What::Tcp(_)) {
        usage("--flags are TCP's: --port must be a TCP port");
    }
    if options.vlan.len() > 2 {
        usage("--vlan may be given twice: a third tag is malformed");
    }
    if let IpAddr::V6(src) = options.src
        && let Some(src) = src.to_ipv4_mapped()
    {
        usage(&format!(
            "IPv4-mapped addresses do not occur on the wire: --src {src}"
        ));
    }
}

fn usage(what: &str) -> ! {
    Cli::command()
        .error(ErrorKind::ArgumentConflict, what)
        .exit()
}

/// From the pins; of the state directory only names and lines.
///
/// # Errors
/// Nothing is pinned, or the program does not answer.
pub(super) fn by_kernel(
    options: &ExplainOptions,
    locations: &Locations,
) -> Result<Explanation, Failure> {
    let path = locations.pin_path.display();
    let pins = Pins::open(&locations.pin_path).map_err(anyhow::Error::from)?;
    let pins = pins.ok_or_else(|| {
        anyhow!(
            "{path}: nothing is pinned here, so there is no program to ask; start edge-filter \
             run, or ask offline: --config FILE"
        )
    })?;
    let program = Explainer::open(&pins.folder).map_err(anyhow::Error::from)?;
    let program = program.ok_or_else(|| {
        anyhow!(
            "{path}: no program that explains is pinned here (the daemon's log says why); ask \
             offline: --config FILE"
        )
    })?;
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    let book = Book::load(folder, pin_path).map_err(anyhow::Error::from)?;
    let book = book.unwrap_or_default();
    let in_force = InForce::load(folder, pin_path).map_err(anyhow::Error::from)?;

    let links = netlink::links_now().map_err(anyhow::Error::from)?;
    let link = link(options, &links, &pins, in_force.as_ref())?;
    let question = question(options, Some(link))?;
    let answer = program.ask(&frame(&question), link.index);
    let answer = answer.map_err(anyhow::Error::from)?;
    let (loaded, mut notes) = kept(folder, &answer);

    let mut explanation = Explanation::new(&Facts {
        question: &question,
        answer: &answer,
        device: &link.name,
        loaded: loaded.as_ref(),
        answered_by: Answerer::LoadedProgram,
        service_name: &|number| book.services.name(number).map(String::from),
        now_unix: unix_now(),
    });
    if loaded.is_some() {
        notes.extend(other_generation(&answer, in_force.as_ref()));
    }
    if is_pending(&answer) {
        notes
            .push("an apply waits for its confirmation, or the policy before it comes back".into());
    }
    explanation.notes.append(&mut notes);
    explanation
        .notes
        .extend(addressed(options, &answer, loaded.as_ref()));
    Ok(explanation)
}

/// The policy that judged, from its copy. Without it there are no lines, but there is an answer.
fn kept(state_directory: &Path, answer: &Answer) -> (Option<Loaded>, Vec<String>) {
    let folder = state_directory.display();
    let which = if is_pending(answer) {
        Kept::Candidate(answer.active().generation())
    } else {
        Kept::LastGood
    };
    match last_good::look(which, state_directory, &HostFacts::read()) {
        Ok(Some(loaded)) => (Some(loaded), Vec::new()),
        Ok(None) => (
            None,
            vec![format!(
                "{folder} has no copy of the policy in force: no lines are known"
            )],
        ),
        Err(error) => {
            let error = anyhow::Error::from(error);
            (None, vec![format!("no lines are known: {error:#}")])
        }
    }
}

/// Whether the policy that judged waits for its confirmation.
fn is_pending(answer: &Answer) -> bool {
    let active = answer.active();
    active.deadline_seconds() != 0 && answer.slot == u64::from(active.slot())
}

/// Where the lines may be of another policy than the one that judged.
fn other_generation(answer: &Answer, in_force: Option<&InForce>) -> Option<String> {
    let active = answer.active();
    if !active.is_set() {
        return None;
    }
    // The policy before judges again, and its copy was looked at: the number is another's.
    if answer.slot != u64::from(active.slot()) {
        return None;
    }
    let kept = in_force?.generation;
    (kept != active.generation()).then(|| {
        format!("the lines are of generation {kept}, which may be another policy than the answer's")
    })
}

/// The interface that is asked about, which must be one that is filtered.
fn link<'a>(
    options: &ExplainOptions,
    links: &'a [Link],
    pins: &Pins,
    in_force: Option<&InForce>,
) -> Result<&'a Link, Failure> {
    let slots = pins.state.interfaces();
    let is_filtered = |link: &&Link| slots.iter().any(|(index, _)| *index == link.index);
    let filtered: Vec<_> = links.iter().filter(is_filtered).collect();
    let names: Vec<_> = filtered.iter().map(|link| link.name.as_str()).collect();
    let Some(device) = &options.device else {
        let configured = in_force.map(|in_force| &in_force.interfaces[..]);
        let only = match (configured, &filtered[..]) {
            // Members of a bond are filtered too, but nobody means them.
            (Some([name]), _) => filtered.iter().find(|link| link.name == *name),
            (_, [only]) => Some(only),
            _ => None,
        };
        return match only {
            Some(link) => Ok(link),
            None if names.is_empty() => Err(anyhow!(
                "none of the policy's interfaces is on this host: edge-filter status"
            )
            .into()),
            None => usage(&which(&names)),
        };
    };
    let known = || match &names[..] {
        [] => "none is filtered".to_owned(),
        names => format!("filtered are {}", names.join(", ")),
    };
    let Some(link) = links.iter().find(|link| link.name == *device) else {
        return Err(anyhow!("{device}: this host has no such interface; {}", known()).into());
    };
    if !is_filtered(&link) {
        return Err(anyhow!("{device}: this interface is not filtered; {}", known()).into());
    }
    Ok(link)
}

fn which(names: &[&str]) -> String {
    format!(
        "by which interface? --device {}",
        names.join(" or --device ")
    )
}

/// Of a configuration that need not be in force anywhere.
fn offline(options: &ExplainOptions, config: &Path) -> Result<Explanation, Failure> {
    let facts = HostFacts::read();
    let loaded = config::load(config, &facts).map_err(Failure::InvalidConfig)?;
    let policy = &loaded.policy;
    let generation = compile(policy, &Ids::in_order(policy))
        .map_err(|error| Failure::InvalidConfig(beyond_capacity(config, &error)))?;
    let slot = slot(options, policy, config)?;
    let device = &policy.interfaces[slot].name;
    // A configuration may be looked at anywhere: the device need not be here.
    let links = netlink::links_now().unwrap_or_default();
    let link = links.iter().find(|link| link.name == *device);
    let question = question(options, link)?;
    let mut host = Host::default();
    host.interface = slot as u32;
    host.ephemeral = facts.ephemeral_ports.into_inner();
    let answer = host.ask(&generation, &frame(&question));
    let name = |number: u8| {
        let service = policy.services.get(usize::from(number))?;
        Some(service.name.clone())
    };
    let mut explanation = Explanation::new(&Facts {
        question: &question,
        answer: &answer,
        device,
        loaded: Some(&loaded),
        answered_by: Answerer::Offline,
        service_name: &name,
        now_unix: unix_now(),
    });
    explanation
        .notes
        .extend(addressed(options, &answer, Some(&loaded)));
    if answer.outcome().reason() == Reason::UnlistedPort
        && policy.unlisted_ports != Unlisted::Pass
        && !opens_tcp(&question)
    {
        let what = "if it answers a socket of the host, it passes as a reply";
        explanation.notes.push(what.into());
    }
    Ok(explanation)
}

/// The interface's place in the policy.
fn slot(options: &ExplainOptions, policy: &Policy, config: &Path) -> Result<usize, Failure> {
    let names: Vec<_> = policy.interfaces.iter().map(|i| i.name.as_str()).collect();
    match &options.device {
        None if names.len() == 1 => Ok(0),
        None => usage(&which(&names)),
        Some(device) => names.iter().position(|name| name == device).ok_or_else(|| {
            let (config, names) = (config.display(), names.join(", "));
            anyhow!("{device}: no [[interface]] of {config} has this name; known are {names}")
                .into()
        }),
    }
}

/// Such a packet never is a reply.
fn opens_tcp(question: &Question) -> bool {
    matches!(question.what, What::Tcp(_)) && question.flags.opens()
}

fn question(options: &ExplainOptions, link: Option<&Link>) -> Result<Question, Failure> {
    let source = options.src;
    let destination = match (options.dst, link) {
        (Some(destination), _) => Some(destination),
        (None, Some(link)) => {
            let addresses = netlink::addresses_now(link.index)
                .with_context(|| format!("{}: asking for its address", link.name))?;
            let mut addresses = addresses.into_iter();
            addresses.find(|address| address.is_ipv4() == source.is_ipv4())
        }
        (None, None) => None,
    };
    Ok(Question {
        source,
        destination: destination.unwrap_or(NOBODY[usize::from(source.is_ipv6())]),
        what: options.port,
        source_port: options.sport,
        flags: options.flags.unwrap_or(Flags::SYN),
        vlans: options.vlan.clone(),
    })
}

/// Where the answer depends on the destination, and nobody chose one.
fn addressed(options: &ExplainOptions, answer: &Answer, loaded: Option<&Loaded>) -> Option<String> {
    if answer.outcome().reason() != Reason::UnlistedPort {
        return None;
    }
    let port = options.port.port().filter(|_| options.dst.is_none())?;
    let mut services = loaded?.policy.services.iter();
    let service = services.find(|service| {
        let mut ports = service.ports.iter();
        !service.addresses.is_empty() && ports.any(|p| (p.first..=p.last).contains(&port))
    })?;
    let addresses: Vec<_> = service.addresses.iter().map(IpAddr::to_string).collect();
    Some(format!(
        "the service {} means {} alone: --dst says which address is asked about",
        service.name,
        addresses.join(", ")
    ))
}
