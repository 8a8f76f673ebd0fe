use super::*;
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};
use std::path::PathBuf;

const SLOT: usize = 64 * 64 * 3;

struct Rig {
    folder: tempfile::TempDir,
    decoder: PictureDecoder,
    slot: Vec<u8>,
}

impl Rig {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            decoder: PictureDecoder::default(),
            slot: vec![0xEE; SLOT],
        }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    fn save(&self, name: &str, picture: &DynamicImage, format: ImageFormat) -> PathBuf {
        self.file(name, &encoded(picture, format))
    }

    fn decode(&mut self, path: &Path, format: PixelFormat) -> Result<Decoded, PictureError> {
        self.decoder
            .decode(path, format, (None, None), &mut self.slot)
    }

    fn refused(&mut self, path: &Path) -> String {
        self.decode(path, PixelFormat::Gray8)
            .expect_err("it must be refused")
            .to_string()
    }
}

fn encoded(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn ramp() -> GrayImage {
    GrayImage::from_fn(33, 20, |x, y| Luma([(x * 7 + y) as u8]))
}

fn colours() -> RgbImage {
    RgbImage::from_fn(33, 20, |x, y| Rgb([(x * 7) as u8, (y * 12) as u8, 200]))
}

#[test]
fn grey_png_bmp_and_tiff_go_straight_into_the_slot_with_packed_rows() {
    let mut rig = Rig::new();
    let grey = DynamicImage::ImageLuma8(ramp());
    for (name, format) in [("a.png", ImageFormat::Png), ("a.tif", ImageFormat::Tiff)] {
        let path = rig.save(name, &grey, format);
        rig.slot.fill(0xEE);
        let decoded = rig.decode(&path, PixelFormat::Gray8).unwrap();
        assert_eq!(
            (
                decoded.host_copies,
                decoded.shape.width,
                decoded.shape.height
            ),
            (0, 33, 20)
        );
        assert_eq!(decoded.shape.layout.strides[0], 33);
        assert_eq!(rig.slot[..33 * 20], ramp().as_raw()[..]);
        assert_eq!(
            rig.slot[33 * 20],
            0xEE,
            "nothing is written behind the picture"
        );
    }
    let path = rig.save(
        "a.bmp",
        &DynamicImage::ImageRgb8(colours()),
        ImageFormat::Bmp,
    );
    assert_eq!(rig.decode(&path, PixelFormat::Rgb).unwrap().host_copies, 0);
    assert_eq!(rig.slot[..33 * 20 * 3], colours().as_raw()[..]);
}

#[test]
fn one_bit_and_sixteen_bit_pictures_become_eight_bits() {
    let mut rig = Rig::new();
    // 16x8, one bit a pixel, columns alternate: a PNG made by hand.
    let path = rig.file("bits.png", &one_bit_png());
    let decoded = rig.decode(&path, PixelFormat::Gray8).unwrap();
    assert_eq!((decoded.shape.width, decoded.shape.height), (16, 8));
    assert_eq!(rig.slot[..4], [255, 0, 255, 0]);

    let deep = image::ImageBuffer::<Luma<u16>, _>::from_fn(16, 16, |x, _| {
        Luma([(x * 257 * 16 + 100) as u16])
    });
    let path = rig.save(
        "deep.png",
        &DynamicImage::ImageLuma16(deep),
        ImageFormat::Png,
    );
    let decoded = rig.decode(&path, PixelFormat::Gray8).unwrap();
    assert_eq!(decoded.host_copies, 1);
    assert_eq!(rig.slot[..3], [0, 16, 32]);
}

#[test]
fn colour_becomes_grey_by_bt601_and_bgr_by_swapping() {
    let mut rig = Rig::new();
    let path = rig.save(
        "c.png",
        &DynamicImage::ImageRgb8(colours()),
        ImageFormat::Png,
    );
    rig.decode(&path, PixelFormat::Gray8).unwrap();
    let p = colours().get_pixel(5, 7).0.map(f64::from);
    let expected = 0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2];
    assert!((f64::from(rig.slot[7 * 33 + 5]) - expected).abs() <= 0.51);
    rig.decode(&path, PixelFormat::Bgr).unwrap();
    let [r, g, b] = colours().get_pixel(5, 7).0;
    assert_eq!(rig.slot[(7 * 33 + 5) * 3..][..3], [b, g, r]);
}

#[test]
fn cmyk_jpeg_is_taken_as_colour() {
    let mut rig = Rig::new();
    let path = rig.file("cmyk.jpg", include_bytes!("../../tests/pictures/cmyk.jpg"));
    let decoded = rig.decode(&path, PixelFormat::Rgb).unwrap();
    assert_eq!((decoded.shape.width, decoded.shape.height), (16, 16));
    // Drawn as C=0 M=100% Y=100% K=0: red.
    let [r, g, b] = [rig.slot[0], rig.slot[1], rig.slot[2]];
    assert!(r > 200 && g < 60 && b < 60, "{r} {g} {b}");
}

