//! Screen 11, the box: versions, processor, memory, disk, temperatures, clock.

use crate::dialogs;
use crate::pieces;
use crate::view::View;
use eframe::egui::Ui;
use sightline_wire::Ask;

pub fn show(ui: &mut Ui, view: &mut View) {
    let tokens = view.tokens;
    let snapshot = &view.snapshot;
    let (system, station) = (&snapshot.system, &snapshot.station);
    let t = |key: &str| view.texts.t(key).to_owned();
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30));
    let of = |(free, all): (u64, u64)| view.texts.with("system.free_of", &[&gib(free), &gib(all)]);
    let cells = pieces::grid(ui.max_rect(), 2, 1, tokens.gap());
    pieces::section(ui, &tokens, cells[0], &t("system.box"), |ui| {
        pieces::fact(ui, &tokens, &t("system.os"), &system.os);
        pieces::fact(ui, &tokens, &t("system.cores"), &system.cores.to_string());
        pieces::fact(ui, &tokens, &t("system.memory"), &of(system.box_memory));
        pieces::fact(ui, &tokens, &t("system.disk"), &of(system.disk));
        let clock = match system.clock_synchronised {
            Some(true) => "system.synchronised",
            Some(false) | None => "system.unknown",
        };
        pieces::fact(ui, &tokens, &t("system.clock"), &t(clock));
        if system.temperatures.is_empty() {
            pieces::fact(ui, &tokens, &t("system.temperature"), &t("system.unknown"));
        }
        for (sensor, degrees) in system.temperatures.iter().take(8) {
            pieces::fact(ui, &tokens, sensor, &format!("{degrees:.0} °C"));
        }
        let pictures = match &system.pictures {
            None => t("system.pictures_run"),
            Some(p) => {
                let mib = |bytes: u64| format!("{:.0}", bytes as f64 / f64::from(1 << 20));
                let numbers = (p.parts, mib(p.bytes.0), mib(p.bytes.1));
                (view.texts).with("system.pictures_of", &[&numbers.0, &numbers.1, &numbers.2])
            }
        };
        pieces::fact(ui, &tokens, &t("system.pictures"), &pictures);
        if let Some(left_out) = system.pictures.as_ref().map(|p| p.left_out) {
            let left_out = left_out.to_string();
            pieces::fact(ui, &tokens, &t("system.left_out"), &left_out);
        }
    });
    let pressed = pieces::section(ui, &tokens, cells[1], &t("system.station"), |ui| {
        pieces::fact(ui, &tokens, &t("system.version"), &station.version);
        pieces::fact(ui, &tokens, &t("system.console"), env!("CARGO_PKG_VERSION"));
        let hash = station.configuration_hash.get(..16).unwrap_or_default();
        pieces::fact(ui, &tokens, &t("system.configuration"), hash);
        let up = snapshot.pulse.uptime_s;
        let up = format!("{:02}:{:02}:{:02}", up / 3_600, up / 60 % 60, up % 60);
        pieces::fact(ui, &tokens, &t("system.uptime"), &up);
        let cpu = format!("{:.0} %", system.cpu * 100.0);
        pieces::fact(ui, &tokens, &t("system.cpu"), &cpu);
        let memory = format!("{:.0} MiB", system.memory as f64 / f64::from(1 << 20));
        pieces::fact(ui, &tokens, &t("system.own_memory"), &memory);
        pieces::fact(
            ui,
            &tokens,
            &t("system.consoles"),
            &system.consoles.to_string(),
        );
        station.can_export && pieces::button(ui, &tokens, &t("system.support")).clicked()
    });
    if pressed {
        let meaning = t("system.support_means");
        dialogs::confirm(view, Ask::ExportSupport, meaning);
    }
}
