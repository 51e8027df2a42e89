//! The outside view of the host: the real program, real components, raw bytes at its sockets.
//! A module per behaviour. What tests wait for is an event; times are only there to end a hang.

#![expect(clippy::disallowed_methods, reason = "tests have threads of their own, and no loop")]

mod address_space;
mod answers;
mod bodies;
mod bounds;
mod cache;
mod command_line;
mod compressed_answers;
mod compression;
mod config;
mod configuration;
mod cpu_limit;
mod crypto;
mod deadlines;
mod departures;
mod drain;
mod examples;
mod examples_with_sql;
mod failures;
mod fetch;
mod files;
mod harness;
mod http;
mod keyvalue;
mod kv;
mod languages;
mod late_work;
mod leaks;
mod lengths;
mod loops;
mod modules;
mod new_handler;
mod observability;
mod offload;
mod offload_messages;
mod offload_turns;
mod outbound;
mod output;
mod passwords;
mod pipelines;
mod routes;
mod shared;
mod slow_readers;
mod smuggling;
mod sql;
mod sql_hardship;
mod sql_migrations;
mod starts;
mod streams;
mod targets;
mod time;
mod timeline;
mod timers;
mod unservable;