#[test]
fn what_cannot_be_shown_is_refused_with_what_was_expected_and_found() {
    let mut rig = Rig::new();
    let one = rig.save("1x1.png", &DynamicImage::new_luma8(1, 1), ImageFormat::Png);
    let message = rig.refused(&one);
    assert!(
        message.contains("1x1.png") && message.contains("found 1x1"),
        "{message}"
    );

    let huge = rig.file("huge.png", &png_header_of(20_000, 20_000));
    let message = rig.refused(&huge);
    assert!(
        message.contains("20000x20000")
            && message.contains("400000000")
            && message.contains("slot_bytes"),
        "{message}"
    );

    let empty = rig.file("0x0.png", &png_header_of(0, 0));
    assert!(rig.refused(&empty).contains("0x0.png"));
    let none = rig.file("nothing.png", b"");
    assert!(rig.refused(&none).contains("expected a whole"));
    let text = rig.file(
        "text.jpg",
        b"this is no picture at all, whatever its name says",
    );
    assert!(rig.refused(&text).contains("expected a whole"));
    let absent = rig.folder.path().join("absent.png");
    assert!(rig.refused(&absent).contains("absent.png"));
}

#[test]
fn files_cut_short_are_damaged_wherever_the_cut_is() {
    let mut rig = Rig::new();
    let pictures = [
        (
            "png",
            encoded(&DynamicImage::ImageLuma8(ramp()), ImageFormat::Png),
        ),
        (
            "jpg",
            encoded(&DynamicImage::ImageLuma8(ramp()), ImageFormat::Jpeg),
        ),
        (
            "bmp",
            encoded(&DynamicImage::ImageRgb8(colours()), ImageFormat::Bmp),
        ),
        (
            "tif",
            encoded(&DynamicImage::ImageLuma8(ramp()), ImageFormat::Tiff),
        ),
    ];
    for (ending, whole) in pictures {
        for keep in [whole.len() / 8, whole.len() / 2, whole.len() * 7 / 8] {
            let path = rig.file(&format!("cut-{keep}.{ending}"), &whole[..keep]);
            assert!(
                rig.decode(&path, PixelFormat::Gray8).is_err(),
                "{ending} cut at {keep} of {}",
                whole.len()
            );
        }
    }
}

#[test]
fn only_the_configured_size_is_taken() {
    let mut rig = Rig::new();
    let path = rig.save("a.png", &DynamicImage::ImageLuma8(ramp()), ImageFormat::Png);
    let Rig { decoder, slot, .. } = &mut rig;
    assert!(
        decoder
            .decode(&path, PixelFormat::Gray8, (Some(33), Some(20)), slot)
            .is_ok()
    );
    let error = decoder
        .decode(&path, PixelFormat::Gray8, (Some(33), Some(21)), slot)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("33x21") && error.contains("33x20"),
        "{error}"
    );
}

/// A PNG chunk with its CRC.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut body = kind.to_vec();
    body.extend(data);
    let mut crc = u32::MAX;
    for byte in &body {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    [
        &(data.len() as u32).to_be_bytes()[..],
        &body,
        &(!crc).to_be_bytes(),
    ]
    .concat()
}

