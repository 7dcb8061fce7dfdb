//! What is asked for next, and when.

use std::time::{Duration, Instant};

use url::Url;

use crate::frontier::{Frontier, Lead, Next};
use crate::robots::Rules;

fn lead(id: usize, url: &str) -> Lead {
    Lead {
        id,
        url: Url::parse(url).unwrap(),
        redirects: 0,
        again: false,
        refused: 0,
    }
}

/// The numbers of the leads that may be followed now, and until when there are no more.
fn all(frontier: &mut Frontier, now: Instant) -> (Vec<usize>, Option<Instant>) {
    let mut leads = Vec::new();
    loop {
        match frontier.next(now) {
            Next::Lead(lead) => leads.push(lead.id),
            Next::NotBefore(then) => return (leads, Some(then)),
            Next::Nothing => return (leads, None),
            other => panic!("{other:?}"),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "any instant will do")]
fn start() -> Instant {
    Instant::now()
}

#[test]
fn a_host_gets_no_more_requests_at_once_than_are_allowed() {
    let mut frontier = Frontier::new(2, Duration::ZERO, false);
    let now = start();
    for id in 0..5 {
        frontier.push(lead(id, "http://a/"));
        frontier.push(lead(10 + id, "http://b/"));
    }
    let (mut leads, then) = all(&mut frontier, now);
    leads.sort_unstable();
    assert_eq!((leads, then), (vec![0, 1, 10, 11], None));
    frontier.done(&Url::parse("http://b/").unwrap());
    assert_eq!(all(&mut frontier, now), (vec![12], None));
}

#[test]
fn hosts_take_turns() {
    let mut frontier = Frontier::new(9, Duration::ZERO, false);
    for id in 0..3 {
        frontier.push(lead(id, "http://a/"));
    }
    frontier.push(lead(7, "http://b/"));
    let (leads, _) = all(&mut frontier, start());
    assert!(
        leads.iter().position(|id| *id == 7).unwrap() < 2,
        "{leads:?}"
    );
}

#[test]
fn requests_to_a_host_begin_a_while_after_each_other() {
    let delay = Duration::from_secs(5);
    let mut frontier = Frontier::new(9, delay, false);
    let now = start();
    frontier.push(lead(1, "http://a/"));
    frontier.push(lead(2, "http://a/"));
    frontier.push(lead(3, "http://b/"));
    let (mut leads, then) = all(&mut frontier, now);
    leads.sort_unstable();
    assert_eq!((leads, then), (vec![1, 3], Some(now + delay)));
    assert_eq!(all(&mut frontier, now + delay), (vec![2], None));
}

#[test]
fn rules_come_first_and_are_kept() {
    let mut frontier = Frontier::new(9, Duration::ZERO, true);
    let now = start();
    frontier.push(lead(1, "http://a/x/y?z"));
    frontier.push(lead(2, "http://a/private/x"));
    frontier.push(lead(3, "http://a/private/open"));
    let Next::Rules(host, url) = frontier.next(now) else {
        panic!("no rules were asked for");
    };
    assert_eq!(
        (host.as_str(), url.as_str()),
        ("http://a", "http://a/robots.txt")
    );
    assert!(
        matches!(frontier.next(now), Next::Nothing),
        "they are asked for once"
    );
    let text = "User-agent: *\nDisallow: /\n\nUser-agent: Asyncloop-Crawler\nDisallow: /private\nAllow: /private/open\nCrawl-delay: 3";
    frontier.rules(&host, Rules::parse(text));
    assert!(matches!(frontier.next(now), Next::Lead(lead) if lead.id == 1));
    assert!(matches!(frontier.next(now), Next::Forbidden(lead) if lead.id == 2));
    let delay = Duration::from_secs(3);
    assert!(matches!(frontier.next(now), Next::NotBefore(then) if then == now + delay));
    assert!(matches!(frontier.next(now + delay), Next::Lead(lead) if lead.id == 3));
}

/// A pause is the host's, and shortens none that there is.
#[test]
fn a_host_that_is_too_busy_is_left_alone() {
    let mut frontier = Frontier::new(9, Duration::from_secs(2), false);
    let now = start();
    let busy = Url::parse("http://a/").unwrap();
    for id in 1..3 {
        frontier.push(lead(id, "http://a/"));
    }
    assert!(matches!(frontier.next(now), Next::Lead(lead) if lead.id == 1));
    frontier.pause(&busy, now + Duration::from_secs(1));
    let (_, then) = all(&mut frontier, now);
    assert_eq!(then, Some(now + Duration::from_secs(2)));
    frontier.pause(&busy, now + Duration::from_secs(30));
    frontier.push(lead(3, "http://b/"));
    let until = now + Duration::from_secs(30);
    assert_eq!(all(&mut frontier, now), (vec![3], Some(until)));
    assert_eq!(all(&mut frontier, until), (vec![2], None));
}
