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
    let (mut times, mut cpu) = (Vec::new(), Vec::new());
    for _ in 0..300 {
        let since = Instant::now();
        let heard = tell(&engine, "hello").await;
        times.push(since.elapsed());
        cpu.push(heard.usage.unwrap().user_time + heard.usage.unwrap().system_time);
    }
    times.sort();
    cpu.sort();
    println!("cpu of children p50 {:?} usage {:?}", cpu[150], heard.usage);
    println!("p50 {:?} p99 {:?}", times[150], times[297]);
    engine.close().await;
}
