//! A GraphQL endpoint over the notes of the example `notes`. This file knows HTTP, `schema` GraphQL,
//! `store` the database.

mod schema;
mod store;

use async_graphql::EmptySubscription;
use hob_sdk::http::Method;
use hob_sdk::{Request, Response, Result};

use schema::{Mutation, Query, Schema};

/// How deep a query may nest, and how many fields it may ask for.
const DEPTH_MAX: usize = 12;
const FIELDS_MAX: usize = 200;

#[hob_sdk::handler]
async fn handle(mut request: Request) -> Result<Response> {
    if request.method() != Method::POST {
        return Ok(Response::text("only POST\n").with_status(405).with_header("allow", "POST"));
    }
    let query: async_graphql::Request = request.json().await?;
    let schema = Schema::build(Query, Mutation, EmptySubscription)
        .limit_depth(DEPTH_MAX)
        .limit_complexity(FIELDS_MAX)
        .finish();
    Response::json(&schema.execute(query).await)
}
