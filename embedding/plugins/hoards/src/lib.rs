//! Wants ever more memory.

wit_bindgen::generate!({ path: "../../shop/wit", world: "discounts" });

struct Hoards;

impl Guest for Hoards {
    fn discount(_: Vec<Line>) -> Result<u64, String> {
        let mut hoard = Vec::new();
        loop {
            hoard.push(vec![1_u8; 1 << 20]);
            std::hint::black_box(&hoard);
        }
    }
}

export!(Hoards);