fn png(width: u32, height: u32, depth: u8, data: &[u8]) -> Vec<u8> {
    let header = [
        &width.to_be_bytes()[..],
        &height.to_be_bytes(),
        &[depth, 0, 0, 0, 0],
    ]
    .concat();
    [
        &b"\x89PNG\r\n\x1a\n"[..],
        &chunk(b"IHDR", &header),
        &chunk(b"IDAT", data),
        &chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A well-formed PNG that claims a size and has hardly any data.
fn png_header_of(width: u32, height: u32) -> Vec<u8> {
    png(width, height, 8, &stored(&[0]))
}

/// 16x8, one bit a pixel, columns white, black, white, …
fn one_bit_png() -> Vec<u8> {
    png(16, 8, 1, &stored(&[0, 0xAA, 0xAA].repeat(8)))
}

/// zlib, stored.
fn stored(data: &[u8]) -> Vec<u8> {
    let len = data.len() as u16;
    let (mut a, mut b) = (1u32, 0u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    [
        &[0x78, 0x01, 0x01][..],
        &len.to_le_bytes(),
        &(!len).to_le_bytes(),
        data,
        &((b << 16) | a).to_be_bytes(),
    ]
    .concat()
}

/// A JPEG with the EXIF orientation `tag`, as cameras write it.
fn tagged(picture: &GrayImage, tag: u8) -> Vec<u8> {
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100)
        .encode_image(picture)
        .unwrap();
    let tiff = [
        b"II*\0".as_slice(),
        &[
            8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, tag, 0, 0, 0, 0, 0, 0, 0,
        ],
    ]
    .concat();
    let body = [b"Exif\0\0".as_slice(), &tiff].concat();
    let length = (body.len() + 2) as u16;
    [
        &jpeg[..2],
        &[0xFF, 0xE1],
        &length.to_be_bytes(),
        &body,
        &jpeg[2..],
    ]
    .concat()
}

#[test]
fn eight_orientations_show_one_picture() {
    use image::imageops::{flip_horizontal, flip_vertical, rotate90, rotate180, rotate270};
    // four corners that tell every turn from every other
    let upright = GrayImage::from_fn(48, 24, |x, y| {
        Luma([match (x < 24, y < 12) {
            (true, true) => 20,
            (false, true) => 90,
            (true, false) => 160,
            (false, false) => 230,
        }])
    });
    // how the camera was held, so that the file's picture lies as it does (EXIF 2.32, table 5)
    let lying: [GrayImage; 8] = [
        upright.clone(),
        flip_horizontal(&upright),
        rotate180(&upright),
        flip_vertical(&upright),
        flip_horizontal(&rotate90(&upright)),
        rotate270(&upright),
        flip_horizontal(&rotate270(&upright)),
        rotate90(&upright),
    ];
    let mut rig = Rig::new();
    for (lying, tag) in lying.iter().zip(1..) {
        let path = rig.file(&format!("o{tag}.jpg"), &tagged(lying, tag));
        for format in [PixelFormat::Gray8, PixelFormat::Rgb] {
            let decoded = rig.decode(&path, format).unwrap();
            assert_eq!(
                (decoded.shape.width, decoded.shape.height),
                (48, 24),
                "{tag}"
            );
            let channels = if format == PixelFormat::Gray8 { 1 } else { 3 };
            for (x, y, want) in [(4, 4, 20u8), (44, 4, 90), (4, 20, 160), (44, 20, 230)] {
                let got = rig.slot[(y * 48 + x) * channels];
                assert!(
                    got.abs_diff(want) <= 3,
                    "{tag} at {x},{y}: {got} for {want}"
                );
            }
        }
    }
}

#[test]
fn a_turned_picture_must_have_the_configured_size_as_it_stands() {
    let mut rig = Rig::new();
    let path = rig.file("o6.jpg", &tagged(&ramp(), 6));
    let decoder = &mut rig.decoder;
    let sized = |w, h| (Some(w), Some(h));
    let upright = decoder.decode(&path, PixelFormat::Gray8, sized(20, 33), &mut rig.slot);
    assert!(upright.is_ok());
    let lying = decoder.decode(&path, PixelFormat::Gray8, sized(33, 20), &mut rig.slot);
    assert!(matches!(lying, Err(PictureError::Size { .. })));
}

#[test]
fn webp_pgm_and_ppm_are_read() {
    let mut rig = Rig::new();
    let colour = DynamicImage::from(colours());
    let webp = rig.save("a.webp", &colour, ImageFormat::WebP);
    rig.decode(&webp, PixelFormat::Rgb).unwrap();
    assert_eq!(&rig.slot[..33 * 20 * 3], colours().as_raw().as_slice());
    let mut pgm = b"P5 33 20 255\n".to_vec();
    pgm.extend(ramp().as_raw());
    let pgm = rig.file("a.pgm", &pgm);
    rig.decode(&pgm, PixelFormat::Gray8).unwrap();
    assert_eq!(&rig.slot[..33 * 20], ramp().as_raw().as_slice());
    let mut ppm = b"P6 33 20 255\n".to_vec();
    ppm.extend(colours().as_raw());
    let ppm = rig.file("a.ppm", &ppm);
    rig.decode(&ppm, PixelFormat::Rgb).unwrap();
    assert_eq!(&rig.slot[..33 * 20 * 3], colours().as_raw().as_slice());
}

#[test]
fn samples_of_12_bits_follow_the_setting_and_a_pgm_its_own_word() {
    let mut rig = Rig::new();
    let samples = image::ImageBuffer::<Luma<u16>, Vec<u16>>::from_fn(16, 16, |x, _| {
        Luma([if x < 8 { 4_095 } else { 2_048 }])
    });
    let png = rig.save("a.png", &DynamicImage::from(samples), ImageFormat::Png);
    let ends = |rig: &Rig| (rig.slot[0], rig.slot[15]);
    rig.decode(&png, PixelFormat::Gray8).unwrap();
    assert_eq!(ends(&rig), (16, 8));
    rig.decoder = PictureDecoder::with_window(Some([0, 4_095]));
    rig.decode(&png, PixelFormat::Gray8).unwrap();
    assert_eq!(ends(&rig), (255, 128));
    let mut pgm = b"P5 16 16 4095\n".to_vec();
    pgm.extend((0..256).flat_map(|i| [4_095u16, 2_048][usize::from(i % 16 >= 8)].to_be_bytes()));
    let pgm = rig.file("a.pgm", &pgm);
    rig.decode(&pgm, PixelFormat::Gray8).unwrap();
    assert_eq!(ends(&rig), (255, 128));
}
