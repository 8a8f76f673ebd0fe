//! `docs/models.md` says every field and every word of a manifest.

const TYPES: &str = concat!(
    include_str!("../src/bundle/manifest.rs"),
    include_str!("../src/bundle/decoder.rs")
);

#[test]
fn every_field_of_a_manifest_is_documented() {
    let types = TYPES;
    let page = include_str!("../../../docs/models.md");
    let fields = types.lines().filter_map(|line| {
        let (name, _) = line.strip_prefix("    pub ")?.split_once(':')?;
        (!name.contains(['(', ' '])).then_some(name)
    });
    let mut count = 0;
    for field in fields {
        count += 1;
        let told = [
            format!("`{field}`"),
            format!("`{field} = "),
            format!("`[{field}]`"),
            format!("`[[{field}]]`"),
        ];
        let inside = [" ", "{ "].iter().any(|before| {
            page.contains(&format!("{before}{field},"))
                || page.contains(&format!("{before}{field} }}"))
        });
        assert!(
            inside || told.iter().any(|t| page.contains(t)),
            "docs/models.md does not say `{field}`"
        );
    }
    assert!(count > 40, "{count} fields: the types were read wrongly");
}

#[test]
fn every_decoder_is_documented() {
    let page = include_str!("../../../docs/models.md");
    let types = TYPES;
    let kinds: Vec<&str> = types
        .lines()
        .filter_map(|l| {
            l.trim()
                .strip_prefix("#[serde(rename = \"")?
                .strip_suffix("\")]")
        })
        .collect();
    assert!(kinds.contains(&"yolo-v8") && kinds.contains(&"boxes-labels"));
    for kind in kinds {
        assert!(
            page.contains(&format!("`{kind}`")) || page.contains(&format!("`\"{kind}\"`")),
            "docs/models.md does not say {kind}"
        );
    }
}
