//! Requests beside each other.

use std::time::{Duration, Instant};

use belljar_execute::{ExecuteError, NotReady, Settings};
use tokio::task::JoinSet;

use crate::fixture::{Bench, ends, execute, exited, request, settings, until};

pub(crate) async fn requests_run_side_by_side_and_give_their_sandboxes_back(bench: Bench) {
    const SANDBOXES: usize = 4;
    let service = bench.service(SANDBOXES).await;
    let mut running = JoinSet::new();
    for i in 0..3 * SANDBOXES {
        let service = service.clone();
        running.spawn(async move {
            let script = format!("echo {i} > file; sleep 0.05; cat file; ls");
            let response = execute(&service, request([script.as_str()])).await;
            assert_eq!(ends(&response), [(exited(0), format!("{i}\nfile\n"))]);
        });
    }
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    until(|| service.pool().idle == SANDBOXES).await;
    assert_eq!(service.usage().sandboxes_taken, 0);
    service.stop().await;
}

pub(crate) async fn who_finds_all_busy_is_told_when_to_come_back(bench: Bench) {
    let wait = Duration::from_millis(200);
    let service = bench.start(Settings { wait_for_sandbox: wait, ..settings(1) }).await;
    until(|| service.pool().idle == 1).await;
    let running = tokio::spawn({
        let service = service.clone();
        async move { execute(&service, request(["sleep 1.5"])).await }
    });
    until(|| service.usage().sandboxes_taken == 1).await;
    let asked = Instant::now();
    match service.execute(request(["true"])).await {
        Err(ExecuteError::Busy { retry_after }) => assert!(retry_after >= Duration::from_secs(1)),
        other => panic!("{other:?}"),
    }
    assert!(asked.elapsed() >= wait && asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(ends(&running.await.unwrap())[0].0, exited(0));
    until(|| service.pool().idle == 1).await;
    execute(&service, request(["true"])).await;
    service.stop().await;
}

pub(crate) async fn facts_are_told_at_once(bench: Bench) {
    let service = bench.service(2).await;
    until(|| service.ready().is_ok()).await;
    until(|| service.usage().host.processes > 0).await;
    let asked = Instant::now();
    let (usage, specifications) = (service.usage(), service.specifications().await.unwrap());
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert!(usage.host.memory_bytes > 0 && usage.host.memory_bytes < specifications.host.memory_bytes);
    assert_eq!(specifications.sandbox.count, 2);
    assert_eq!(specifications.sandbox.memory_bytes, service.settings().sandbox.memory.bytes());
    let response = execute(&service, request(["stat --file-system --format %T ."])).await;
    assert_eq!(ends(&response)[0].1.trim(), specifications.sandbox.work_directory_device);
    service.stop().await;
}

pub(crate) async fn a_stopped_service_refuses(bench: Bench) {
    let service = bench.service(1).await;
    execute(&service, request(["true"])).await;
    service.stop().await;
    assert_eq!(service.ready(), Err(NotReady::Stopping));
    assert!(matches!(service.execute(request(["true"])).await, Err(ExecuteError::Stopping)));
    assert!(matches!(service.libraries().await, Err(ExecuteError::Stopping)));
    // The data directory is free for the next one.
    drop(service);
    bench.service(1).await.stop().await;
}
