//! What is asked for next, and when: the politeness of the crawler, a data structure that is told the time.
//!
//! Each host has a queue of its own. It first tells its rules; then it gets no more requests at once than are allowed, and
//! each a while after the one before. Hosts take turns.

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use url::Url;

use crate::robots::Rules;

/// An address to ask for.
#[derive(Clone, Debug)]
pub(crate) struct Lead {
    pub(crate) id: usize,
    pub(crate) url: Url,
    /// How many redirects have led there.
    pub(crate) redirects: usize,
    /// It is asked for the second time.
    pub(crate) again: bool,
    /// How often its server was too busy.
    pub(crate) refused: usize,
}

/// What the frontier has to say.
#[derive(Debug)]
pub(crate) enum Next {
    /// Fetch the rules of this host, from there.
    Rules(String, Url),
    /// Fetch this.
    Lead(Lead),
    /// The host does not want this to be fetched.
    Forbidden(Lead),
    /// Nothing before then, unless a request ends.
    NotBefore(Instant),
    /// Nothing unless a request ends.
    Nothing,
}

#[derive(Debug)]
struct Host {
    leads: VecDeque<Lead>,
    rules: Option<Rules>,
    running: usize,
    /// When the next request may begin.
    turn: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Frontier {
    hosts: HashMap<String, Host>,
    /// Whose turn it is.
    order: VecDeque<String>,
    per_host: usize,
    delay: Duration,
    with_rules: bool,
}

impl Frontier {
    /// No addresses yet. Of one host, `per_host` may be asked for at once, with `delay` between their beginnings.
    pub(crate) fn new(per_host: usize, delay: Duration, with_rules: bool) -> Frontier {
        Frontier {
            hosts: HashMap::new(),
            order: VecDeque::new(),
            per_host,
            delay,
            with_rules,
        }
    }

    /// Adds an address, after the others of its host.
    pub(crate) fn push(&mut self, lead: Lead) {
        let name = host(&lead.url);
        let host = self.hosts.entry(name.clone()).or_insert_with(|| {
            self.order.push_back(name);
            Host {
                leads: VecDeque::new(),
                rules: (!self.with_rules).then(Rules::none),
                running: 0,
                turn: None,
            }
        });
        host.leads.push_back(lead);
    }

    /// Takes what may be done now.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        let mut soonest: Option<Instant> = None;
        for _ in 0..self.order.len() {
            self.order.rotate_left(1);
            let name = &self.order[self.order.len() - 1];
            let host = self.hosts.get_mut(name).expect("each in the order is one");
            let Some(lead) = host.leads.front() else {
                continue;
            };
            let Some(rules) = &host.rules else {
                if host.running == 0 {
                    host.running = 1;
                    let robots = lead.url.join("/robots.txt");
                    return Next::Rules(name.clone(), robots.expect("it is a path"));
                }
                continue;
            };
            if !rules.allow(&lead.url) {
                return host
                    .leads
                    .pop_front()
                    .map_or(Next::Nothing, Next::Forbidden);
            }
            if host.running == self.per_host {
                continue;
            }
            if let Some(turn) = host.turn.filter(|turn| *turn > now) {
                soonest = Some(soonest.map_or(turn, |soonest| soonest.min(turn)));
                continue;
            }
            host.running += 1;
            host.turn = Some(now + self.delay.max(rules.delay().unwrap_or_default()));
            return host.leads.pop_front().map_or(Next::Nothing, Next::Lead);
        }
        soonest.map_or(Next::Nothing, Next::NotBefore)
    }

    /// A host has told its rules.
    pub(crate) fn rules(&mut self, host: &str, rules: Rules) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.running = 0;
            host.rules = Some(rules);
        }
    }

    /// A host wants to be left alone until then.
    pub(crate) fn pause(&mut self, url: &Url, until: Instant) {
        if let Some(host) = self.hosts.get_mut(&host(url)) {
            host.turn = host.turn.max(Some(until));
        }
    }

    /// The request for an address has ended.
    pub(crate) fn done(&mut self, url: &Url) {
        if let Some(host) = self.hosts.get_mut(&host(url)) {
            host.running -= 1;
        }
    }
}

fn host(url: &Url) -> String {
    url.origin().ascii_serialization()
}
