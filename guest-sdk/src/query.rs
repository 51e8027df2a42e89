//! The query of a request's target: `?name=value&...`.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

use crate::{Error, Result};

/// The query of a request, decoded as a form is: `+` is a space, `%xx` a byte.
///
/// ```
/// # use hob_sdk::{Request, http::Method};
/// let request = Request::new(Method::GET, "/search?q=two+words&page=2");
/// let query = request.query();
/// assert_eq!(query.first("q").as_deref(), Some("two words"));
/// assert_eq!(query.pairs().count(), 2);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a>(pub(crate) &'a str);

impl<'a> Query<'a> {
    /// As it stands in the target, without the question mark.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/search?q=two+words");
    /// assert_eq!(request.query().as_str(), "q=two+words");
    /// ```
    pub fn as_str(self) -> &'a str {
        self.0
    }

    /// Every name with its value, decoded, in order. A name may repeat.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/?tag=a&tag=b");
    /// let tags: Vec<_> = request.query().pairs().map(|(_, value)| value.into_owned()).collect();
    /// assert_eq!(tags, ["a", "b"]);
    /// ```
    pub fn pairs(self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        form_urlencoded::parse(self.0.as_bytes())
    }

    /// The first value called `name`, decoded.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// let request = Request::new(Method::GET, "/?ms=20&ms=30");
    /// assert_eq!(request.query().first("ms").as_deref(), Some("20"));
    /// assert_eq!(request.query().first("s"), None);
    /// ```
    pub fn first(self, name: &str) -> Option<Cow<'a, str>> {
        self.pairs().find(|pair| pair.0 == name).map(|pair| pair.1)
    }

    /// The whole query as a type of yours. A query that does not fit is the client's mistake: it
    /// becomes an error with status 400 and a message that says what is wrong.
    ///
    /// ```
    /// # use hob_sdk::{Request, http::Method};
    /// #[derive(serde::Deserialize)]
    /// struct Page {
    ///     number: u32,
    ///     #[serde(default)]
    ///     reverse: bool,
    /// }
    ///
    /// let request = Request::new(Method::GET, "/list?number=3");
    /// let page: Page = request.query().parse()?;
    /// assert_eq!((page.number, page.reverse), (3, false));
    ///
    /// let request = Request::new(Method::GET, "/list?number=three");
    /// assert_eq!(request.query().parse::<Page>().err().unwrap().status_code(), Some(400));
    /// # Ok::<(), hob_sdk::Error>(())
    /// ```
    pub fn parse<T: DeserializeOwned>(self) -> Result<T> {
        serde_urlencoded::from_str(self.0)
            .map_err(|error| Error::status(400, format!("the query is not valid: {error}")))
    }
}
