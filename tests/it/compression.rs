//! `hob:host/compression`, of both generations and in every isolation mode: round trips, what other
//! programs make and read, bombs, and input that is malformed.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use crate::harness::{Hob, Response, Serve, every_mode, post};

const GUESTS: [&str; 2] = ["capabilities", "capabilities-0-2"];
const FORMATS: [&str; 4] = ["gzip", "deflate", "brotli", "zstd"];

fn serve() -> Hob {
    Serve::new(every_mode(&GUESTS).into_iter().map(|guest| guest.grants(""))).start()
}

fn ask(hob: &Hob, name: &str, operation: &str, body: impl AsRef<[u8]>) -> Response {
    hob.exchange(post(&format!("/{name}/compression.{operation}"), body))
}

#[track_caller]
fn expect_error(hob: &Hob, name: &str, operation: &str, body: impl AsRef<[u8]>, wanted: &str) {
    let answer = ask(hob, name, operation, body).expect(422);
    assert_eq!(answer.text(), wanted, "{name} {operation}");
}

/// Some text that can be made smaller.
fn text(lines: usize) -> Vec<u8> {
    (0..lines)
        .flat_map(|n| format!("{n}: the quick brown fox {}\n", n * 7919 % 1000).into_bytes())
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().map(|c| c.to_digit(16).expect("a digit") as u8).collect();
    digits.chunks(2).map(|two| two[0] << 4 | two[1]).collect()
}

/// So many zeros, compressed.
fn zeros(format: &str, bytes: u64) -> Vec<u8> {
    let mut all = std::io::repeat(0).take(bytes);
    let mut out = Vec::new();
    match format {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(&mut out, flate2::Compression::fast());
            std::io::copy(&mut all, &mut encoder).expect("zeros");
            encoder.finish().expect("the end");
        }
        "deflate" => {
            let mut encoder =
                flate2::write::ZlibEncoder::new(&mut out, flate2::Compression::fast());
            std::io::copy(&mut all, &mut encoder).expect("zeros");
            encoder.finish().expect("the end");
        }
        "brotli" => {
            let mut encoder = brotli::CompressorWriter::new(&mut out, 65_536, 3, 22);
            std::io::copy(&mut all, &mut encoder).expect("zeros");
            drop(encoder);
        }
        _ => {
            let mut encoder = zstd::stream::write::Encoder::new(&mut out, 1).expect("an encoder");
            std::io::copy(&mut all, &mut encoder).expect("zeros");
            encoder.finish().expect("the end");
        }
    }
    out
}

#[test]
fn what_is_compressed_comes_back_whole_and_in_pieces() {
    let hob = serve();
    let noise: Vec<u8> = std::iter::repeat_with({
        let mut random = fastrand::Rng::with_seed(7);
        move || random.u8(..)
    })
    .take(300_000)
    .collect();
    for name in hob.names() {
        for format in FORMATS {
            for data in [Vec::new(), b"x".to_vec(), text(20), text(10_000), noise.clone()] {
                let small = ask(&hob, name, &format!("compress?what={format}"), &data).expect(200);
                assert!(small.body.len() < data.len() || data.len() < 100 || data == noise);
                let back = format!("decompress?what={format}&length=16777216");
                assert!(ask(&hob, name, &back, &small.body).expect(200).body == data, "{format}");
                let encode = format!("encode?what={format}&pieces=50000");
                let small = ask(&hob, name, &encode, &data).expect(200);
                assert!(ask(&hob, name, &back, &small.body).expect(200).body == data, "{format}");
                let decode = format!("decode?what={format}&pieces=10000");
                assert!(ask(&hob, name, &decode, &small.body).expect(200).body == data, "{format}");
            }
            let byte_by_byte = ask(&hob, name, &format!("encode?what={format}&pieces=1"), "hello");
            let decode = format!("decode?what={format}&pieces=1");
            let back = ask(&hob, name, &decode, byte_by_byte.expect(200).body).expect(200);
            assert_eq!(back.text(), "hello");
        }
    }
}

