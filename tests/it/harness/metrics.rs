//! The numbers of `/metrics`, read as strictly as Prometheus reads them.

use std::collections::{HashMap, HashSet};

/// One scrape.
pub(crate) struct Metrics {
    /// By name and labels, as they are written.
    samples: HashMap<String, f64>,
    /// The type of each family, by its name.
    families: HashMap<String, String>,
}

impl Metrics {
    /// Parses the exposition format 0.0.4. Panics where it is not that.
    pub(crate) fn parse(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut metrics = Metrics { samples: HashMap::new(), families: HashMap::new() };
        let mut helped = HashSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let name = help.split_once(' ').expect("a name and a text").0;
                assert!(helped.insert(name.to_owned()), "HELP twice: {line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').expect("a name and a type");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = metrics.families.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none(), "TYPE twice: {line}");
            } else {
                metrics.sample(line);
            }
        }
        metrics
    }

    fn sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let value = value.parse().unwrap_or_else(|_| panic!("not a number: {line}"));
        let name = series.split('{').next().unwrap_or(series);
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{line}");
        if let Some(labels) = series.strip_prefix(name).filter(|labels| !labels.is_empty()) {
            let inner = labels.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
            for label in inner.unwrap_or_else(|| panic!("bad labels: {line}")).split(',') {
                let value = label.split_once('=').unwrap_or_else(|| panic!("{line}")).1;
                assert!(value.starts_with('"') && value.ends_with('"'), "{line}");
            }
        }
        assert!(self.family_of(name).is_some(), "no TYPE before {line}");
        assert!(self.samples.insert(series.to_owned(), value).is_none(), "twice: {series}");
    }

    fn family_of(&self, name: &str) -> Option<&str> {
        if self.families.contains_key(name) {
            return self.families.get(name).map(String::as_str);
        }
        let of_histogram = ["_bucket", "_sum", "_count"];
        let family = of_histogram.iter().find_map(|suffix| name.strip_suffix(suffix))?;
        self.families.get(family).map(String::as_str).filter(|kind| *kind == "histogram")
    }

    /// The type of a family, if there is one of this name.
    pub(crate) fn kind(&self, family: &str) -> Option<&str> {
        self.families.get(family).map(String::as_str)
    }

    /// A sample, by its name and labels as they are written; 0 when there is none yet.
    pub(crate) fn get(&self, series: &str) -> f64 {
        self.samples.get(series).copied().unwrap_or(0.0)
    }

    /// Whether there is such a sample.
    pub(crate) fn has(&self, series: &str) -> bool {
        self.samples.contains_key(series)
    }

    /// A sample of a handler.
    pub(crate) fn of(&self, handler: &str, name: &str) -> f64 {
        self.of_handler(handler, name, "")
    }

    /// Requests of a handler that were answered with this status.
    pub(crate) fn answered(&self, handler: &str, status: u16) -> f64 {
        self.of_handler(handler, "hob_requests_total", &format!(",status=\"{status}\""))
    }

    /// The names of handlers are told apart in each test, so its tenant need not be said.
    fn of_handler(&self, handler: &str, name: &str, labels: &str) -> f64 {
        let end = format!(",handler=\"{handler}\"{labels}}}");
        let mut found = self.beginning(name).filter(|(series, _)| {
            series[name.len()..].starts_with("{tenant=") && series.ends_with(&end)
        });
        let value = found.next().map_or(0.0, |(_, value)| value);
        assert!(found.next().is_none(), "two tenants have a handler {handler}");
        value
    }

    /// A sample of a tenant.
    pub(crate) fn of_tenant(&self, tenant: &str, name: &str) -> f64 {
        self.get(&format!("{name}{{tenant=\"{tenant}\"}}"))
    }

    /// How often a tenant was refused for a limit.
    pub(crate) fn refused(&self, tenant: &str, limit: &str) -> f64 {
        let labels = format!("tenant=\"{tenant}\",limit=\"{limit}\"");
        self.get(&format!("hob_tenant_refused_total{{{labels}}}"))
    }

    /// A sample of a module of the tenant that a module has which names none.
    pub(crate) fn of_module(&self, module: &str, name: &str) -> f64 {
        self.get(&format!("{name}{{tenant=\"default\",module=\"{module}\"}}"))
    }

    /// The samples whose name and labels begin so, in no order.
    pub(crate) fn beginning<'a>(&'a self, start: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        let samples = self.samples.iter().map(|(series, value)| (series.as_str(), *value));
        samples.filter(move |(series, _)| series.starts_with(start))
    }
}
