//! Output, results and the surroundings of a command: sections 2.9, 2.10 and 2.12.

use serde_json::json;

use crate::server::shared;

#[test]
fn output_is_trimmed_as_python_does() {
    let Some(server) = shared() else { return };
    for (printed, expected) in [
        (r" \t\n\v\f\r a  b \n c \r\n\r\n", "a  b \n c"),
        (r"\034\035\036\037x\034\035\036\037", "x"),
        (
            r"\302\205\302\240\341\232\200\342\200\200\342\200\212\342\200\250\342\200\251\342\200\257\342\201\237\343\200\200y\302\205",
            "y",
        ),
        // Neither is whitespace for Python: a zero-width space, a byte order mark.
        (r"\342\200\213z\357\273\277", "\u{200b}z\u{feff}"),
        (r"\000a\000", "\0a\0"),
        (r" \n ", ""),
        ("", ""),
    ] {
        let answer =
            server.execute(&json!({"commands": [format!("printf '{printed}'"), format!("printf '{printed}' >&2")]}));
        assert_eq!(answer["execution"][0]["stdout"], expected, "{printed}");
        assert_eq!(answer["execution"][1]["stderr"], expected, "{printed}");
    }
}

#[test]
fn large_output_comes_whole() {
    let Some(server) = shared() else { return };
    let answer = server.execute(
        &json!({"commands": ["head -c 3000000 /dev/zero | tr '\\0' x; head -c 1000000 /dev/zero | tr '\\0' y >&2"]}),
    );
    let length = |key: &str| answer["execution"][0][key].as_str().map(str::len);
    assert_eq!((length("stdout"), length("stderr")), (Some(3_000_000), Some(1_000_000)));
}

#[test]
fn results_keep_everything_but_their_line_ends() {
    let Some(server) = shared() else { return };
    for (printed, expected) in [
        (r"a\r\nb\rc\n\r", "a\nb\nc\n\n"),
        (r"  \n a \t\n\n", "  \n a \t\n\n"),
        (r"\357\273\277a", "\u{feff}a"),
        (r"\000", "\0"),
        ("", ""),
    ] {
        let config = json!({"commands": [format!("mkdir -p d; printf '{printed}' > d/r")], "result_path": "d/r"});
        assert_eq!(server.execute(&config)["result"], expected, "{printed}");
    }
}

#[test]
fn each_command_has_a_shell_of_its_own() {
    let Some(server) = shared() else { return };
    let commands =
        json!(["A=1; export B=2; f() { echo f; }; cd /; touch ~/file", "echo \"$A|$B|$(pwd)|$(ls)\"; type f",]);
    let answer = server.execute(&json!({"commands": commands}));
    assert_eq!(answer["execution"][1]["stdout"], "||/home/student|file");
    assert_eq!(answer["status"], 1);
}

#[test]
fn a_command_has_no_input_no_terminal_and_a_new_directory() {
    let Some(server) = shared() else { return };
    let commands = json!([
        "cat; read line; echo $?",
        "tty || test -t 1 || echo none",
        "pwd; ls -A",
        "shopt -q login_shell || echo no login; [[ $- == *i* ]] || echo not interactive",
    ]);
    let answer = server.execute(&json!({"commands": commands}));
    let stdout: Vec<&str> =
        answer["execution"].as_array().expect("an array").iter().filter_map(|entry| entry["stdout"].as_str()).collect();
    assert_eq!(stdout[0], "1");
    assert!(stdout[1].ends_with("none"), "{stdout:?}");
    assert_eq!(stdout[2..], ["/home/student", "no login\nnot interactive"]);
}

#[test]
fn the_surroundings_are_what_programs_expect() {
    let Some(server) = shared() else { return };
    let answer = server.execute(
        &json!({"commands": ["echo $LANG $LC_ALL", "id -u", "touch x && mkdir d && rm -r x d", "printf é | wc -m"]}),
    );
    let text = |index: usize| answer["execution"][index]["stdout"].as_str().expect("text").to_owned();
    assert!(text(0).split(' ').all(|locale| locale.ends_with("UTF-8")), "{answer}");
    assert_ne!(text(1), "0", "programs are not root");
    assert_eq!((answer["status"].as_i64(), text(3)), (Some(0), "1".to_owned()));
}
