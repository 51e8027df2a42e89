//! Owns the page that lists what is served, for a person who opens the address.

use std::fmt::Write;

use crate::handlers::Deployment;

pub(super) fn page<'a>(deployments: impl Iterator<Item = &'a Deployment>) -> String {
    let mut rows = String::new();
    for deployment in deployments {
        let Some(path) = &deployment.path else { continue };
        let (name, path) = (escape(&deployment.name), escape(path));
        let _ = writeln!(
            rows,
            "<tr><td><a href=\"{path}\">{name}</a></td><td>{}</td><td>{}</td></tr>",
            deployment.lane.generation(),
            deployment.isolation,
        );
    }
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>Hob</title>\n\
         <style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;\
         padding:0 1rem}}td,th{{text-align:left;padding:.2rem 2rem .2rem 0}}</style>\n\
         <h1>Hob</h1>\n<p>These handlers are served here.</p>\n<table>\n\
         <tr><th>handler</th><th>made for</th><th>isolation</th></tr>\n{rows}</table>\n</html>\n"
    )
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
