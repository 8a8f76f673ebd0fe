//! What caps say about a picture.

use crate::tap::Shape;
use gstreamer as gst;
use gstreamer_video::VideoInfo;
use sightline_model::{PixelFormat, PlaneLayout};

/// The shape of a frame with these caps; `None` for what the station does not take.
pub(super) fn of_caps(caps: &gst::CapsRef) -> Option<Shape> {
    let structure = caps.structure(0)?;
    if structure.name() == "video/x-bayer" {
        let name = format!(
            "BAYER_{}",
            structure.get::<&str>("format").ok()?.to_uppercase()
        );
        let format = PixelFormat::ALL.into_iter().find(|f| f.name() == name)?;
        let side = |name| u32::try_from(structure.get::<i32>(name).ok()?).ok();
        let (width, height) = (side("width")?, side("height")?);
        return Some(Shape {
            width,
            height,
            format,
            layout: format.default_layout(width, height),
        });
    }
    let info = VideoInfo::from_caps(caps).ok()?;
    let format = PixelFormat::ALL
        .into_iter()
        .find(|f| f.name() == info.format().to_str().as_str())?;
    let mut layout = PlaneLayout {
        len: info.size(),
        ..PlaneLayout::default()
    };
    for (to, from) in layout.offsets.iter_mut().zip(info.offset()) {
        *to = *from;
    }
    for (to, from) in layout.strides.iter_mut().zip(info.stride()) {
        *to = usize::try_from(*from).ok()?;
    }
    Some(Shape {
        width: info.width(),
        height: info.height(),
        format,
        layout,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_of_ours_has_gstreamers_own_layout() {
        gst::init().unwrap();
        for format in PixelFormat::ALL {
            let caps = match format.name().strip_prefix("BAYER_") {
                Some(mosaic) => {
                    gst::Caps::builder("video/x-bayer").field("format", mosaic.to_lowercase())
                }
                None => gst::Caps::builder("video/x-raw").field("format", format.name()),
            };
            let caps = caps
                .field("width", 34i32)
                .field("height", 18i32)
                .field("framerate", gst::Fraction::new(1, 1));
            let shape = of_caps(&caps.build()).unwrap_or_else(|| panic!("{format:?}"));
            assert_eq!((shape.width, shape.height, shape.format), (34, 18, format));
            assert_eq!(shape.layout, format.default_layout(34, 18), "{format:?}");
        }
        let other = gst::Caps::builder("video/x-raw")
            .field("format", "GRAY16_LE")
            .build();
        assert!(of_caps(&other).is_none());
    }
}
