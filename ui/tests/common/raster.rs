//! Paints egui's triangles with the processor: texture times colour over what is there, premultiplied, as its own
//! backends do. Slow and exact, so that blessed pictures are the same on every machine.

use eframe::egui::epaint::{ImageData, Primitive, Vertex};
use eframe::egui::{
    Color32, ColorImage, Context, FullOutput, RawInput, Rect, TextureId, TextureOptions, Ui, Vec2,
};
use std::collections::HashMap;

/// A context and its textures.
pub struct Screen {
    ctx: Context,
    size: [usize; 2],
    textures: HashMap<TextureId, (ColorImage, TextureOptions)>,
    time: f64,
}

impl Screen {
    /// Of so many pixels.
    pub fn new(size: [usize; 2]) -> Self {
        Self {
            ctx: Context::default(),
            size,
            textures: HashMap::new(),
            time: 0.0,
        }
    }

    /// The context, to set it up.
    pub fn ctx(&self) -> &Context {
        &self.ctx
    }

    /// Runs one frame.
    pub fn frame(&mut self, draw: impl FnMut(&mut Ui)) -> FullOutput {
        let [w, h] = self.size.map(|n| n as f32);
        self.time += 1.0;
        let input = RawInput {
            screen_rect: Some(Rect::from_min_size(Default::default(), Vec2::new(w, h))),
            time: Some(self.time),
            ..RawInput::default()
        };
        let mut output = self.ctx.run_ui(input, draw);
        for (id, deltas) in &output.textures_delta.set {
            for delta in deltas {
                let ImageData::Color(image) = &delta.image;
                match delta.pos {
                    None => {
                        self.textures
                            .insert(*id, ((**image).clone(), delta.options));
                    }
                    Some([x, y]) => {
                        let (whole, _) = self.textures.get_mut(id).expect("known");
                        for row in 0..image.height() {
                            for column in 0..image.width() {
                                whole[(x + column, y + row)] = image[(column, row)];
                            }
                        }
                    }
                }
            }
        }
        // egui asks that what was taken over is cleared.
        output.textures_delta.clear();
        output
    }

    /// The pixels of a frame, RGBA.
    pub fn paint(&self, output: FullOutput) -> Vec<u8> {
        let [width, height] = self.size;
        let mut pixels = vec![Color32::BLACK; width * height];
        for clipped in self.ctx.tessellate(output.shapes, output.pixels_per_point) {
            let Primitive::Mesh(mesh) = clipped.primitive else {
                continue;
            };
            let (texture, options) = &self.textures[&mesh.texture_id];
            let linear =
                *options == TextureOptions::LINEAR && mesh.texture_id != TextureId::default();
            for triangle in mesh.indices.chunks_exact(3) {
                let corners = [0, 1, 2].map(|i| mesh.vertices[triangle[i] as usize]);
                let sample = |uv: [f32; 2]| sample(texture, uv, linear);
                fill(&mut pixels, self.size, clipped.clip_rect, corners, sample);
            }
        }
        pixels
            .into_iter()
            .flat_map(|p| [p.r(), p.g(), p.b(), 255])
            .collect()
    }
}

fn sample(texture: &ColorImage, uv: [f32; 2], linear: bool) -> [f32; 4] {
    let [w, h] = texture.size;
    let at = |x: i64, y: i64| {
        let (x, y) = (x.clamp(0, w as i64 - 1), y.clamp(0, h as i64 - 1));
        texture[(x as usize, y as usize)].to_array().map(f32::from)
    };
    let (x, y) = (uv[0] * w as f32 - 0.5, uv[1] * h as f32 - 0.5);
    if !linear {
        return at(x.round() as i64, y.round() as i64);
    }
    let (fx, fy) = (x - x.floor(), y - y.floor());
    let (x, y) = (x.floor() as i64, y.floor() as i64);
    let (a, b, c, d) = (at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1));
    std::array::from_fn(|i| {
        (a[i] * (1.0 - fx) + b[i] * fx) * (1.0 - fy) + (c[i] * (1.0 - fx) + d[i] * fx) * fy
    })
}

/// Twice the area of a triangle, signed.
fn area(a: [f32; 2], b: [f32; 2], c: [f32; 2]) -> f32 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

fn fill(
    pixels: &mut [Color32],
    size: [usize; 2],
    clip: Rect,
    mut corners: [Vertex; 3],
    sample: impl Fn([f32; 2]) -> [f32; 4],
) {
    let place = |v: &Vertex| [v.pos.x, v.pos.y];
    let whole = area(place(&corners[0]), place(&corners[1]), place(&corners[2]));
    if whole == 0.0 {
        return;
    }
    if whole < 0.0 {
        corners.swap(1, 2);
    }
    let whole = whole.abs();
    let [a, b, c] = [0, 1, 2].map(|i| place(&corners[i]));
    // An edge belongs to one of its two triangles: top and left ones only, so that no pixel is painted twice.
    let is_own =
        |from: [f32; 2], to: [f32; 2]| to[1] < from[1] || (to[1] == from[1] && to[0] > from[0]);
    let own = [is_own(b, c), is_own(c, a), is_own(a, b)];
    let least = |i: usize| a[i].min(b[i]).min(c[i]);
    let most = |i: usize| a[i].max(b[i]).max(c[i]);
    let (x0, x1) = (
        least(0).max(clip.min.x),
        most(0).min(clip.max.x).min(size[0] as f32),
    );
    let (y0, y1) = (
        least(1).max(clip.min.y),
        most(1).min(clip.max.y).min(size[1] as f32),
    );
    let first = |low: f32| (low - 0.5).ceil().max(0.0) as usize;
    for y in first(y0)..(y1 + 0.5).floor().max(0.0) as usize {
        for x in first(x0)..(x1 + 0.5).floor().max(0.0) as usize {
            let p = [x as f32 + 0.5, y as f32 + 0.5];
            if p[0] >= x1 || p[1] >= y1 {
                continue;
            }
            let weights = [area(b, c, p), area(c, a, p), area(a, b, p)];
            let inside = (0..3).all(|i| weights[i] > 0.0 || (weights[i] == 0.0 && own[i]));
            if !inside {
                continue;
            }
            let mix = |f: &dyn Fn(&Vertex) -> f32| {
                (0..3).map(|i| f(&corners[i]) * weights[i]).sum::<f32>() / whole
            };
            let texel = sample([mix(&|v| v.uv.x), mix(&|v| v.uv.y)]);
            let under = &mut pixels[y * size[0] + x];
            let below = under.to_array();
            let color: [f32; 4] = std::array::from_fn(|i| {
                mix(&|v| f32::from(v.color.to_array()[i])) * texel[i] / 255.0
            });
            let over: [u8; 4] = std::array::from_fn(|i| {
                let value = color[i] + f32::from(below[i]) * (1.0 - color[3] / 255.0);
                value.round().clamp(0.0, 255.0) as u8
            });
            *under = Color32::from_rgba_premultiplied(over[0], over[1], over[2], 255);
        }
    }
}