#[test]
fn levels_are_those_of_the_format() {
    let hob = serve();
    let data = text(5000);
    for name in hob.names() {
        for format in FORMATS {
            let at = |level: u32| {
                let compress = format!("compress?what={format}&level={level}");
                ask(&hob, name, &compress, &data).expect(200).body.len()
            };
            assert!(at(9) < at(1), "{format}");
            for operation in ["compress", "encode"] {
                for level in [10, u32::MAX] {
                    let refused = format!("{operation}?what={format}&level={level}&pieces=1");
                    expect_error(&hob, name, &refused, "x", "Invalid");
                }
            }
        }
        expect_error(&hob, name, "compress?what=zstd&level=0", "x", "Invalid");
        ask(&hob, name, "compress?what=gzip&level=0", "x").expect(200);
    }
}

/// Made by Python's gzip, zlib, brotli and zstandard.
#[test]
fn what_others_have_compressed_is_read() {
    let hob = serve();
    let wanted = format!("{}world\n", "hello ".repeat(20));
    for name in hob.names() {
        for (format, bytes) in [
            ("gzip", "1f8b0800000000000203cb48cdc9c957c8a03b599e5f9493c20500877c1d147e000000"),
            (
                "gzip",
                "1f8b08080100000002ff6e616d652e74787400cb48cdc9c957c8a03b599e5f9493c20500877c1d147e000000",
            ),
            ("deflate", "789ccb48cdc9c957c8a03b599e5f9493c2050089022e43"),
            ("brotli", "1b7d00f88d946ede445586d60a206c6f72104562ab031619ab9602"),
            ("zstd", "28b52ffd247e9d00006068656c6c6f20776f726c640a01002f69290203e5557e"),
        ] {
            let bytes = unhex(bytes);
            let decompress = format!("decompress?what={format}&length=1000");
            assert_eq!(ask(&hob, name, &decompress, &bytes).expect(200).text(), wanted, "{format}");
            let decode = format!("decode?what={format}&pieces=7");
            assert_eq!(ask(&hob, name, &decode, &bytes).expect(200).text(), wanted, "{format}");
        }
    }
}

/// A program of the system that gives back what was compressed, if it is there.
fn read_by(program: &[&str], compressed: &[u8]) -> Option<Vec<u8>> {
    let child = Command::new(program[0])
        .args(&program[1..])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = child else {
        eprintln!("skipped: there is no {}", program[0]);
        return None;
    };
    child.stdin.take().expect("a pipe").write_all(compressed).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{program:?}");
    Some(output.stdout)
}

#[test]
fn what_is_compressed_is_read_by_others() {
    const ZLIB: &str =
        "import sys, zlib; sys.stdout.buffer.write(zlib.decompress(sys.stdin.buffer.read()))";
    let hob = serve();
    let data = text(500);
    for name in hob.names() {
        for (format, program) in
            [("gzip", &["gzip", "-dc"][..]), ("deflate", &["python3", "-c", ZLIB])]
        {
            let compress = format!("compress?what={format}");
            let small = ask(&hob, name, &compress, &data).expect(200).body;
            assert!(read_by(program, &small).is_none_or(|read| read == data), "{format}");
        }
        // The crates themselves, which are not what decompresses here but in the tests.
        let small = ask(&hob, name, "compress?what=brotli", &data).expect(200).body;
        let mut read = Vec::new();
        brotli::Decompressor::new(&small[..], 4096).read_to_end(&mut read).expect("brotli");
        assert!(read == data);
        let small = ask(&hob, name, "compress?what=zstd", &data).expect(200).body;
        assert!(zstd::decode_all(&small[..]).expect("zstd") == data);
    }
}

#[test]
fn a_bomb_makes_no_more_than_was_allowed() {
    let guests = every_mode(&GUESTS).into_iter().map(|guest| guest.grants(""));
    let hob = Serve::new(guests.map(|guest| guest.limits("cpu_ms = 60000"))).start();
    for format in FORMATS {
        let (small, large) = (zeros(format, 10_000_000), zeros(format, 24 << 20));
        for name in hob.names() {
            let decompress = format!("decompress?what={format}&length=");
            let all = ask(&hob, name, &format!("{decompress}10000000"), &small).expect(200);
            assert_eq!(all.body.len(), 10_000_000);
            expect_error(&hob, name, &format!("{decompress}9999999"), &small, "TooLarge");
            expect_error(&hob, name, &format!("{decompress}1000"), &small, "TooLarge");
            expect_error(&hob, name, &format!("{decompress}0"), &small, "TooLarge");
            expect_error(&hob, name, &format!("{decompress}4294967295"), &large, "TooLarge");
            let count = ask(&hob, name, &format!("count?what={format}"), &large).expect(200);
            let total = 24 << 20;
            assert_eq!(count.text(), format!("{total} {}", 1 << 20), "{format}");
        }
    }
    // The bombs come to gigabytes together.
    assert!(hob.resident_bytes() < 1 << 30, "{}", hob.resident_bytes());
}

