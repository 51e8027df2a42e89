//! The module that is offloaded to: it does one chore.

use chore::Chore;
use hob_sdk::caller;

#[hob_sdk::job]
async fn work(input: Vec<u8>) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    match Chore::of(&input).ok_or("there is no such chore")? {
        Chore::Empty => Ok(Vec::new()),
        Chore::Hash { rounds } => Ok(chore::hash(rounds).to_vec()),
        Chore::Echo => Ok(input),
        Chore::Wait => {
            caller::send("begun").await?;
            caller::receive().await.ok_or("there is no message")?;
            Ok(Vec::new())
        }
    }
}
