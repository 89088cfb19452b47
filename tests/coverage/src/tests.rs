use super::*;

fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("this crate lies two folders below the repository")
}

#[test]
fn every_requirement_is_proven_or_planned() {
    let lists = read(&repository().join("tests/coverage")).unwrap();
    let source = |file: &str| std::fs::read_to_string(repository().join(file)).ok();
    match check(&lists, source) {
        Ok(counts) => println!("{counts}"),
        Err(faults) => panic!("tests/coverage is not true:\n{}", faults.join("\n")),
    }
}

const RANGES: &str = "| IDs | |\n|---|---|\n| AB-01 to AB-03 | a table |\n| P1 | one alone |\n";

const LIST: &str = "# A list\n\nAnd what it is.\n
- **AB-01** Proven
  - `a.rs::it_holds`
- **AB-02** Partly
  - `a.rs::in_any_order`
  - step `clippy` of `cargo xtask test`
  - open: the other half
- **AB-03** Later
  - planned: soon
- **P1** Said
  - note: it is a wish
";

const SOURCE: &str = "
#[tokio::test(flavor = \"multi_thread\")]
async fn it_holds() {}

    #[test]
    // In any order.
    fn in_any_order(
        order in any::<u8>(),
    ) {}

fn helper() {}

#[test]
#[ignore]
fn ignored() {}

// fn commented() {}
";

/// What is wrong with the list after a change of it, or of the source.
fn faults(ranges: &str, list: &str, code: &str) -> Vec<String> {
    let lists = [("README.md".to_owned(), ranges.to_owned()), ("list.md".to_owned(), list.to_owned())];
    let source = |file: &str| match file {
        "a.rs" => Some(code.to_owned()),
        "infra/xtask/src/test.rs" => Some("check(\"clippy\", cargo())".to_owned()),
        _ => None,
    };
    check(&lists, source).err().unwrap_or_default()
}

#[test]
fn a_whole_list_is_counted() {
    assert_eq!(faults(RANGES, LIST, SOURCE), [""; 0]);
    let lists = [("README.md".to_owned(), RANGES.to_owned()), ("list.md".to_owned(), LIST.to_owned())];
    let counts = check(&lists, |file| Some(if file == "a.rs" { SOURCE } else { "\"clippy\"" }.to_owned()));
    assert_eq!(counts, Ok(Counts { proven: 1, partly: 1, planned: 1, noted: 1 }));
    let told = counts.map(|counts| counts.to_string());
    assert_eq!(told.as_deref(), Ok("4 requirements: 1 proven, 1 partly, 1 planned, 1 notes"));
}

#[test]
fn whatever_is_missing_doubled_or_untrue_in_a_list_is_named() {
    for (what, from, to, expected) in [
        ("an entry is lost", "- **AB-03** Later\n  - planned: soon\n", "", "AB-03 is neither mapped"),
        ("an entry says nothing", "  - planned: soon\n", "", "AB-03 (list.md:11) is neither mapped"),
        ("an entry is doubled", "**P1** Said", "**AB-03** Said", "AB-03 stands twice: list.md:11 and list.md:13"),
        ("an entry has an id of nobody's", "**P1** Said", "**P2** Said", "P2 (list.md:13) lies outside"),
        ("a plan has tests", "open: the other half", "planned: it", "AB-02 (list.md:7) names tests"),
        ("what is open has no tests", "planned: soon", "open: soon", "AB-03 (list.md:11) is open and names no test"),
        ("a plan is empty", "planned: soon", "planned: ", "list.md:12 is not understood"),
        ("two plans", "planned: soon", "planned: soon\n  - note: no", "list.md:13 is not understood"),
        ("a word is unknown", "planned: soon", "later: soon", "list.md:12 is not understood"),
        ("an indentation is lost", "  - planned", "- planned", "list.md:12 is not understood"),
        (
            "a test was renamed",
            "it_holds",
            "it_held",
            "AB-01 (list.md:5) names a.rs::it_held, and there is no such test",
        ),
        ("a test's name is cut", "it_holds", "it_hold", "AB-01 (list.md:5) names a.rs::it_hold, and there is no"),
        ("a function is no test", "it_holds", "helper", "a.rs::helper, and there is no such test"),
        ("a test is ignored", "it_holds", "ignored", "a.rs::ignored, and there is no such test"),
        ("a test is commented out", "it_holds", "commented", "a.rs::commented, and there is no such test"),
        (
            "a file is gone",
            "a.rs::it_holds",
            "b.rs::it_holds",
            "AB-01 (list.md:5) names b.rs, and there is no such file",
        ),
        ("a step is gone", "`clippy`", "`lint`", "AB-02 (list.md:7) names the step lint"),
    ] {
        let changed = LIST.replacen(from, to, 1);
        assert_ne!(changed, LIST, "{what}: nothing was changed");
        let found = faults(RANGES, &changed, SOURCE);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{what}: {expected:?} is not among {found:?}");
    }
    let renamed = SOURCE.replace("in_any_order", "in_every_order");
    assert_eq!(
        faults(RANGES, LIST, &renamed),
        ["AB-02 (list.md:7) names a.rs::in_any_order, and there is no such test"]
    );
}

#[test]
fn whatever_is_wrong_with_the_ranges_is_named() {
    for (what, from, to, expected) in [
        ("a range ends early", "AB-03", "AB-02", "AB-03 (list.md:11) lies outside of the ranges in README.md"),
        ("a range goes on", "AB-03", "AB-04", "AB-04 is neither mapped to tests nor planned nor noted"),
        ("a range is lost", "| P1 | one alone |\n", "", "P1 (list.md:13) lies outside of the ranges in README.md"),
        ("a range has two names", "to AB-03", "to AC-03", "README.md has a range that is none: AB-01 to AC-03"),
        ("a range goes backwards", "AB-01 to AB-03", "AB-03 to AB-01", "README.md has a range that is none"),
    ] {
        let changed = RANGES.replacen(from, to, 1);
        assert_ne!(changed, RANGES, "{what}: nothing was changed");
        let found = faults(&changed, LIST, SOURCE);
        assert!(found.iter().any(|fault| fault.contains(expected)), "{what}: {expected:?} is not among {found:?}");
    }
}
