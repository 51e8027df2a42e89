//! Owns what the shop has: articles, their prices, and how many there are.

use std::collections::BTreeMap;

/// What the shop has.
#[derive(Default)]
pub struct Stock {
    articles: BTreeMap<String, Article>,
}

struct Article {
    /// Cents for a piece.
    price: u64,
    pieces: u32,
}

impl Stock {
    /// Adds an article with its price in cents.
    #[must_use]
    pub fn with(mut self, sku: &str, price: u64, pieces: u32) -> Self {
        self.articles.insert(sku.to_owned(), Article { price, pieces });
        self
    }

    /// Cents for a piece of it.
    pub fn price(&self, sku: &str) -> Option<u64> {
        Some(self.articles.get(sku)?.price)
    }

    /// How many pieces of it there are.
    pub fn pieces(&self, sku: &str) -> u32 {
        self.articles.get(sku).map_or(0, |article| article.pieces)
    }
}
