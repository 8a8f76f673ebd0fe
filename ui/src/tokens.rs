//! Every colour and every size. Sizes are in millimetres on the screen; colour is for the abnormal (ISA-101).

use eframe::egui::{self, Color32, FontFamily, FontId, Stroke, TextStyle, Theme, Vec2};

/// Colours of one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Colors {
    /// Behind everything.
    pub ground: Color32,
    /// Panels and cards.
    pub panel: Color32,
    /// Buttons.
    pub button: Color32,
    /// Chosen, pressed.
    pub chosen: Color32,
    /// Lines between things.
    pub line: Color32,
    /// Text.
    pub text: Color32,
    /// Text that matters less.
    pub weak: Color32,
    /// Data: bars, curves.
    pub data: Color32,
    /// Text on a coloured ground.
    pub on_color: Color32,
    /// The promise is in danger.
    pub urgent: Color32,
    /// Parts are rejected that need not be.
    pub high: Color32,
    /// To be looked at this shift.
    pub low: Color32,
    /// The big PASS, the one colour of the normal.
    pub pass: Color32,
}

const fn grey(level: u8) -> Color32 {
    Color32::from_rgb(level, level + 2, level + 4)
}

/// For halls with daylight.
const LIGHT: Colors = Colors {
    ground: grey(206),
    panel: grey(224),
    button: grey(240),
    chosen: Color32::from_rgb(168, 184, 200),
    line: grey(160),
    text: Color32::from_rgb(28, 32, 36),
    weak: Color32::from_rgb(78, 84, 90),
    data: Color32::from_rgb(72, 98, 124),
    on_color: Color32::WHITE,
    urgent: Color32::from_rgb(190, 16, 34),
    high: Color32::from_rgb(176, 84, 0),
    low: Color32::from_rgb(118, 98, 0),
    pass: Color32::from_rgb(22, 122, 58),
};

/// For dark ones.
const DARK: Colors = Colors {
    ground: grey(30),
    panel: grey(44),
    button: grey(66),
    chosen: Color32::from_rgb(70, 92, 116),
    line: grey(96),
    text: Color32::from_rgb(226, 230, 234),
    weak: Color32::from_rgb(164, 170, 176),
    data: Color32::from_rgb(138, 168, 198),
    on_color: Color32::WHITE,
    urgent: Color32::from_rgb(206, 40, 52),
    high: Color32::from_rgb(178, 92, 4),
    low: Color32::from_rgb(126, 104, 12),
    pass: Color32::from_rgb(30, 132, 68),
};

/// Sizes and colours as they are on this screen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tokens {
    /// Colours.
    pub colors: Colors,
    /// Dark hall.
    pub dark: bool,
    px_per_mm: f32,
}

impl Tokens {
    /// For a screen of so many pixels a millimetre.
    pub fn new(dark: bool, px_per_mm: f32) -> Self {
        Self {
            colors: if dark { DARK } else { LIGHT },
            dark,
            px_per_mm,
        }
    }

    /// The same sizes in another theme.
    pub fn with_theme(&self, dark: bool) -> Self {
        Self::new(dark, self.px_per_mm)
    }

    /// Pixels of a length in millimetres, a whole number.
    pub fn mm(&self, length: f32) -> f32 {
        (length * self.px_per_mm).round()
    }

    /// Least side of what is touched: 15 mm.
    pub fn touch(&self) -> f32 {
        (15.0 * self.px_per_mm).ceil()
    }

    /// Least side of start, stop and acknowledge: 20 mm.
    pub fn big_touch(&self) -> f32 {
        (20.0 * self.px_per_mm).ceil()
    }

    /// Space between things.
    pub fn gap(&self) -> f32 {
        self.mm(2.0)
    }

    /// Text for reading at arm's length.
    pub fn body(&self) -> FontId {
        self.font(4.2)
    }

    /// Labels.
    pub fn small(&self) -> FontId {
        self.font(3.6)
    }

    /// Headings.
    pub fn title(&self) -> FontId {
        self.font(5.4)
    }

