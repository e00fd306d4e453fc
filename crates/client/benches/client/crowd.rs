//! A thousand samples to five servers, thirty-two at once, each followed to its report; beside the same requests without us.

use std::time::Instant;

use belljar_client::vendors::Cuckoo;
use belljar_client::{Options, Patience, Sample, Sandbox as _, wait};
use futures_util::{StreamExt as _, stream};

use crate::calls::bare;
use crate::{Server, tell};

const SERVERS: usize = 5;
const AT_ONCE: usize = 32;
const SAMPLE: &[u8] = &[7; 4 << 10];

pub(crate) async fn measure(samples: usize) {
    let servers: Vec<Server> = (0..SERVERS).map(|_| Server::start()).collect();
    let cuckoos: Vec<Cuckoo> = servers.iter().map(|server| server.cuckoo(AT_ONCE)).collect();
    let submissions = || stream::iter((0..samples).flat_map(|number| (0..SERVERS).map(move |to| (number, to))));

    let began = Instant::now();
    let bare = bare();
    let done = submissions().map(|(_, to)| alone(&bare, &servers[to])).buffer_unordered(AT_ONCE).count().await;
    let floor = began.elapsed().as_secs_f64();
    assert_eq!(done, samples * SERVERS, "none is lost");

    let began = Instant::now();
    let done = submissions().map(|(number, to)| ours(&cuckoos[to], number)).buffer_unordered(AT_ONCE);
    let done = done.count().await;
    assert_eq!(done, samples * SERVERS, "none is lost");
    let measure = format!("crowd: {samples} samples to {SERVERS} servers, {AT_ONCE} at once, to the report");
    tell(&measure, began.elapsed().as_secs_f64(), Some(floor));
}

async fn ours(cuckoo: &Cuckoo, number: usize) {
    let sample = Sample::bytes(format!("{number}.exe"), SAMPLE);
    let submission = cuckoo.submit(&sample, &Options::default()).await.unwrap();
    let patience = Patience { first: std::time::Duration::ZERO, ..Patience::default() };
    wait(cuckoo, &submission, patience, |_| {}).await.unwrap();
    let report = cuckoo.report(&submission).await.unwrap();
    assert_eq!(report.verdict.score, Some(72), "the report is the server's");
}

async fn alone(bare: &reqwest::Client, server: &Server) {
    let mut form =
        b"--0123456789abcdef\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.exe\"\r\n\r\n".to_vec();
    form.extend(SAMPLE);
    form.extend(b"\r\n--0123456789abcdef--\r\n");
    let request = bare.post(server.at("tasks/create/file"));
    let request = request.header("content-type", "multipart/form-data; boundary=0123456789abcdef").body(form);
    let submitted: serde_json::Value = json(request).await;
    let id = submitted["task_id"].as_u64().unwrap();
    let task = json(bare.get(server.at(&format!("tasks/view/{id}")))).await;
    assert_eq!(task["task"]["status"], "reported", "it is done at once");
    let report = json(bare.get(server.at(&format!("tasks/report/{id}/json")))).await;
    assert_eq!(report["info"]["score"], 7.2, "the report is the server's");
}

async fn json(request: reqwest::RequestBuilder) -> serde_json::Value {
    serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap()
}