#[test]
fn input_that_is_not_taken_does_not_pile_up() {
    let hob = serve();
    // Each piece makes much more than comes out in a step, so that the next ones wait.
    let bomb = zeros("gzip", 80 << 20);
    assert!((300_000..1_000_000).contains(&bomb.len()), "{}", bomb.len());
    for name in hob.names() {
        ask(&hob, name, "overfill?what=gzip&pieces=2", &bomb).expect(200);
        expect_error(&hob, name, "overfill?what=gzip&pieces=10", &bomb, "TooLarge");
        expect_error(&hob, name, "finish-early?what=gzip", &bomb, "Invalid");
        ask(&hob, name, "open?what=zstd&pieces=60", "").expect(200);
        expect_error(&hob, name, "open?what=zstd&pieces=65", "", "Busy");
        // Those that were open are not any more.
        ask(&hob, name, "open?what=zstd&pieces=60", "").expect(200);
    }
}

#[test]
fn input_that_ends_early_or_is_malformed_is_invalid() {
    let hob = serve();
    let data = text(1000);
    for name in hob.names() {
        for format in FORMATS {
            let (decompress, decode) = (
                format!("decompress?what={format}&length=1000000"),
                format!("decode?what={format}&pieces=1000"),
            );
            let small = ask(&hob, name, &format!("compress?what={format}"), &data).expect(200).body;
            let cut = small[..small.len() - 1].to_vec();
            let half = small[..small.len() / 2].to_vec();
            let mut flipped = small.clone();
            flipped[2] ^= 0xff;
            flipped[0] ^= 0xff;
            let followed = [&small[..], b"garbage"].concat();
            for bad in [Vec::new(), cut, half, flipped, followed, b"not compressed at all".to_vec()]
            {
                expect_error(&hob, name, &decompress, &bad, "Invalid");
                // Without a piece there is no error before the end, which is early.
                expect_error(&hob, name, &decode, &bad, "Invalid");
            }
        }
        // A window of 128 MiB, which would be that much memory.
        let wide = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x88][..], &[0x01, 0x00, 0x00]].concat();
        expect_error(&hob, name, "decompress?what=zstd&length=1000", wide, "Invalid");
        // zlib says how it was checked; a changed end is noticed.
        for format in ["gzip", "deflate"] {
            let mut changed =
                ask(&hob, name, &format!("compress?what={format}"), &data).expect(200).body;
            let last = changed.len() - 5;
            changed[last] ^= 1;
            expect_error(
                &hob,
                name,
                &format!("decompress?what={format}&length=100000"),
                &changed,
                "Invalid",
            );
        }
    }
}

#[test]
fn members_and_frames_one_after_another_are_read_as_one() {
    let hob = serve();
    for name in hob.names() {
        for format in ["gzip", "zstd"] {
            let part = |text: &str| {
                ask(&hob, name, &format!("compress?what={format}"), text).expect(200).body
            };
            let all = [part("one, "), part(""), part("two")].concat();
            let decompress = format!("decompress?what={format}&length=8");
            assert_eq!(ask(&hob, name, &decompress, &all).expect(200).text(), "one, two");
            let short = format!("decompress?what={format}&length=7");
            expect_error(&hob, name, &short, &all, "TooLarge");
            for pieces in [1, 3, 100] {
                let decode = format!("decode?what={format}&pieces={pieces}");
                assert_eq!(ask(&hob, name, &decode, &all).expect(200).text(), "one, two");
            }
        }
        for format in ["deflate", "brotli"] {
            let one = ask(&hob, name, &format!("compress?what={format}"), "one").expect(200).body;
            let decompress = format!("decompress?what={format}&length=100");
            expect_error(&hob, name, &decompress, one.repeat(2), "Invalid");
        }
    }
}
