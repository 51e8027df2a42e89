//! Makes a small picture from one of any size, a JPEG or a PNG: what the handler `thumbnails` offloads.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

/// Neither side of a thumbnail is longer, in pixels.
const SIDE_MAX: u32 = 160;

#[hob_sdk::job]
async fn thumbnail(picture: Vec<u8>) -> Result<Vec<u8>, ImageError> {
    let reader = ImageReader::new(Cursor::new(picture)).with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    // A camera that was held upright says so, and leaves the pixels as they are.
    let orientation = decoder.orientation()?;
    let picture = DynamicImage::from_decoder(decoder)?;
    let mut small = match picture.width().max(picture.height()) <= SIDE_MAX {
        true => picture,
        false => picture.thumbnail(SIDE_MAX, SIDE_MAX),
    };
    small.apply_orientation(orientation);
    let mut png = Cursor::new(Vec::new());
    small.write_to(&mut png, ImageFormat::Png)?;
    Ok(png.into_inner())
}
