//! Signs of life, in the form that Vumi's monitoring reads.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior, interval_at};
use tracing::debug;

use crate::bus::{Destination, SharedBus};
use crate::protocol::to_ascii;

/// How often a worker says that it is there; for the first time after this time.
pub const EVERY: Duration = Duration::from_secs(10);

/// The only version of heartbeats there ever was.
const VERSION: &str = "20130319";

/// Publishes heartbeats of a worker every [`EVERY`], for as long as it is polled. One that the broker does not take is not made up for.
///
/// Begin it where an app has a `worker_name`; the system is the worker's `system_id`.
pub async fn beat(bus: SharedBus, system_id: &str, worker_name: &str) {
    beat_every(EVERY, bus, system_id, worker_name).await;
}

async fn beat_every(every: Duration, bus: SharedBus, system_id: &str, worker_name: &str) {
    let mut ticks = interval_at(Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let body = body(system_id, worker_name, Timestamp::now());
        if let Err(error) = bus.publish(Destination::Heartbeat, body).await {
            debug!(worker_name, %error, "A heartbeat is lost.");
        }
    }
}

/// One heartbeat.
fn body(system_id: &str, worker_name: &str, now: Timestamp) -> Vec<u8> {
    let name = rustix::system::uname();
    let heartbeat = json!({
        "version": VERSION,
        "system_id": system_id,
        "worker_id": format!("{system_id}:{worker_name}"),
        "worker_name": worker_name,
        "hostname": name.nodename().to_string_lossy(),
        "pid": std::process::id(),
        "timestamp": now.as_duration().as_secs_f64(),
    });
    to_ascii(&heartbeat).into_bytes()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::bus::local::LocalBus;

    #[tokio::test]
    async fn a_worker_beats_again_and_again_and_not_at_once() {
        let (bus, every) = (LocalBus::new(), Duration::from_millis(50));
        let began = Instant::now();
        let beating = beat_every(every, Arc::new(bus.clone()), "global", "jsbox");
        let heard = async {
            for beats in 1..=3 {
                let published = bus.published().await;
                assert_eq!(published.destination, Destination::Heartbeat);
                assert!(String::from_utf8_lossy(&published.body).contains("\"global:jsbox\""));
                assert!(began.elapsed() >= every * beats);
            }
        };
        tokio::select! {
            () = beating => panic!("it ends"),
            () = heard => {}
        }
    }

    #[test]
    fn a_heartbeat_is_as_vumi_writes_it() {
        let now = "2026-11-20T16:01:43.136820Z".parse().expect("a moment");
        let read: serde_json::Value = serde_json::from_slice(&body("global", "jsbox \u{e9}", now)).expect("JSON");
        assert_eq!(
            read,
            json!({
                "version": "20130319", "system_id": "global", "worker_id": "global:jsbox é", "worker_name": "jsbox é",
                "hostname": rustix::system::uname().nodename().to_string_lossy(), "pid": std::process::id(),
                "timestamp": 1_795_190_503.136_82,
            })
        );
    }
}
