//! The shop with its plug-ins, built as third parties would build them.

#![expect(clippy::disallowed_methods, reason = "tests have threads of their own, and no loop")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_executor::block_on;
use hob::{CallError, Failure, GuestLimits, Isolation, LoadError, PluginPlan, RunningHost};
use shop::{Journal, LIMITS, Line, Shop, Stock};

/// The folder of the component of this plug-in, built when a test first asks for one.
fn plugin(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let folder = BUILT.get_or_init(|| {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
        let built = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2"])
            .current_dir(&plugins)
            // Those of this test are for another compiler's run.
            .env_remove("RUSTFLAGS")
            .env_remove("CARGO_TARGET_DIR")
            .status()
            .expect("cargo");
        assert!(built.success(), "the plug-ins cannot be built");
        plugins.join("target/wasm32-wasip2/release")
    });
    folder.join(name).with_extension("wasm")
}

fn stock() -> Arc<Stock> {
    Arc::new(Stock::default().with("tea", 450, 20).with("milk", 120, 8).with("honey", 700, 0))
}

fn cart(sku: &str, quantity: u32) -> Vec<Line> {
    vec![Line { sku: sku.to_owned(), quantity }]
}

fn started(journal: &Journal) -> (RunningHost, Shop) {
    let stock = stock();
    let host = Shop::builder(&stock, journal).start().expect("a host");
    let shop = Shop::new(host.handle(), stock);
    (host, shop)
}

fn why<'a>(without: &'a [(String, String)], plugin: &str) -> &'a str {
    let found = without.iter().find(|(name, _)| name == plugin);
    found.map_or("it gave something", |(_, why)| why)
}

#[test]
fn a_receipt_is_made_whatever_the_plug_ins_do() {
    let journal = Journal::default();
    let (host, mut shop) = started(&journal);
    let receipts = block_on(async {
        for name in ["spins", "hoards", "traps", "three_for_two"] {
            shop.install_discount(name, &plugin(name)).await.expect("a plug-in");
        }
        shop.install_suggestion("suggests", &plugin("suggests")).await.expect("a plug-in");
        // Once more, for what is left of the first time.
        [shop.check_out(&cart("tea", 7)).await, shop.check_out(&cart("tea", 7)).await]
    });
    for receipt in receipts {
        assert_eq!((receipt.sum, receipt.to_pay()), (7 * 450, 5 * 450));
        assert_eq!(receipt.discounts, [("three_for_two".to_owned(), 2 * 450)]);
        assert_eq!(receipt.suggestions, ["milk"]);
        assert!(why(&receipt.without, "spins").contains("computed for longer"), "{receipt:?}");
        assert!(why(&receipt.without, "hoards").contains("more memory"), "{receipt:?}");
        assert!(why(&receipt.without, "traps").contains("trapped"), "{receipt:?}");
    }
    assert_eq!(journal.lines(), ["three_for_two: 2 x tea free"; 2]);
    host.stop().expect("no fault");
}

#[test]
fn a_plug_in_that_gives_an_error_of_its_own_is_told_from_one_that_comes_down() {
    let (_host, mut shop) = started(&Journal::default());
    let receipt = block_on(async {
        let file = plugin("three_for_two");
        shop.install_discount("three_for_two", &file).await.expect("a plug-in");
        shop.check_out(&cart("coffee", 1)).await
    });
    assert_eq!(why(&receipt.without, "three_for_two"), "there is no coffee");
}

#[test]
fn a_plug_in_that_computes_does_not_stop_the_others_and_ends_when_no_one_waits() {
    let (host, mut shop) = started(&Journal::default());
    let handle = host.handle();
    let minute = Duration::from_secs(60);
    let limits = GuestLimits { cpu: minute, wall: minute, ..LIMITS };
    block_on(async {
        let spins = PluginPlan::file("spins", plugin("spins")).limits(limits);
        let spins = handle.load(spins).await.expect("a plug-in");
        let mut spinning = Box::pin(shop::discount(&spins, cart("tea", 3)));
        let is_spinning = |answer: &Option<_>| answer.is_none();
        assert!(is_spinning(&polled(spinning.as_mut()).await));
        let file = plugin("three_for_two");
        shop.install_discount("three_for_two", &file).await.expect("a plug-in");
        for _ in 0..20 {
            assert_eq!(shop.check_out(&cart("tea", 3)).await.to_pay(), 2 * 450);
        }
        assert!(is_spinning(&polled(spinning.as_mut()).await));
    });
    // The host would wait for its loop, and that for a guest which holds it.
    host.stop().expect("no fault");
}

