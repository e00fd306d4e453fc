//! What a message costs.

use std::time::Instant;

use belljar_worker::engine::Engine as _;

use super::{ECHO, start, tell};
use crate::bench::Bench;

pub(crate) async fn figures(bench: &Bench) {
    let engine = start(bench, ECHO).await;
    println!("memory {:?}", engine.memory());
    let heard = tell(&engine, "hello").await;
    println!("{heard:?} {:?}", heard.names());
    let mut times = Vec::new();
    for _ in 0..300 {
        let since = Instant::now();
        tell(&engine, "hello").await;
        times.push(since.elapsed());
    }
    times.sort();
    println!("p50 {:?} p99 {:?}", times[150], times[297]);
    engine.close().await;
}
