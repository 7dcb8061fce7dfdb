//! The links of a page: what HTML has of them.

use crate::links::{Found, Link, links};

const PAGE: &str = "http://host/folder/page?query";

fn read(html: &[u8]) -> Found {
    links(PAGE.to_owned(), None, true, html.to_vec())
}

/// The addresses that a page leads to, with their fragments.
fn addresses(html: &str) -> Vec<String> {
    let found = read(html.as_bytes()).links.into_iter();
    let text = |link| match link {
        Link::To {
            url,
            fragment: None,
        } => url,
        Link::To {
            url,
            fragment: Some(fragment),
        } => format!("{url}#{fragment}"),
        Link::Wrong { text, .. } => panic!("{text} is no address"),
    };
    found.map(text).collect()
}

#[test]
fn addresses_are_relative_to_the_page() {
    let html =
        "<a href=a><a href='../b'><a href=\"/c\"><a href='//other/d'><a href='?e'><a href='#f'>";
    let wanted = [
        "http://host/folder/a",
        "http://host/b",
        "http://host/c",
        "http://other/d",
        "http://host/folder/page?e",
        "http://host/folder/page?query#f",
    ];
    assert_eq!(addresses(html), wanted);
}

#[test]
fn the_first_base_is_the_base_of_all() {
    let html = "<a href=a><base target=x><base href=/there/><base href=/not/there/><a href=b>";
    assert_eq!(
        addresses(html),
        ["http://host/there/a", "http://host/there/b"]
    );
}

#[test]
fn every_element_that_fetches_has_links() {
    let html = "<img src=1 srcset='2 1x, 3,4 2x,5 100w'><video poster=6 src=7><source srcset=8><object data=9>\
                <link rel=stylesheet href=10><link rel=preconnect href=//x><meta http-equiv=Refresh content='3; URL=\"11\"'>\
                <iframe src=12></iframe><script src=13>'<a href=no>'</script><!-- <a href=no> --><a name=no>";
    let wanted = [
        "1", "2", "3,4", "5", "6", "7", "8", "9", "10", "11", "12", "13",
    ];
    let mut found: Vec<String> = addresses(html)
        .iter()
        .map(|url| url.strip_prefix("http://host/folder/").unwrap().to_owned())
        .collect();
    found.sort_by_key(|name| name.split(',').next().unwrap().parse::<u32>().unwrap());
    assert_eq!(found, wanted);
}

#[test]
fn white_space_and_signs_are_encoded_as_browsers_do() {
    let html = "<a href=' a b '><a href='caf\u{e9}?caf\u{e9}'><a href='%7Ex'><a href='a&amp;b'>";
    let wanted = [
        "http://host/folder/a%20b",
        "http://host/folder/caf%C3%A9?caf%C3%A9",
        "http://host/folder/%7Ex",
        "http://host/folder/a&b",
    ];
    assert_eq!(addresses(html), wanted);
}

#[test]
fn a_page_is_read_in_its_charset() {
    let html = b"<meta charset='iso-8859-1'><a href='\xe9?\xe9'>";
    let address = |url: &str| {
        vec![Link::To {
            url: url.to_owned(),
            fragment: None,
        }]
    };
    assert_eq!(read(html).links, address("http://host/folder/%C3%A9?%E9"));
    let html = b"<a href='\xe9'>";
    let found = links(
        PAGE.to_owned(),
        Some("ISO-8859-1".to_owned()),
        false,
        html.to_vec(),
    );
    assert_eq!(found.links, address("http://host/folder/%C3%A9"));
    let mut html = vec![0xff, 0xfe];
    html.extend("<a href=wide>".encode_utf16().flat_map(u16::to_le_bytes));
    assert_eq!(read(&html).links, address("http://host/folder/wide"));
}

#[test]
fn what_is_nothing_to_fetch_is_left_out_and_what_is_no_address_is_told() {
    assert_eq!(
        addresses("<a href='mailto:a@b'><a href='javascript:x()'><img src='data:,x'>"),
        [""; 0]
    );
    let found = read(b"<a href='http://[bad'>").links;
    assert!(
        matches!(&found[..], [Link::Wrong { text, .. }] if text == "http://[bad"),
        "{found:?}"
    );
}

#[test]
fn each_link_is_told_once_and_without_a_fragment_unless_it_matters() {
    let html = b"<a href=a#1><a href=a#2><a href=./a><p id=here><a name=there>".to_vec();
    let found = links(PAGE.to_owned(), None, false, html.clone());
    assert_eq!((found.links.len(), found.anchors.len()), (1, 0));
    let found = links(PAGE.to_owned(), None, true, html);
    assert_eq!(found.links.len(), 3);
    assert_eq!(found.anchors, ["here", "there"]);
}
