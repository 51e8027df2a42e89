//! Takes a cart to have a second line.

wit_bindgen::generate!({ path: "../../shop/wit", world: "discounts" });

struct Traps;

impl Guest for Traps {
    fn discount(cart: Vec<Line>) -> Result<u64, String> {
        Ok(u64::from(cart[1].quantity))
    }
}

export!(Traps);
