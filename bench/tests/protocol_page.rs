//! PROTOCOL.md is true: its session is made of messages that both sides read, the worker answers
//! its requests with the replies that it shows, and it names every field.

mod common;

use ab_protocol::{Reply, Request};
use common::Server;
use serde_json::Value;

const PAGE: &str = include_str!("../PROTOCOL.md");

/// The lines of the session that begin with `mark`, without it.
fn session(mark: &str) -> Vec<&'static str> {
    let start = PAGE.find("```text\n").expect("a session") + "```text\n".len();
    let block = &PAGE[start..];
    let block = &block[..block.find("```").expect("its end")];
    block.lines().filter_map(|line| line.strip_prefix(mark)).collect()
}

/// The message's type, as the line says it.
fn kind(line: &str) -> String {
    let value: Value = serde_json::from_str(line).expect("JSON");
    value["type"].as_str().expect("a type").to_owned()
}

#[test]
fn every_line_of_the_session_is_a_message() {
    let (requests, replies) = (session("> "), session("< "));
    assert!(requests.len() >= 4 && replies.len() == requests.len());
    for line in requests {
        serde_json::from_str::<Request>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
    for line in replies {
        serde_json::from_str::<Reply>(line).unwrap_or_else(|error| panic!("{line}: {error}"));
    }
}

#[test]
fn the_worker_plays_the_session() {
    let (mut server, hello) = Server::start();
    let mut played = vec![serde_json::to_string(&Reply::Hello(hello)).unwrap()];
    for line in session("> ") {
        if kind(line) == "quit" {
            server.write(&format!("{line}\n"));
        } else {
            let request = serde_json::from_str(line).unwrap();
            played.push(serde_json::to_string(&server.ask(&request)).unwrap());
        }
    }
    let kinds = |lines: Vec<&str>| lines.into_iter().map(kind).collect::<Vec<_>>();
    assert_eq!(kinds(played.iter().map(String::as_str).collect()), kinds(session("< ")));
    assert_eq!(server.close().0.code(), Some(0));
}

#[test]
fn the_page_names_every_field_of_every_message() {
    let fields = session("> ").into_iter().chain(session("< ")).flat_map(|line| {
        let value: Value = serde_json::from_str(line).expect("JSON");
        let own = value.as_object().expect("an object").keys().cloned();
        let inner =
            value["latency"].as_object().into_iter().flat_map(|inner| inner.keys().cloned());
        own.chain(inner).collect::<Vec<_>>()
    });
    let tables: Vec<&str> = PAGE.lines().filter(|line| line.starts_with('|')).collect();
    for field in fields.filter(|field| field != "type") {
        let named = format!("`{field}`");
        assert!(tables.iter().any(|row| row.contains(&named)), "{named} is in no table");
    }
}
