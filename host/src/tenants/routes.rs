//! Owns the way from a request to its route: the most specific one wins. Pure.
//!
//! A host's routes are a tree of segments. Each of its nodes has one way to it from the root, so a
//! look-up visits none twice, however many ways the patterns leave open.

use http::Method;
use rustc_hash::FxHashMap;

use super::pattern::{End, Host, Pattern, Segment, next};

/// The routes of a server, each known by its place in the order they were added.
#[derive(Clone, Debug, Default)]
pub struct Routes {
    exact: FxHashMap<String, Tree>,
    below: FxHashMap<String, Tree>,
    any: Tree,
    count: usize,
}

/// What a look-up has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The route at this place.
    Route(usize),
    /// Routes for other methods, which are these.
    OtherMethods(Vec<Method>),
    /// None.
    Nothing,
}

#[derive(Clone, Debug)]
struct Tree {
    /// The root is the first. They name each other by their places.
    nodes: Vec<Node>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    literals: FxHashMap<Box<str>, usize>,
    param: Option<usize>,
    /// The routes that end here; with a slash and more, which has a name; or with anything.
    exact: Leaf,
    rest: Leaf,
    open: Leaf,
}

/// The routes of one path, by their methods.
#[derive(Clone, Debug, Default)]
struct Leaf {
    named: Vec<(Method, usize)>,
    every: Option<usize>,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { nodes: vec![Node::default()] }
    }
}

impl Routes {
    /// Adds a route; its place is the number of those before it. One that matches the same requests as
    /// another is not found.
    ///
    /// # Errors
    /// The place of that other.
    pub fn add(&mut self, pattern: &Pattern) -> Result<(), usize> {
        let place = self.count;
        self.count += 1;
        let tree = match pattern.host() {
            Host::Any => &mut self.any,
            Host::Exact(name) => self.exact.entry(name.clone()).or_default(),
            Host::Below(name) => self.below.entry(name.clone()).or_default(),
        };
        tree.leaf(pattern).add(pattern.methods(), place)
    }

    /// Whether some route is for one host and not for another.
    pub fn tells_hosts_apart(&self) -> bool {
        !self.exact.is_empty() || !self.below.is_empty()
    }

    /// The route of a request: to this host, if it names one, in lower case and without a port.
    pub fn find(&self, host: Option<&str>, path: &str, method: &Method) -> Found {
        let mut others = Vec::new();
        if let Some(host) = host.filter(|_| self.tells_hosts_apart()) {
            let exact = self.exact.get(host);
            let mut name = host;
            let below = std::iter::from_fn(|| {
                name = name.split_once('.')?.1;
                Some(self.below.get(name))
            });
            for tree in exact.into_iter().chain(below.flatten()) {
                if let Some(place) = tree.find(0, path, method, &mut others) {
                    return Found::Route(place);
                }
            }
        }
        match self.any.find(0, path, method, &mut others) {
            Some(place) => Found::Route(place),
            None if others.is_empty() => Found::Nothing,
            None => Found::OtherMethods(others),
        }
    }
}

impl Tree {
    /// Where the routes of a path are, made if they are the first.
    fn leaf(&mut self, pattern: &Pattern) -> &mut Leaf {
        let mut at = 0;
        for segment in pattern.segments() {
            let fresh = self.nodes.len();
            let node = &mut self.nodes[at];
            at = match segment {
                Segment::Literal(text) => {
                    *node.literals.entry(text.as_str().into()).or_insert(fresh)
                }
                Segment::Param(_) => *node.param.get_or_insert(fresh),
            };
            if at == fresh {
                self.nodes.push(Node::default());
            }
        }
        let node = &mut self.nodes[at];
        match pattern.end() {
            End::Nothing => &mut node.exact,
            End::Rest(_) => &mut node.rest,
            End::Anything => &mut node.open,
        }
    }

    /// The route of a path from a node on. `others` are the methods for which there would be one. It
    /// calls itself at most once for each segment of the longest pattern, which `hob.toml` bounds.
    fn find(
        &self,
        at: usize,
        path: &str,
        method: &Method,
        others: &mut Vec<Method>,
    ) -> Option<usize> {
        let node = &self.nodes[at];
        let Some((segment, after)) = next(path) else {
            // What does not begin with a slash is no path below this.
            return path.is_empty().then(|| {
                node.exact.find(method, others).or_else(|| node.open.find(method, others))
            })?;
        };
        let literal = node.literals.get(segment);
        let found = literal.and_then(|child| self.find(*child, after, method, others));
        let param = || {
            let child = node.param.filter(|_| !segment.is_empty())?;
            self.find(child, after, method, others)
        };
        found
            .or_else(param)
            .or_else(|| node.rest.find(method, others))
            .or_else(|| node.open.find(method, others))
    }
}

impl Leaf {
    fn add(&mut self, methods: &[Method], place: usize) -> Result<(), usize> {
        if methods.is_empty() {
            return match self.every {
                Some(other) => Err(other),
                None => {
                    self.every = Some(place);
                    Ok(())
                }
            };
        }
        let taken = self.named.iter().find(|(method, _)| methods.contains(method));
        if let Some((_, other)) = taken {
            return Err(*other);
        }
        self.named.extend(methods.iter().map(|method| (method.clone(), place)));
        Ok(())
    }

    /// A HEAD is served by the route of GET.
    fn find(&self, method: &Method, others: &mut Vec<Method>) -> Option<usize> {
        let named = |wanted: &Method| {
            self.named.iter().find(|(method, _)| method == wanted).map(|(_, place)| *place)
        };
        let of_get = || if *method == Method::HEAD { named(&Method::GET) } else { None };
        let found = named(method).or_else(of_get).or(self.every);
        if found.is_none() {
            for (method, _) in &self.named {
                if !others.contains(method) {
                    others.push(method.clone());
                }
            }
        }
        found
    }
}
