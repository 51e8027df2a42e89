//! Offloads chores, as `bench/servers/node-offload.js` does in Node.js. `by` names the module, or is
//! `inline`, and the chore is done here. Times are told in microseconds, by this handler's clock.

use std::borrow::Cow;
use std::time::Duration;

use chore::Chore;
use hob_sdk::{Body, Error, Query, Request, Response, Result, offload, time};

const MEGABYTE: usize = 1_000_000;

#[hob_sdk::handler]
async fn handle(request: Request) -> Result<Response> {
    let query = request.query();
    match request.path() {
        "/hash" => {
            let [a, b, c, d, ..] = *hash(query).await? else {
                return Err(Error::new("a hash is longer"));
            };
            Ok(Response::text(format!("{:08x}\n", u32::from_be_bytes([a, b, c, d]))))
        }
        "/empty" => empty(query).await,
        "/megabyte" => megabyte(query).await,
        "/pieces" => pieces(query).await,
        "/waiting" => waiting(query),
        _ => Err(Error::status(404, "no such path")),
    }
}

/// One piece of hashing.
async fn hash(query: Query<'_>) -> Result<Vec<u8>> {
    let rounds = number(query, "rounds")?;
    match &*text(query, "by")? {
        "inline" => Ok(chore::hash(rounds).to_vec()),
        module => Ok(offload::run(module, Chore::Hash { rounds }.input()).await?),
    }
}

/// Jobs that do nothing, one after the other: the mean time of each.
async fn empty(query: Query<'_>) -> Result<Response> {
    let (module, count) = (text(query, "by")?, number(query, "n")?);
    let start = time::now();
    for _ in 0..count {
        offload::run(&*module, Chore::Empty.input()).await?;
    }
    Ok(told(start.elapsed() / count))
}

/// The same with a megabyte that is given back, and is the next one's input.
async fn megabyte(query: Query<'_>) -> Result<Response> {
    let (module, count) = (text(query, "by")?, number(query, "n")?);
    let mut bytes = Chore::Echo.input();
    bytes.resize(MEGABYTE, 1);
    let start = time::now();
    for _ in 0..count {
        bytes = offload::run(&*module, bytes).await?;
    }
    let elapsed = start.elapsed();
    if bytes.len() != MEGABYTE {
        return Err(Error::new("a part is missing"));
    }
    Ok(told(elapsed / count))
}

/// Pieces of hashing, all at once, or one after the other when it is done here: the time of all.
async fn pieces(query: Query<'_>) -> Result<Response> {
    let (by, count): (_, u32) = (text(query, "by")?, number(query, "n")?);
    let rounds = number(query, "rounds")?;
    let start = time::now();
    let hashes: Vec<Vec<u8>> = match &*by {
        "inline" => (0..count).map(|_| chore::hash(rounds).to_vec()).collect(),
        module => offload::all(module, (0..count).map(|_| Chore::Hash { rounds }.input())).await?,
    };
    let elapsed = start.elapsed();
    if hashes.len() != count as usize || hashes.windows(2).any(|two| two[0] != two[1]) {
        return Err(Error::new("the hashes differ"));
    }
    Ok(told(elapsed))
}

/// Jobs that have begun and wait, for so many milliseconds; then they are let go.
fn waiting(query: Query<'_>) -> Result<Response> {
    let (module, count) = (text(query, "by")?.into_owned(), number::<u32>(query, "n")?);
    let held = Duration::from_millis(number(query, "ms")?);
    Ok(Response::new(Body::stream(async move |mut writer| {
        let jobs = (0..count).map(|_| offload::spawn(&module, Chore::Wait.input()));
        let jobs = jobs.collect::<Result<Vec<_>, _>>()?;
        for job in &jobs {
            job.receive().await;
        }
        writer.write("begun\n").await?;
        time::sleep(held).await;
        for job in jobs {
            job.send("end").await?;
            job.finish().await?;
        }
        writer.write("over\n").await?;
        Ok(())
    })))
}

fn told(time: Duration) -> Response {
    Response::text(format!("{}\n", time.as_nanos() as f64 / 1e3))
}

fn text<'a>(query: Query<'a>, name: &str) -> Result<Cow<'a, str>> {
    query.first(name).ok_or_else(|| Error::status(400, format!("{name} is missing")))
}

fn number<T: std::str::FromStr>(query: Query<'_>, name: &str) -> Result<T> {
    text(query, name)?.parse().map_err(|_| Error::status(400, format!("{name} is no number")))
}
