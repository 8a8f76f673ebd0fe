//! Rectangles with their coordinate space in the type, and the map between a view and a network's input.

use serde::{Deserialize, Serialize};

/// A rectangle in pixels of the view as captured: left-top corner, width, height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct BoxView {
    /// Left edge, pixels.
    pub x: f32,
    /// Top edge, pixels.
    pub y: f32,
    /// Width, pixels.
    pub w: f32,
    /// Height, pixels.
    pub h: f32,
}

/// A rectangle in pixels of a network's input: left-top corner, width, height.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BoxTensor {
    /// Left edge, tensor pixels.
    pub x: f32,
    /// Top edge, tensor pixels.
    pub y: f32,
    /// Width, tensor pixels.
    pub w: f32,
    /// Height, tensor pixels.
    pub h: f32,
}

impl BoxTensor {
    /// From centre and size, the usual output of a YOLO head.
    pub fn from_centre(cx: f32, cy: f32, w: f32, h: f32) -> Self {
        Self {
            x: cx - w / 2.0,
            y: cy - h / 2.0,
            w,
            h,
        }
    }

    /// Intersection over union with `other`, 0 for empty boxes.
    pub fn iou(&self, other: &BoxTensor) -> f32 {
        iou(
            [self.x, self.y, self.w, self.h],
            [other.x, other.y, other.w, other.h],
        )
    }
}

impl BoxView {
    /// Area in square pixels.
    pub fn area(&self) -> f32 {
        self.w.max(0.0) * self.h.max(0.0)
    }

    /// Centre `(x, y)` in pixels.
    pub fn centre(&self) -> (f32, f32) {
        (self.x + self.w / 2.0, self.y + self.h / 2.0)
    }

    /// Intersection over union with `other`, 0 for empty boxes.
    pub fn iou(&self, other: &BoxView) -> f32 {
        iou(
            [self.x, self.y, self.w, self.h],
            [other.x, other.y, other.w, other.h],
        )
    }

    /// The part of the box inside a picture of `width` x `height` pixels.
    pub fn clipped(&self, width: u32, height: u32) -> BoxView {
        let x0 = self.x.clamp(0.0, width as f32);
        let y0 = self.y.clamp(0.0, height as f32);
        let x1 = (self.x + self.w).clamp(0.0, width as f32);
        let y1 = (self.y + self.h).clamp(0.0, height as f32);
        BoxView {
            x: x0,
            y: y0,
            w: (x1 - x0).max(0.0),
            h: (y1 - y0).max(0.0),
        }
    }
}

fn iou(a: [f32; 4], b: [f32; 4]) -> f32 {
    let w = (a[0] + a[2]).min(b[0] + b[2]) - a[0].max(b[0]);
    let h = (a[1] + a[3]).min(b[1] + b[3]) - a[1].max(b[1]);
    if w <= 0.0 || h <= 0.0 {
        return 0.0;
    }
    let inter = w * h;
    let union = a[2] * a[3] + b[2] * b[3] - inter;
    if union > 0.0 { inter / union } else { 0.0 }
}

/// How a network's input was cut from a view: `tensor = view * scale + offset`, per axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ViewToTensor {
    /// Tensor pixels per view pixel, horizontally.
    pub scale_x: f32,
    /// Tensor pixels per view pixel, vertically.
    pub scale_y: f32,
    /// Tensor x of the view's left edge.
    pub offset_x: f32,
    /// Tensor y of the view's top edge.
    pub offset_y: f32,
}

impl ViewToTensor {
    /// The view's rectangle of a tensor rectangle.
    pub fn box_to_view(&self, b: &BoxTensor) -> BoxView {
        BoxView {
            x: (b.x - self.offset_x) / self.scale_x,
            y: (b.y - self.offset_y) / self.scale_y,
            w: b.w / self.scale_x,
            h: b.h / self.scale_y,
        }
    }

    /// The tensor's rectangle of a view rectangle.
    pub fn box_to_tensor(&self, b: &BoxView) -> BoxTensor {
        BoxTensor {
            x: b.x * self.scale_x + self.offset_x,
            y: b.y * self.scale_y + self.offset_y,
            w: b.w * self.scale_x,
            h: b.h * self.scale_y,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlap_of_half_shifted_squares_is_a_third() {
        let a = BoxView {
            x: 0.0,
            y: 0.0,
            w: 10.0,
            h: 10.0,
        };
        let b = BoxView { x: 5.0, ..a };
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-6);
        assert_eq!(a.iou(&BoxView { x: 10.0, ..a }), 0.0);
    }

    #[test]
    fn clipping_keeps_only_what_is_inside() {
        let b = BoxView {
            x: -5.0,
            y: 90.0,
            w: 20.0,
            h: 20.0,
        };
        assert_eq!(
            b.clipped(100, 100),
            BoxView {
                x: 0.0,
                y: 90.0,
                w: 15.0,
                h: 10.0
            }
        );
        let outside = BoxView {
            x: 200.0,
            y: 0.0,
            w: 5.0,
            h: 5.0,
        };
        assert_eq!(outside.clipped(100, 100).area(), 0.0);
    }

    proptest! {
        #[test]
        fn a_box_survives_the_way_to_the_tensor_and_back(
            x in -500f32..500.0, y in -500f32..500.0, w in 1f32..500.0, h in 1f32..500.0, s in 0.1f32..8.0, o in -100f32..100.0,
        ) {
            let map = ViewToTensor { scale_x: s, scale_y: s * 1.5, offset_x: o, offset_y: -o };
            let b = BoxView { x, y, w, h };
            let back = map.box_to_view(&map.box_to_tensor(&b));
            prop_assert!((back.x - x).abs() < 0.05 && (back.y - y).abs() < 0.05);
            prop_assert!((back.w - w).abs() < 0.05 && (back.h - h).abs() < 0.05);
        }
    }
}
