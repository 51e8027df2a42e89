//! Checks one cart out, with the plug-ins that are named: `shop discount:FILE suggestion:FILE ...`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use shop::{Journal, Line, Shop, Stock};

fn main() -> ExitCode {
    let plugins: Vec<String> = std::env::args().skip(1).collect();
    let stock =
        Arc::new(Stock::default().with("tea", 450, 20).with("milk", 120, 8).with("honey", 700, 0));
    let journal = Journal::default();
    let host = match Shop::host(&stock, &journal) {
        Ok(host) => host,
        Err(error) => {
            eprintln!("shop: {error}");
            return ExitCode::FAILURE;
        }
    };
    // The shop lives on the loop of its plug-ins; a program with threads of its own would have
    // `Shop::builder(..).start()` and use the handle from those.
    let sold = host.run(async move |handle| {
        let mut shop = Shop::new(handle, stock);
        for plugin in plugins {
            install(&mut shop, &plugin).await;
        }
        let cart = [Line { sku: "tea".to_owned(), quantity: 3 }];
        let receipt = shop.check_out(&cart).await;
        println!("sum {}", receipt.sum);
        for (plugin, cents) in &receipt.discounts {
            println!("  {plugin} -{cents}");
        }
        println!("to pay {}", receipt.to_pay());
        receipt.suggestions.iter().for_each(|sku| println!("you may also like {sku}"));
        for (plugin, why) in &receipt.without {
            eprintln!("shop: without {plugin}: {why}");
        }
        journal.lines().iter().for_each(|line| eprintln!("shop: journal: {line}"));
    });
    match sold {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: the loop has failed: {error}");
            ExitCode::FAILURE
        }
    }
}

/// A plug-in that cannot be installed is one that the shop does without.
async fn install(shop: &mut Shop, plugin: &str) {
    let (kind, file) = plugin.split_once(':').unwrap_or(("discount", plugin));
    let file = Path::new(file);
    let name = file.file_stem().unwrap_or_default().to_string_lossy();
    let installed = match kind {
        "suggestion" => shop.install_suggestion(&name, file).await,
        _ => shop.install_discount(&name, file).await,
    };
    if let Err(error) = installed {
        eprintln!("shop: {name} is not installed: {error}");
    }
}
