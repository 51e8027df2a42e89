//! Computes for ever.

wit_bindgen::generate!({ path: "../../shop/wit", world: "discounts" });

struct Spins;

impl Guest for Spins {
    fn discount(_: Vec<Line>) -> Result<u64, String> {
        let mut turns = 0_u64;
        loop {
            turns = std::hint::black_box(turns + 1);
        }
    }
}

export!(Spins);
