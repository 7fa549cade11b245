//! How much memory the process takes, and how freed memory is kept for the next step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use burn::tensor::Device;

/// How often a size is read where nothing keeps a peak that can be reset.
const PERIOD: Duration = Duration::from_millis(1);

/// Keeps freed memory for the next layer in place of giving it back to the system.
///
/// A step frees and asks for the same large blocks over and over; giving pages back and getting them anew, zeroed, costs more
/// than many a layer. Only glibc gives them back so eagerly.
pub(crate) fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `mallopt` has no other conditions than known parameters; it is called before any thread is started.
    unsafe {
        // Blocks above a threshold of at most 32 MiB are mapped one by one, and given back one by one: a map of a 2048² image
        // has 200 MiB. So none are mapped at all.
        libc::mallopt(libc::M_MMAP_MAX, 0);
        libc::mallopt(libc::M_TRIM_THRESHOLD, i32::MAX);
        libc::mallopt(libc::M_TOP_PAD, 64 << 20);
    }
}

/// Gives what is free now back to the system: it must not count as taken, nor hide what is taken next.
pub(crate) fn give_back_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: `malloc_trim` has no conditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Watches the memory that work on a device takes, from its making on: the pools of a GPU, elsewhere the resident size of the
/// process.
pub(crate) enum DeviceWatch {
    Host(PeakWatch),
    #[cfg(feature = "gpu")]
    Gpu(gpu::PoolWatch),
}

impl DeviceWatch {
    /// Starts to watch; `None` where the system does not tell the resident size.
    #[cfg_attr(not(feature = "gpu"), expect(unused_variables, reason = "the host is all there is"))]
    pub(crate) fn start(device: &Device) -> Option<Self> {
        #[cfg(feature = "gpu")]
        if let Some(watch) = gpu::PoolWatch::start(device) {
            return Some(Self::Gpu(watch));
        }
        PeakWatch::start().map(Self::Host)
    }

    /// Bytes by which the peak since [`start`](Self::start) lies above what was taken then.
    pub(crate) fn stop(self) -> u64 {
        match self {
            Self::Host(watch) => watch.stop(),
            #[cfg(feature = "gpu")]
            Self::Gpu(watch) => watch.stop(),
        }
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::backend::DispatchDevice;
    use burn::tensor::Device;
    use cubecl::client::Client;
    use cubecl::{MemoryPoolsReport, MemoryScope};

    use super::Sampler;

    /// `CubeCL`'s memory on a GPU, read every millisecond: every pool remembers the most pages that it had, but not all had them at the
    /// same time. The device answers between two of its launches, so what is watched takes a little longer.
    pub(crate) struct PoolWatch {
        sampler: Sampler,
        start: u64,
    }

    impl PoolWatch {
        /// `None` on a device that is none of `CubeCL`'s.
        pub(super) fn start(device: &Device) -> Option<Self> {
            let DispatchDevice::Cube(place) = device.as_dispatch() else { return None };
            let client = place.client();
            // What was taken on the way to here and is free again must not hide what comes.
            let _ = device.sync();
            let _ = client.memory_cleanup();
            let start = reserved(&client);
            Some(Self { sampler: Sampler::start(move || reserved(&client)), start })
        }

        pub(super) fn stop(self) -> u64 {
            self.sampler.stop().saturating_sub(self.start)
        }
    }

    /// Bytes of the pools of tensors; memory on the way to the host and back is not among them.
    fn reserved(client: &Client) -> u64 {
        let streams = client.memory_report(MemoryScope::Device).streams;
        let of = |pools: MemoryPoolsReport| pools.dynamic.into_iter().chain([pools.persistent, pools.dedicated]);
        streams.into_iter().flat_map(|stream| of(stream.pools)).map(|pool| pool.usage.bytes_reserved).sum()
    }
}

/// Watches the resident size from its making on.
///
/// Linux keeps the peak itself; elsewhere a thread reads the size every millisecond.
pub(crate) struct PeakWatch {
    start: u64,
    sampler: Option<Sampler>,
}

/// The largest of many readings.
pub(crate) struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl PeakWatch {
    /// Starts to watch; `None` where the system does not tell the resident size.
    pub(crate) fn start() -> Option<Self> {
        give_back_freed_memory();
        let start = resident()?;
        Some(Self { start, sampler: (!reset_peak()).then(|| Sampler::start(|| resident().unwrap_or_default())) })
    }

    /// Bytes by which the peak since [`start`](Self::start) lies above the size then.
    pub(crate) fn stop(self) -> u64 {
        let peak = match self.sampler {
            Some(sampler) => sampler.stop(),
            None => kernel_peak().unwrap_or_default(),
        };
        peak.saturating_sub(self.start)
    }
}

impl Sampler {
    fn start(read: impl Fn() -> u64 + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut peak = 0;
            loop {
                let is_last = asked.load(Ordering::Relaxed);
                peak = peak.max(read());
                if is_last {
                    break peak;
                }
                std::thread::sleep(PERIOD);
            }
        });
        Self { stop, thread }
    }

    /// Takes a last reading first.
    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_default()
    }
}

/// Bytes of the process that are in memory; `None` where the system does not tell.
pub(crate) fn resident() -> Option<u64> {
    // The peak is counted in the kernel's own file: take the start from there too.
    status("VmRSS").or_else(|| Some(memory_stats::memory_stats()?.physical_mem as u64))
}

fn kernel_peak() -> Option<u64> {
    status("VmHWM")
}

/// Sets the kernel's peak to the present size; false where there is no such thing.
fn reset_peak() -> bool {
    kernel_peak().is_some() && std::fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// A size in `/proc/self/status`, in bytes.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Far more than what the tests beside these two take and free meanwhile.
    const SIZE: usize = 256 << 20;

    /// The resident size is the process's: held by the test whose buffer counts.
    static ALONE: Mutex<()> = Mutex::new(());

    fn touched() -> Vec<u8> {
        // Every page is written, so that it is resident.
        std::hint::black_box(vec![1u8; SIZE])
    }

    #[test]
    fn a_buffer_that_is_gone_again_is_seen() {
        let _alone = ALONE.lock();
        let watch = PeakWatch::start().expect("this system tells its resident size");
        drop(touched());
        let peak = watch.stop();
        assert!(peak >= SIZE as u64 * 3 / 4, "{peak} bytes");
    }

    #[test]
    fn the_sampler_sees_a_buffer_that_stays_a_while() {
        let _alone = ALONE.lock();
        let start = resident().expect("this system tells its resident size");
        let sampler = Sampler::start(|| resident().unwrap_or_default());
        let buffer = touched();
        std::thread::sleep(PERIOD * 100);
        drop(buffer);
        let peak = sampler.stop();
        assert!(peak >= start + SIZE as u64 * 3 / 4, "{peak} bytes, {start} at the start");
    }
}
