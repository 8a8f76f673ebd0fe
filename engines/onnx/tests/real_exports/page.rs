//! Pictures to look at, drawn.

/// An RGB picture of a page: a heading, paragraphs of dashes, a ruled table, a shaded figure.
pub struct Page {
    pub width: usize,
    pub height: usize,
    pub pixels: Vec<u8>,
}

impl Page {
    pub fn draw(width: usize, height: usize) -> Self {
        let mut page = Self {
            width,
            height,
            pixels: vec![250; width * height * 3],
        };
        let (w, h) = (width, height);
        page.words(w / 4, h / 20, w / 2, 16, 22);
        for paragraph in 0..3 {
            for line in 0..6 {
                let y = h / 8 + paragraph * h / 9 + line * 13;
                page.words(w / 10, y, w * 8 / 10 - (line % 3) * 30, 7, 7);
            }
        }
        for rule in 0..7 {
            page.fill(w / 10, h / 2 + rule * 20, w * 8 / 10, 2, [10; 3]);
            page.words(w / 10 + 8, h / 2 + rule * 20 + 7, w * 7 / 10, 7, 30);
        }
        for shade in 0..h / 5 {
            let level = (shade * 255 / (h / 5)) as u8;
            page.fill(
                w / 5,
                h * 3 / 4 + shade,
                w * 3 / 5,
                1,
                [level, 255 - level, 90],
            );
        }
        page
    }

    /// A face of ellipses.
    pub fn face(width: usize, height: usize) -> Self {
        let mut page = Self {
            width,
            height,
            pixels: [120, 140, 150].repeat(width * height),
        };
        let (skin, dark) = ([224, 172, 140], [50, 30, 20]);
        page.ellipse([0.5, 1.05], [0.375, 0.31], [60, 70, 120]);
        page.ellipse([0.5, 0.4], [0.245, 0.267], dark);
        page.ellipse([0.5, 0.61], [0.08, 0.13], [202, 155, 126]);
        page.ellipse([0.5, 0.44], [0.2, 0.225], skin);
        for x in [0.42, 0.58] {
            page.ellipse([x, 0.403], [0.04, 0.017], [250; 3]);
            page.ellipse([x, 0.403], [0.0175, 0.0146], dark);
            page.ellipse([x, 0.366], [0.045, 0.0083], dark);
        }
        page.ellipse([0.5, 0.478], [0.0225, 0.029], [190, 146, 119]);
        page.ellipse([0.5, 0.549], [0.065, 0.0167], [170, 60, 60]);
        page
    }

    /// Centre and radii as parts of width and height.
    fn ellipse(&mut self, centre: [f64; 2], radii: [f64; 2], color: [u8; 3]) {
        for y in 0..self.height {
            for x in 0..self.width {
                let dx = (x as f64 / self.width as f64 - centre[0]) / radii[0];
                let dy = (y as f64 / self.height as f64 - centre[1]) / radii[1];
                if dx * dx + dy * dy <= 1.0 {
                    self.fill(x, y, 1, 1, color);
                }
            }
        }
    }

    pub fn fill(&mut self, x: usize, y: usize, w: usize, h: usize, color: [u8; 3]) {
        for row in y..(y + h).min(self.height) {
            for column in x..(x + w).min(self.width) {
                let at = (row * self.width + column) * 3;
                self.pixels[at..at + 3].copy_from_slice(&color);
            }
        }
    }

    fn words(&mut self, x: usize, y: usize, w: usize, tall: usize, gap: usize) {
        let mut at = x;
        let mut n = 0;
        while at < x + w {
            let word = 3 + (n * 7) % 5;
            for letter in 0..word {
                self.fill(at + letter * 5, y, 3, tall - letter % 3, [30; 3]);
            }
            at += word * 5 + gap;
            n += 1;
        }
    }

    /// As a slot holds it, rows rounded to 4 bytes.
    pub fn padded(&self) -> Vec<u8> {
        let stride = (self.width * 3).next_multiple_of(4);
        let mut out = vec![0; stride * self.height];
        for (from, to) in self
            .pixels
            .chunks(self.width * 3)
            .zip(out.chunks_mut(stride))
        {
            to[..from.len()].copy_from_slice(from);
        }
        out
    }
}