    /// Numbers that are read in passing.
    pub fn number(&self) -> FontId {
        self.font(8.0)
    }

    /// What must be seen from two metres beside the verdict.
    pub fn headline(&self) -> FontId {
        self.font(11.0)
    }

    /// The verdict, readable from two metres.
    pub fn verdict(&self) -> FontId {
        self.font(19.0)
    }

    fn font(&self, mm: f32) -> FontId {
        FontId::new(self.mm(mm), FontFamily::Proportional)
    }

    /// Makes egui's own widgets look and measure alike.
    pub fn apply(&self, ctx: &egui::Context) {
        let c = self.colors;
        ctx.set_theme(if self.dark { Theme::Dark } else { Theme::Light });
        ctx.all_styles_mut(|style| {
            style.text_styles = [
                (TextStyle::Body, self.body()),
                (TextStyle::Button, self.body()),
                (TextStyle::Small, self.small()),
                (TextStyle::Heading, self.title()),
                (TextStyle::Monospace, self.small()),
            ]
            .into();
            style.spacing.item_spacing = Vec2::splat(self.gap());
            style.spacing.button_padding = Vec2::new(self.mm(3.0), self.mm(1.0));
            style.spacing.interact_size = Vec2::splat(self.touch());
            style.spacing.scroll.bar_width = self.mm(4.0);
            style.interaction.selectable_labels = false;
            style.animation_time = 0.0;
            let visuals = &mut style.visuals;
            visuals.override_text_color = Some(c.text);
            visuals.panel_fill = c.ground;
            visuals.window_fill = c.panel;
            visuals.window_stroke = Stroke::new(2.0, c.text);
            visuals.window_shadow = egui::Shadow::NONE;
            visuals.extreme_bg_color = c.panel;
            visuals.faint_bg_color = c.panel;
            visuals.widgets.noninteractive.bg_stroke = Stroke::new(1.0, c.line);
            for widget in [
                &mut visuals.widgets.inactive,
                &mut visuals.widgets.hovered,
                &mut visuals.widgets.active,
                &mut visuals.widgets.open,
            ] {
                widget.weak_bg_fill = c.button;
                widget.bg_fill = c.button;
                widget.bg_stroke = Stroke::new(1.0, c.line);
                widget.fg_stroke = Stroke::new(1.0, c.text);
                widget.expansion = 0.0;
            }
            visuals.widgets.active.weak_bg_fill = c.chosen;
            visuals.selection.bg_fill = c.chosen;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast of two colours, WCAG 2.2.
    fn contrast(a: Color32, b: Color32) -> f32 {
        let luminance = |c: Color32| {
            let channel = |v: u8| {
                let v = f32::from(v) / 255.0;
                if v <= 0.040_45 {
                    v / 12.92
                } else {
                    ((v + 0.055) / 1.055).powf(2.4)
                }
            };
            0.2126 * channel(c.r()) + 0.7152 * channel(c.g()) + 0.0722 * channel(c.b())
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_can_be_read_on_every_ground() {
        for c in [LIGHT, DARK] {
            for ground in [c.ground, c.panel, c.button, c.chosen] {
                assert!(contrast(c.text, ground) >= 4.5, "{ground:?}");
            }
            for ground in [c.ground, c.panel] {
                assert!(contrast(c.weak, ground) >= 4.5, "{ground:?}");
                assert!(contrast(c.data, ground) >= 3.0, "{ground:?}");
            }
            for ground in [c.urgent, c.high, c.low, c.pass] {
                assert!(contrast(c.on_color, ground) >= 4.0, "{ground:?}");
            }
        }
    }

    #[test]
    fn what_is_touched_is_large_enough_on_any_screen() {
        for px_per_mm in [2.5, 3.8, 5.9, 8.0] {
            let tokens = Tokens::new(false, px_per_mm);
            assert!(tokens.touch() / px_per_mm >= 15.0);
            assert!(tokens.big_touch() / px_per_mm >= 20.0);
        }
    }
}
