//! Three pieces of an article for the price of two, while there are enough of it.

wit_bindgen::generate!({ path: "../../shop/wit", world: "discounts" });

use shop::plugins::{catalog, journal};

struct ThreeForTwo;

impl Guest for ThreeForTwo {
    fn discount(cart: Vec<Line>) -> Result<u64, String> {
        let mut off = 0;
        for Line { sku, quantity } in cart {
            let price = catalog::price(&sku).ok_or_else(|| format!("there is no {sku}"))?;
            let free = u64::from(quantity / 3);
            if free > 0 && catalog::stock(&sku) >= quantity {
                journal::note(&format!("{free} x {sku} free"));
                off += price * free;
            }
        }
        Ok(off)
    }
}

export!(ThreeForTwo);