/// What a future gives when it is polled once.
async fn polled<F: Future>(mut future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        let polled = future.as_mut().poll(cx);
        std::task::Poll::Ready(match polled {
            std::task::Poll::Ready(value) => Some(value),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[test]
fn a_new_version_has_the_name_and_the_place_of_the_one_before() {
    let (host, _) = started(&Journal::default());
    let handle = host.handle();
    block_on(async {
        let plan = |file| PluginPlan::file("offer", plugin(file)).isolation(Isolation::Reuse);
        let offer = handle.load(plan("traps")).await.expect("a plug-in");
        let outcome = shop::discount(&offer, cart("tea", 3)).await;
        assert!(matches!(outcome, Err(CallError::Failed(Failure::Trap(_)))), "{outcome:?}");
        handle.load(plan("three_for_two")).await.expect("a plug-in");
        assert_eq!(shop::discount(&offer, cart("tea", 3)).await.expect("an answer"), Ok(450));
        // One that cannot be loaded leaves the one before where it is.
        let broken = handle.load(PluginPlan::bytes("offer", *b"no component")).await;
        assert!(matches!(broken, Err(LoadError::File(_))), "{broken:?}");
        assert_eq!(shop::discount(&offer, cart("tea", 3)).await.expect("an answer"), Ok(450));
        assert!(offer.unload().await.expect("an answer"));
        let outcome = shop::discount(&offer, cart("tea", 3)).await;
        assert!(matches!(outcome, Err(CallError::NotLoaded)), "{outcome:?}");
    });
    host.stop().expect("no fault");
    let gone = block_on(handle.load(PluginPlan::file("offer", plugin("traps"))));
    assert!(matches!(gone, Err(LoadError::Stopped)), "{gone:?}");
}

#[test]
fn the_program_of_the_shop_checks_out_on_the_loop_itself() {
    let argument = |kind: &str, name: &str| format!("{kind}:{}", plugin(name).display());
    let ran = Command::new(env!("CARGO_BIN_EXE_shop"))
        .args([argument("discount", "three_for_two"), argument("discount", "spins")])
        .args([argument("suggestion", "suggests"), argument("discount", "missing")])
        .output()
        .expect("the shop");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    let wanted = "sum 1350\n  three_for_two -450\nto pay 900\nyou may also like milk\n";
    assert_eq!(out, wanted, "{err}");
    assert!(err.contains("without spins") && err.contains("missing is not installed"), "{err}");
}

#[test]
fn a_plug_in_that_answers_requests_may_import_what_the_shop_has() {
    let (host, _) = started(&Journal::default());
    let handle = host.handle();
    let ask = |path: &str| {
        hob::http::Request::get(path).body(hob::bytes::Bytes::new()).expect("a request")
    };
    block_on(async {
        let plan = PluginPlan::file("storefront", plugin("storefront"));
        let storefront = handle.load(plan).await.expect("a plug-in");
        let answer = storefront.request(ask("/articles/tea")).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"450, 20 pieces\n"[..]));
        let answer = storefront.request(ask("/articles/coffee")).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 404);
        // It has no discounts to give, and says so as any component would.
        let outcome = shop::discount(&storefront, cart("tea", 3)).await;
        assert!(matches!(outcome, Err(CallError::Failed(Failure::Trap(_)))), "{outcome:?}");
        // And the other way round.
        let plan = PluginPlan::file("three_for_two", plugin("three_for_two"));
        let plugin = handle.load(plan).await.expect("a plug-in");
        let outcome = plugin.request(ask("/")).await;
        assert!(matches!(outcome, Err(CallError::NoHandler)), "{outcome:?}");
    });
}

#[test]
fn what_a_plug_in_exports_says_which_generation_it_needs() {
    let generation = |name| {
        let file = hob::engine::ComponentFile::read(&plugin(name)).expect("a component");
        file.generation()
    };
    assert_eq!(generation("three_for_two"), hob::engine::Generation::Wasi02);
    assert_eq!(generation("suggests"), hob::engine::Generation::Wasi03);
}

#[test]
fn a_plug_in_is_not_loaded_where_the_shop_is_not() {
    let host = hob::Host::builder().start().expect("a host");
    let plan = PluginPlan::file("three_for_two", plugin("three_for_two"));
    let error = block_on(host.handle().load(plan)).expect_err("an import that is not there");
    assert!(error.to_string().contains("shop:plugins/catalog@1.0.0"), "{error}");
}

#[test]
fn a_server_of_the_shops_own_serves_handlers_that_import_what_it_has() {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("served");
    std::fs::create_dir_all(&folder).expect("a folder");
    let component = plugin("storefront");
    let hob_toml = folder.join("hob.toml");
    let text = format!(
        "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"off\"\ndata = {:?}\n\
         [[handler]]\nname = \"articles\"\ncomponent = {component:?}\n",
        folder.join("data")
    );
    std::fs::write(&hob_toml, text).expect("a file");
    let (report, started) = std::sync::mpsc::channel();
    let serving = std::thread::spawn(move || {
        Shop::builder(&stock(), &Journal::default())
            .serve(&hob_toml, |served| report.send(served).expect("the test waits"))
    });
    let served = started.recv().expect("a server");
    let mut client = TcpStream::connect(served.address).expect("a connection");
    client
        .write_all(b"GET /articles/milk HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
        .expect("sent");
    let mut answer = String::new();
    client.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("120, 8 pieces"), "{answer}");
    served.stop();
    serving.join().expect("no panic").expect("no fault");
}
