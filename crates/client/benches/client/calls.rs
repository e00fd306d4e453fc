//! One call after the other: ours beside the same bytes sent with bare reqwest and read into the same values, in turns.

use std::time::Instant;

use belljar_client::{Options, Sample, Sandbox as _, Submission};
use serde::Deserialize;

use crate::{Server, median, tell};

/// Calls of each kind in a turn.
const CALLS: usize = 50;
/// Bytes of the sample that is submitted.
const SAMPLE: usize = 64 << 10;

pub(crate) async fn measure(server: &Server, turns: usize) {
    #[derive(Deserialize)]
    struct Task {
        task: Status,
    }
    #[derive(Deserialize)]
    struct Status {
        status: String,
    }
    let (cuckoo, bare) = (server.cuckoo(8), bare());
    let submission = Submission::new("1");
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let mut ratios = Vec::new();
    for _ in 0..turns {
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for _ in 0..CALLS {
            let began = Instant::now();
            cuckoo.status(&submission).await.unwrap();
            one.push(micros(began));
            let began = Instant::now();
            let body = bare.get(server.at("tasks/view/1")).send().await.unwrap().bytes().await.unwrap();
            let task: Task = serde_json::from_slice(&body).unwrap();
            assert_eq!(task.task.status, "reported", "the server answers as it should");
            other.push(micros(began));
        }
        ratios.push(median(one.clone()) / median(other.clone()));
        ours.extend(one);
        floor.extend(other);
    }
    tell("status, one after the other, p50", median(ours), Some(median(floor)));
    tell("status, ratio of each turn, p50", median(ratios), None);

    let sample = Sample::bytes("a.exe", vec![7; SAMPLE]);
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    for _ in 0..turns * CALLS / 4 {
        let began = Instant::now();
        cuckoo.submit(&sample, &Options::default()).await.unwrap();
        ours.push(micros(began));
        let began = Instant::now();
        let request = bare.post(server.at("tasks/create/file")).header("content-type", CONTENT_TYPE).body(form());
        let body = request.send().await.unwrap().bytes().await.unwrap();
        let answer: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(answer["task_id"].is_u64(), "the server answers as it should");
        floor.push(micros(began));
    }
    tell("submission of 64 KiB, one after the other, p50", median(ours), Some(median(floor)));
}

const CONTENT_TYPE: &str = "multipart/form-data; boundary=0123456789abcdef0123456789abcdef";

/// The same form, put together by hand.
fn form() -> Vec<u8> {
    let mut form = b"--0123456789abcdef0123456789abcdef\r\nContent-Disposition: form-data; name=\"file\"; \
        filename=\"a.exe\"\r\nContent-Type: application/octet-stream\r\n\r\n"
        .to_vec();
    form.extend(std::iter::repeat_n(7, SAMPLE));
    form.extend(b"\r\n--0123456789abcdef0123456789abcdef--\r\n");
    form
}

/// A client without anything of ours, but with the same time limits.
pub(crate) fn bare() -> reqwest::Client {
    let second = std::time::Duration::from_secs(1);
    let builder = reqwest::Client::builder().no_proxy().connect_timeout(second * 10).read_timeout(second * 60);
    builder.build().unwrap()
}

fn micros(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e6
}
