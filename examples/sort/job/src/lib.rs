//! Sorts one piece of the numbers, which are four bytes each, the lowest first: what the handler `sort`
//! offloads.

#[hob_sdk::job]
async fn sort(piece: Vec<u8>) -> Result<Vec<u8>, String> {
    let (numbers, rest) = piece.as_chunks();
    if !rest.is_empty() {
        return Err(format!("{} bytes are no row of numbers", piece.len()));
    }
    let mut numbers: Vec<u32> = numbers.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    numbers.sort_unstable();
    Ok(numbers.iter().map(|number| number.to_le_bytes()).collect::<Vec<_>>().into_flattened())
}
