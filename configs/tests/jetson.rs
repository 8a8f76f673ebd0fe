//! The Jetson station is a good configuration on any machine: nothing of it is opened.

use std::path::Path;

#[test]
fn the_station_of_eight_cameras_is_good() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("jetson-agx.toml");
    let (station, recipe) = sightline_configs::load(&path).unwrap_or_else(|p| panic!("{p}"));
    assert_eq!(station.value.cameras.len(), 8);
    assert_eq!(recipe.value.views.len(), 8);
    assert_eq!(station.value.engine.name, "tensorrt");
    assert_eq!(station.value.engine.max_batch, Some(8));
}
