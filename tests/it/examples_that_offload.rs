//! The examples that offload, with the modules that `hob.toml` of the examples has for them.

use std::io::Write;
use std::path::Path;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};

use crate::examples::{built, example};
use crate::harness::{Guest, Hob, Response, Serve, TESTS, post};

/// A server with one handler and its module, of this file.
fn serve(handler: &str, module: &str, file: &Path) -> Hob {
    let module = Guest::module(module, file);
    Serve::new([example(handler).offloads_to(std::slice::from_ref(&module)), module]).start()
}

fn built_module(name: &str) -> &'static Path {
    let found = built().iter().find(|path| path.ends_with(format!("{name}.wasm")));
    found.unwrap_or_else(|| panic!("there is no module {name}"))
}

fn send(hob: &Hob, target: &str, body: impl AsRef<[u8]>) -> Response {
    hob.exchange(post(target, body))
}

/// A picture of so many pixels, as a PNG.
fn png(width: u32, height: u32) -> Vec<u8> {
    let mut rows = ZlibEncoder::new(Vec::new(), Compression::fast());
    for y in 0..height {
        // No filter, and then three colours a pixel.
        let pixels = (0..width).flat_map(|x| [x as u8, y as u8, (x * y) as u8]);
        rows.write_all(&[0].into_iter().chain(pixels).collect::<Vec<_>>()).expect("memory");
    }
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let mut sum = Crc::new();
        sum.update(kind);
        sum.update(data);
        png.extend((data.len() as u32).to_be_bytes());
        png.extend_from_slice(kind);
        png.extend_from_slice(data);
        png.extend(sum.sum().to_be_bytes());
    };
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    // Eight bits for each of red, green and blue.
    chunk(b"IHDR", &[&size[..], &[8, 2, 0, 0, 0]].concat());
    chunk(b"IDAT", &rows.finish().expect("memory"));
    chunk(b"IEND", &[]);
    png
}

/// What the head of a PNG says of its size.
fn size(png: &[u8]) -> (u32, u32) {
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n", "it is no PNG");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

#[test]
fn a_thumbnail_is_made_of_a_picture_and_of_nothing_else() {
    let hob = serve("thumbnails", "thumbnail", built_module("thumbnail"));
    let thumbnail = send(&hob, "/thumbnails", png(640, 320)).expect(200);
    assert_eq!(thumbnail.header("content-type"), Some("image/png"));
    assert_eq!(size(&thumbnail.body), (160, 80));
    let small = send(&hob, "/thumbnails", png(20, 30)).expect(200);
    assert_eq!(size(&small.body), (20, 30));
    send(&hob, "/thumbnails", "no picture").expect(422);
    // Of few bytes, and more pixels than the module may have memory for.
    send(&hob, "/thumbnails", png(12_000, 12_000)).expect(413);
    hob.get("/thumbnails").expect(405);
    send(&hob, "/thumbnails", png(640, 320)).expect(200);
}

#[test]
fn a_million_numbers_are_sorted_in_pieces() {
    let hob = serve("sort", "sort-piece", built_module("sort_piece"));
    let mut numbers: Vec<u32> =
        (0..1_000_000_u32).map(|n| n.wrapping_mul(2_654_435_761).rotate_left(n % 32)).collect();
    let bytes = |numbers: &[u32]| -> Vec<u8> {
        numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
    };
    let unsorted = bytes(&numbers);
    numbers.sort_unstable();
    let sorted = bytes(&numbers);
    for pieces in [1, 4, 70] {
        let answer = send(&hob, &format!("/sort?pieces={pieces}"), &unsorted).expect(200);
        assert!(answer.body == sorted, "{pieces} pieces");
    }
    send(&hob, "/sort?pieces=0", &unsorted).expect(422);
    send(&hob, "/sort", "abc").expect(422);
    assert_eq!(send(&hob, "/sort", "").expect(200).body, b"");
}

#[test]
fn a_program_of_a_package_registry_makes_html_of_markdown() {
    let program = format!("{TESTS}/../examples/target/programs/bin/comrak.wasm");
    built();
    let hob = serve("markdown", "comrak", Path::new(&program));
    let page = send(&hob, "/markdown", "# Title\n\n- one\n- ~~two~~\n").expect(200);
    let html = "<h1>Title</h1>\n<ul>\n<li>one</li>\n<li><del>two</del></li>\n</ul>\n";
    assert_eq!(page.text(), html);
    let xml = send(&hob, "/markdown?to=xml", "*x*").expect(200);
    assert!(xml.text().contains("<emph>"), "{}", xml.text());
    let wrong = send(&hob, "/markdown?to=stone", "x").expect(422);
    assert!(wrong.text().contains("stone"), "{}", wrong.text());
}
