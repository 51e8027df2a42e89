//! Suggests milk to who buys tea and has none. Its export is async, and so it is a component for WASI 0.3.

wit_bindgen::generate!({ path: "../../shop/wit", world: "suggestions" });

use shop::plugins::catalog;

struct Suggests;

impl Guest for Suggests {
    async fn suggest(cart: Vec<Line>) -> Vec<String> {
        let has = |sku: &str| cart.iter().any(|line| line.sku == sku);
        let wants_milk = has("tea") && !has("milk") && catalog::stock("milk") > 0;
        wants_milk.then(|| "milk".to_owned()).into_iter().collect()
    }
}

export!(Suggests);
