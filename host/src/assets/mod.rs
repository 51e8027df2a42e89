//! Owns the files of a folder as answers: what is found, whether the client has it already, which part
//! of it is wanted, and its way out piece by piece. Host threads touch the disk.

mod body;
mod conditions;
mod disk;
mod open;
mod path;
mod range;

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use cap_std::ambient_authority;
use cap_std::fs::Dir;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, HeaderMap, HeaderValue, LAST_MODIFIED, LOCATION, VARY,
};
use http::response::{Builder, Parts};
use http::{Method, Response, StatusCode};

pub use body::FileBody;
pub use open::OpenFiles;

use crate::event_loop::{HostQueue, Pending, Refused, Remote, Work};
use crate::limits;
use crate::wire::{Coding, codings_accepted, gets_smaller};
use conditions::Tags;
use disk::{Found, Opened};
use range::Wanted;

const OPEN: Work = Work::quick("static.open");

/// Of several that a client likes as much, the one that is the smallest as a rule.
const PREFERRED: [Coding; 3] = [Coding::Brotli, Coding::Zstd, Coding::Gzip];

/// How a folder is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FolderOptions {
    /// The file that is served for a folder, if there is one in it.
    pub index: Option<String>,
    /// The field `cache-control` of what is served.
    pub cache: Option<HeaderValue>,
    /// Whether `FILE.br`, `FILE.zst` and `FILE.gz` are served in the place of FILE to who takes them.
    pub precompressed: bool,
    /// Whether what has no compressed file beside it is compressed for who takes that.
    pub compress: bool,
    /// Whether names that begin with a dot are served.
    pub hidden: bool,
}

/// A folder that is served.
pub struct Folder {
    dir: Dir,
    options: FolderOptions,
}

/// A folder on one loop.
pub struct Assets {
    folder: Arc<Folder>,
    remote: Remote,
    queue: HostQueue,
    open: OpenFiles,
}

/// What is asked of a folder.
pub struct Question<'a> {
    /// The method, GET or HEAD.
    pub method: &'a Method,
    /// The path below the folder as it was sent: nothing, or with a slash in front.
    pub path: &'a str,
    /// The whole path as it was sent, and the query.
    pub target: (&'a str, Option<&'a str>),
    /// The request's fields.
    pub headers: &'a HeaderMap,
    /// The request's name in the timeline.
    pub request: u64,
}

/// What there is to send.
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// In pieces.
    Pieces(Box<FileBody>),
}

/// Why there is nothing to send.
#[derive(Debug)]
pub enum AssetError {
    /// There is no such file, or none that is served.
    NotFound,
    /// There is too much to do.
    Busy,
    /// The disk refuses, or the code is wrong.
    Failed(String),
}

impl Folder {
    /// Opens a folder. Nothing outside of it is ever served, whatever is in it. Blocks.
    ///
    /// # Errors
    /// When it is not there, or hob may not read it.
    pub fn open(path: &Path, options: FolderOptions) -> io::Result<Arc<Self>> {
        let dir = Dir::open_ambient_dir(path, ambient_authority())?;
        dir.entries()?;
        Ok(Arc::new(Folder { dir, options }))
    }
}

impl Assets {
    /// A folder whose files are read in the turn of `queue`. All folders of a loop share `open`.
    pub fn new(folder: Arc<Folder>, remote: Remote, queue: HostQueue, open: OpenFiles) -> Self {
        Assets { folder, remote, queue, open }
    }

    /// Whether its answers are to be compressed by who sends them: those that have the field `vary`, and
    /// no coding yet.
    pub fn compresses(&self) -> bool {
        self.folder.options.compress
    }

    /// Does work for an answer on a host thread, in the turn of the folder's tenant.
    pub fn host_thread<T: Send + 'static>(
        &self,
        work: Work,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Pending<Result<T, Refused>> {
        self.remote.host_thread(&self.queue, work, job)
    }

