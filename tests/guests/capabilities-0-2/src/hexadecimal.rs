//! Bytes as text, for arguments that are any bytes.

/// The lists of a body, one a line.
pub(crate) fn read(body: &[u8]) -> Vec<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).expect("a digit") as u8;
    let list = |line: &[u8]| line.chunks(2).map(|two| digit(two[0]) << 4 | digit(two[1])).collect();
    body.split(|&byte| byte == b'\n').map(list).collect()
}

pub(crate) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
