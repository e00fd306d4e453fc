//! Headers, good and wrong.

use super::*;

const GOOD: &str = "#!/bin/sh\n# attack: a title\n# tries: one thing\n#   and another: with a colon\n# source: CVE-1\n# expect: refused\n\
    # stopped-by: seccomp\n# without: seccomp, landlock\n\n# note: no header any more\necho\n";

fn parse(text: &str) -> Result<Attack> {
    Attack::parse("timing/x", Path::new("attacks/timing/x.sh"), text)
}

#[test]
fn a_header_is_understood() {
    let attack = parse(GOOD).expect("a good header");
    assert_eq!(attack.title, "a title");
    assert_eq!(attack.tries, "one thing and another: with a colon");
    assert_eq!(attack.control, Control::Without(vec!["seccomp".to_owned(), "landlock".to_owned()]));
    assert_eq!(attack.ends, ["exit"]);
    assert_eq!(attack.variants, Variant::ALL);
    assert_eq!((attack.family(), attack.on_host), ("timing", false));
    assert_eq!(attack.argv("/there"), ["bash", "/there/timing-x.sh"]);
    let more = GOOD.replace(
        "# without: seccomp, landlock",
        "# control: host-unsafe: it would\n# ends: memory | exit\n# flags: --memory 64M\n# variants: strict server\n# needs: gcc",
    );
    let attack = parse(&more).expect("a good header");
    assert_eq!(attack.control, Control::HostUnsafe("it would".to_owned()));
    assert_eq!(attack.ends, ["memory", "exit"]);
    assert_eq!(attack.flags, ["--memory", "64M"]);
    assert_eq!(attack.variants, [Variant::Strict, Variant::Server, Variant::ServerUnprivileged]);
    assert_eq!(attack.needs, ["gcc"]);
    let host =
        parse(&GOOD.replace("# without: seccomp, landlock", "# control: own\n# on: host")).expect("a good header");
    assert_eq!(host.variants, [Variant::Server, Variant::ServerUnprivileged]);
    let c = GOOD.replace("#!/bin/sh\n", "").replace("# ", "// ").replace("#   ", "//   ");
    assert_eq!(parse(&c).expect("in C").title, "a title");
}

#[test]
fn wrong_headers_are_refused_with_the_reason() {
    let cases = [
        (GOOD.replace("# source: CVE-1\n", ""), "'source' is missing"),
        (GOOD.replace("CVE-1", ""), "'source' is empty"),
        (GOOD.replace("# source", "# sauce"), "unknown key 'sauce'"),
        (GOOD.replace("seccomp, landlock", "seccomp, wall"), "'wall' is none of"),
        (GOOD.replace("# without: seccomp, landlock\n", ""), "neither 'without' nor 'control'"),
        (GOOD.replace("# without", "# control: plain\n# without"), "both 'without' and 'control'"),
        (GOOD.replace("# without: seccomp, landlock", "# control: host-unsafe"), "without a reason"),
        (GOOD.replace("# without: seccomp, landlock", "# control: soon"), "'soon' is none of"),
        (GOOD.replace("# without", "# ends: sometime\n# without"), "'sometime' is none of"),
        (GOOD.replace("# without", "# on: moon\n# without"), "neither sandbox nor host"),
        (GOOD.replace("# without", "# on: host\n# without"), "for attacks in sandboxes"),
        (GOOD.replace("# without", "# variants: mild\n# without"), "'mild' is none of"),
        (GOOD.replace("# without", "# timeout: long\n# without"), "no number of seconds"),
        (GOOD.replace("# source", "# attack: again\n# source"), "'attack' is there twice"),
        ("echo\n".to_owned(), "'attack' is missing"),
    ];
    for (text, reason) in cases {
        let error = parse(&text).expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    }
    let host = GOOD.replace("# without: seccomp, landlock", "# control: own\n# on: host\n# variants: strict");
    assert!(parse(&host).expect_err("no variant is left").to_string().contains("beside a server"));
}
