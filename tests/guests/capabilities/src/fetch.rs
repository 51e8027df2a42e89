//! `hob:host/fetch` and `hob:host/dns`.

use std::time::Duration;

use hob_sdk::fetch::{Error, Request, Response};
use hob_sdk::{dns, spawn};

use crate::{Arguments, Outcome};

pub(crate) async fn call(function: &str, arguments: Arguments, body: Vec<u8>) -> Outcome {
    let Arguments { to, length, pieces, method, ms, length_field, .. } = arguments;
    let method = method.unwrap_or_else(|| "GET".to_owned());
    let patience = Duration::from_millis(ms.unwrap_or(10_000));
    let mut request = Request::new(method, to)
        .header("x-test", "yes")
        .header("connection", "close")
        .header("host", "forged.example")
        .connect_timeout(patience)
        .first_byte_timeout(patience)
        .between_bytes_timeout(patience);
    if let Some(length) = length_field {
        request = request.header("content-length", length);
    }
    let result = match function {
        "send" => send(request.body(body)).await,
        "upload" => upload(request, body, pieces).await,
        "upload-broken" => upload_broken(request, body).await,
        "length" => request.send().await.map(|response| count(response, length)),
        "several" => return Ok(several(request, pieces).await),
        "abandon" => {
            drop(futures_once(request.send()).await);
            Ok(b"abandoned".to_vec())
        }
        _ => return Err("no such function".to_owned()),
    };
    result.map_err(named)
}

fn named(error: Error) -> String {
    let text = format!("{error:?}");
    text.split('(').next().unwrap_or(&text).to_owned()
}

/// Status, the field `x-answer`, and the body.
async fn shown(response: Response) -> Result<Vec<u8>, Error> {
    let answer = response.header("x-answer").unwrap_or("-").to_owned();
    let mut all = format!("{} {answer} ", response.status()).into_bytes();
    all.extend(response.with_limit(64 << 20).bytes().await?);
    Ok(all)
}

async fn send(request: Request) -> Result<Vec<u8>, Error> {
    shown(request.send().await?).await
}

/// Takes the head and leaves the body.
fn count(response: Response, _length: u32) -> Vec<u8> {
    format!("{}", response.headers().count()).into_bytes()
}

async fn upload(request: Request, body: Vec<u8>, pieces: u32) -> Result<Vec<u8>, Error> {
    let upload = request.upload()?;
    for _ in 0..pieces {
        if upload.write(body.clone()).await.is_err() {
            break;
        }
    }
    shown(upload.finish().await?).await
}

async fn upload_broken(request: Request, body: Vec<u8>) -> Result<Vec<u8>, Error> {
    let upload = request.upload()?;
    for _ in 0..5 {
        upload.write(body.clone()).await?;
    }
    Ok(b"broken off".to_vec())
}

/// Sends the same request so many times at once; how many were answered with 200.
async fn several(request: Request, pieces: u32) -> Vec<u8> {
    let done = std::rc::Rc::new(std::cell::Cell::new(0));
    let tasks: Vec<_> = (0..pieces)
        .map(|_| {
            let (request, done) = (request.clone(), done.clone());
            spawn_joined(async move {
                if send(request).await.is_ok() {
                    done.set(done.get() + 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await;
    }
    done.get().to_string().into_bytes()
}

/// Starts work beside, and gives what waits for its end.
fn spawn_joined(work: impl Future<Output = ()> + 'static) -> impl Future<Output = ()> {
    let ended = std::rc::Rc::new(std::cell::RefCell::new((false, None::<std::task::Waker>)));
    let end = ended.clone();
    spawn(async move {
        work.await;
        let (flag, waker) = &mut *end.borrow_mut();
        *flag = true;
        if let Some(waker) = waker.take() {
            waker.wake();
        }
    });
    std::future::poll_fn(move |cx| {
        let (flag, waker) = &mut *ended.borrow_mut();
        *waker = Some(cx.waker().clone());
        if *flag { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
}

/// Polls a future once, which starts it.
async fn futures_once<F: Future>(future: F) -> std::pin::Pin<Box<F>> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        std::task::Poll::Ready(())
    })
    .await;
    future
}

pub(crate) async fn lookup(arguments: Arguments) -> Outcome {
    match dns::lookup(arguments.to).await {
        Ok(addresses) => {
            let lines = addresses.iter().map(|address| format!("{address}\n"));
            Ok(lines.collect::<String>().into_bytes())
        }
        Err(error) => {
            let text = format!("{error:?}");
            Err(text.split('(').next().unwrap_or(&text).to_owned())
        }
    }
}
