//! Usage, sampled in the background so that nobody who asks has to wait for a rate.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::kernel::{DiskCounters, NetworkCounters};
use super::machine::{Machine, Sample};
use super::{DiskRates, HostUsage, NetworkRates};

/// The time between two samples, and so the time that rates are about.
const INTERVAL: Duration = Duration::from_secs(1);

/// The last sample, ready to be told.
#[derive(Debug, Default)]
pub(crate) struct Sampler {
    latest: Mutex<HostUsage>,
}

impl Sampler {
    /// How busy the machine was at the last sample.
    pub(crate) fn usage(&self) -> HostUsage {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Samples until it is dropped. The first sample is taken at once.
    pub(crate) async fn run(&self, machine: Machine) {
        let cpus = f64::from(super::within_16_bits(machine.logical_cpus()));
        let mut ticks = interval(INTERVAL);
        // After a pause of the machine there is nothing to catch up.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before: Option<Sample> = None;
        loop {
            ticks.tick().await;
            let machine = machine.clone();
            // On another thread: a file system may take its time to tell its size.
            let Ok(sample) = tokio::task::spawn_blocking(move || machine.sample()).await else {
                return; // Only when the runtime ends: sampling does not panic.
            };
            let usage = usage(&sample, before.as_ref(), cpus);
            *self.latest.lock().unwrap_or_else(PoisonError::into_inner) = usage;
            before = Some(sample);
        }
    }
}

/// What two samples say. Without an earlier one there are no rates.
fn usage(sample: &Sample, before: Option<&Sample>, cpus: f64) -> HostUsage {
    let before = before.unwrap_or(sample);
    let elapsed = sample.taken.saturating_duration_since(before.taken);
    let rate = |now, before| per_second(now, before, elapsed);
    HostUsage {
        cpu_frequency_mhz: sample.frequency_mhz,
        cpu_busy: busy(sample, before),
        load_per_cpu: sample.loads.map(|load| load / cpus),
        memory_bytes: sample.memory.used,
        swap_bytes: sample.memory.swap_used,
        storage_bytes: sample.storage.iter().map(|(device, storage)| (device.clone(), storage.used)).collect(),
        disks: disk_rates(&sample.disks, &before.disks, rate),
        network: network_rates(sample.network, before.network, rate),
        processes: sample.processes,
    }
}

fn busy(sample: &Sample, before: &Sample) -> f64 {
    let (Some(now), Some(before)) = (sample.cpu_time, before.cpu_time) else {
        return 0.0;
    };
    let part = |now: u64, before: u64| {
        #[expect(clippy::cast_precision_loss, reason = "ticks of a second are far below 2^52")]
        let ticks = now.saturating_sub(before) as f64;
        ticks
    };
    let total = part(now.total, before.total);
    // The kernel's idle time can step back a little, and busy time beyond the total.
    if total > 0.0 { (part(now.busy, before.busy) / total).min(1.0) } else { 0.0 }
}

fn disk_rates(
    now: &BTreeMap<String, DiskCounters>,
    before: &BTreeMap<String, DiskCounters>,
    rate: impl Fn(u64, u64) -> u64,
) -> BTreeMap<String, DiskRates> {
    now.iter()
        .map(|(device, now)| {
            // A device that has just come has done nothing that we saw.
            let before = before.get(device).unwrap_or(now);
            let rates = DiskRates {
                reads: rate(now.reads, before.reads),
                read_bytes: rate(now.read_bytes, before.read_bytes),
                writes: rate(now.writes, before.writes),
                written_bytes: rate(now.written_bytes, before.written_bytes),
            };
            (device.clone(), rates)
        })
        .collect()
}

fn network_rates(now: NetworkCounters, before: NetworkCounters, rate: impl Fn(u64, u64) -> u64) -> NetworkRates {
    NetworkRates {
        sent_bytes: rate(now.sent_bytes, before.sent_bytes),
        received_bytes: rate(now.received_bytes, before.received_bytes),
        sent_packets: rate(now.sent_packets, before.sent_packets),
        received_packets: rate(now.received_packets, before.received_packets),
    }
}

/// The difference of two counters per second, rounded down. A counter that went back (an interface that went away) says 0.
fn per_second(now: u64, before: u64, elapsed: Duration) -> u64 {
    let difference = u128::from(now.saturating_sub(before));
    let rate = (difference * 1_000_000_000).checked_div(elapsed.as_nanos()).unwrap_or(0);
    u64::try_from(rate).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::super::kernel::{CpuTime, Memory};
    use super::*;

    fn sample(taken: Instant, busy: u64, total: u64, count: u64) -> Sample {
        let disk =
            DiskCounters { reads: count, read_bytes: 512 * count, writes: 2 * count, written_bytes: 1024 * count };
        Sample {
            taken,
            cpu_time: Some(CpuTime { busy, total }),
            frequency_mhz: 2000.0,
            loads: [2.0, 1.0, 0.5],
            memory: Memory { total: 100, used: 30, swap_total: 10, swap_used: 1 },
            storage: BTreeMap::new(),
            disks: [("/dev/vda".to_owned(), disk)].into(),
            network: NetworkCounters {
                sent_bytes: 10 * count,
                received_bytes: 20 * count,
                sent_packets: count,
                received_packets: 3 * count,
            },
            processes: 7,
        }
    }

    #[test]
    fn one_sample_has_no_rates() {
        let usage = usage(&sample(Instant::now(), 10, 20, 1000), None, 2.0);
        assert_eq!(usage.cpu_busy.to_bits(), 0.0_f64.to_bits());
        assert_eq!(usage.load_per_cpu, [1.0, 0.5, 0.25]);
        assert_eq!((usage.memory_bytes, usage.swap_bytes, usage.processes), (30, 1, 7));
        assert_eq!(usage.disks["/dev/vda"], DiskRates::default());
        assert_eq!(usage.network, NetworkRates::default());
    }

    #[test]
    fn two_samples_have_rates_per_second() {
        let start = Instant::now();
        let before = sample(start, 100, 1000, 0);
        let now = sample(start + Duration::from_secs(2), 150, 1200, 201);
        let usage = usage(&now, Some(&before), 2.0);
        assert!((usage.cpu_busy - 0.25).abs() < 1e-9);
        let disk = DiskRates { reads: 100, read_bytes: 51_456, writes: 201, written_bytes: 102_912 };
        assert_eq!(usage.disks["/dev/vda"], disk);
        let network = NetworkRates { sent_bytes: 1005, received_bytes: 2010, sent_packets: 100, received_packets: 301 };
        assert_eq!(usage.network, network);
    }

    #[test]
    fn counters_that_step_back_say_nothing() {
        let start = Instant::now();
        let usage = usage(&sample(start + INTERVAL, 90, 1000, 5), Some(&sample(start, 100, 1000, 10)), 1.0);
        assert_eq!(usage.cpu_busy.to_bits(), 0.0_f64.to_bits());
        assert_eq!(usage.disks["/dev/vda"], DiskRates::default());
        assert_eq!(per_second(u64::MAX, 0, Duration::from_nanos(1)), u64::MAX);
        assert_eq!(per_second(5, 0, Duration::ZERO), 0);
    }

    #[tokio::test]
    async fn the_first_sample_comes_at_once() {
        let sampler = Sampler::default();
        assert_eq!(sampler.usage(), HostUsage::default());
        let sampled = async {
            while sampler.usage().processes == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            () = sampler.run(Machine::this()) => panic!("sampling has no end"),
            () = sampled => {}
        }
        assert!(sampler.usage().memory_bytes > 0);
    }
}