    /// Answers a GET or a HEAD. The answer to a HEAD has the body of a short file too, which is not to be
    /// sent.
    ///
    /// # Errors
    /// When there is nothing to send.
    pub async fn answer(&self, question: &Question<'_>) -> Result<Response<Content>, AssetError> {
        let options = &self.folder.options;
        let path = path::below(question.path, options.hidden).ok_or(AssetError::NotFound)?;
        let mut codings = Vec::new();
        if options.precompressed {
            codings = codings_accepted(question.headers, &PREFERRED);
        }
        let folder = self.folder.clone();
        let open =
            move || disk::open(&folder.dir, &path, folder.options.index.as_deref(), &codings);
        let work = OPEN.for_request(Some(question.request));
        match self.host_thread(work, open).await {
            Ok(Ok(Found::File(opened))) => self.file(opened, question),
            Ok(Ok(Found::Folder)) => Ok(to_folder(question.target)),
            Ok(Ok(Found::Nothing)) => Err(AssetError::NotFound),
            Ok(Err(error)) => Err(failed(&error)),
            Err(Refused::Busy) => Err(AssetError::Busy),
            Err(Refused::Panicked) => Err(AssetError::Failed("reading has panicked".to_owned())),
        }
    }

    fn file(
        &self,
        opened: Opened,
        question: &Question<'_>,
    ) -> Result<Response<Content>, AssetError> {
        let Opened { file, length, modified, coding, kind, content } = opened;
        let tags = Tags::new(length, modified, coding);
        let options = &self.folder.options;
        let mut head = Response::builder().header(ETAG, &tags.entity);
        if let Some(date) = &tags.date {
            head = head.header(LAST_MODIFIED, date);
        }
        if let Some(cache) = &options.cache {
            head = head.header(CACHE_CONTROL, cache);
        }
        let is_compressed = options.compress
            && coding.is_none()
            && length >= limits::ANSWER_MIN
            && gets_smaller(&kind);
        if options.precompressed || is_compressed {
            head = head.header(VARY, "accept-encoding");
        }
        if tags.are_known(question.headers) {
            return Ok(empty(head.status(StatusCode::NOT_MODIFIED)));
        }
        head = head.header(ACCEPT_RANGES, "bytes");
        let is_get = question.method == Method::GET;
        // The date is that of the compressed form too, of which nothing here is a part.
        let is_dated = !is_compressed || codings_accepted(question.headers, &PREFERRED).is_empty();
        let wanted = match is_get && tags.allow_range(question.headers, is_dated) {
            true => Wanted::of(question.headers, length),
            false => Wanted::All,
        };
        let (first, end) = match wanted {
            Wanted::All => (0, length),
            Wanted::Part(first, end) => {
                head = head.status(StatusCode::PARTIAL_CONTENT);
                head = head.header(CONTENT_RANGE, format!("bytes {first}-{}/{length}", end - 1));
                (first, end)
            }
            Wanted::None => {
                let head = Response::builder().status(StatusCode::RANGE_NOT_SATISFIABLE);
                return Ok(empty(head.header(CONTENT_RANGE, format!("bytes */{length}"))));
            }
        };
        head = head.header(CONTENT_TYPE, kind).header(CONTENT_LENGTH, end - first);
        if let Some(coding) = coding {
            head = head.header(CONTENT_ENCODING, coding.name());
        }
        let head = parts(head);
        let content = match content {
            Some(whole) => Content::Whole(whole.slice(first as usize..end as usize)),
            None if !is_get => Content::Whole(Bytes::new()),
            None => {
                let place = self.open.take().ok_or(AssetError::Busy)?;
                let (remote, queue) = (self.remote.clone(), self.queue.clone());
                let of = (remote, queue, question.request);
                Content::Pieces(Box::new(FileBody::new(file, (first, end), of, place)))
            }
        };
        Ok(Response::from_parts(head, content))
    }
}

/// What a folder is called. A path of one slash in front only, which [`path::below`] has seen to, is no
/// other host's.
fn to_folder((path, query): (&str, Option<&str>)) -> Response<Content> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let head = Response::builder().status(StatusCode::PERMANENT_REDIRECT);
    empty(head.header(LOCATION, format!("{path}/{query}")))
}

fn empty(head: Builder) -> Response<Content> {
    Response::from_parts(parts(head), Content::Whole(Bytes::new()))
}

fn parts(head: Builder) -> Parts {
    let response = head.body(()).expect("fields that were checked, or made of digits");
    response.into_parts().0
}

fn failed(error: &io::Error) -> AssetError {
    AssetError::Failed(error.to_string())
}
