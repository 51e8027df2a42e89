//! Owns the way from a request's path to the handler that answers it. Pure.

/// The routes of a server: a path and all paths below it belong to a handler, and the longest
/// path that matches wins.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    /// Longest first. A path has no slash at its end, so the root is empty.
    prefixes: Vec<(String, usize)>,
}

impl Routes {
    /// Routes from paths to the places of handlers in a list.
    pub fn new(paths: impl IntoIterator<Item = (String, usize)>) -> Self {
        let mut prefixes: Vec<_> = paths
            .into_iter()
            .map(|(path, handler)| (path.trim_end_matches('/').to_owned(), handler))
            .collect();
        prefixes.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        Routes { prefixes }
    }

    /// The handler for a path.
    pub fn find(&self, path: &str) -> Option<usize> {
        self.prefixes.iter().find(|(prefix, _)| is_below(path, prefix)).map(|(_, index)| *index)
    }
}

/// `/a` covers `/a` and `/a/b`, not `/ab`.
fn is_below(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
