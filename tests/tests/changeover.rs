//! A changed recipe takes over between parts, without losing one.

use sightline_tests::station::Station;
use sightline_tests::{free_port, project};

#[test]
fn a_reloaded_recipe_is_a_new_generation_and_no_part_is_lost() {
    let folder = tempfile::tempdir().expect("scratch");
    let configs = project().join("configs");
    let read = |name: &str| std::fs::read_to_string(configs.join(name)).expect(name);
    let bundle = project().join("models/pcb-detector");
    let recipe = read("recipes/demo-board.toml")
        .replace("../../models/pcb-detector", bundle.to_str().expect("UTF-8"));
    let recipe_file = folder.path().join("recipe.toml");
    std::fs::write(&recipe_file, &recipe).expect("written");
    let config = folder.path().join("station.toml");
    let text = read("demo.toml")
        .replace("recipes/demo-board.toml", "recipe.toml")
        .replace("127.0.0.1:1884", &format!("127.0.0.1:{}", free_port()));
    std::fs::write(&config, text).expect("written");

    let mut station = Station::run(&config);
    station.wait_for("the first generation", 0, |r| {
        r["generation"] == 1 && r["seq"] == 3
    });

    std::fs::write(
        &recipe_file,
        recipe.replace("camera = \"cam1\"", "camera = \"cam9\""),
    )
    .expect("written");
    station.signal("HUP");
    sightline_tests::until("a wrong recipe is refused", || {
        station.log().contains("did you mean `cam1`?")
    });

    std::fs::write(
        &recipe_file,
        recipe.replace("version = \"1\"", "version = \"2\""),
    )
    .expect("written");
    station.signal("HUP");
    let (_, count) = station.wait_for("the second generation", 0, |r| r["generation"] == 2);
    station.wait_for("more of it", count, |r| {
        r["seq"].as_u64() >= Some(count as u64 + 5)
    });
    assert_eq!(station.interrupt(), 0, "{}", station.log());

    let results = station.results();
    let seqs: Vec<u64> = results.iter().filter_map(|r| r["seq"].as_u64()).collect();
    assert_eq!(
        seqs,
        (1..=seqs.len() as u64).collect::<Vec<_>>(),
        "no result is missing"
    );
    for result in &results {
        let version = if result["generation"] == 1 { "1" } else { "2" };
        assert_eq!(result["recipe"]["version"], version);
        assert!(
            !result["views"].to_string().contains("missed"),
            "no view was lost: {result}"
        );
    }
}
