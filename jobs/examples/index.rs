//! `tests/bench/index.sh`: all pairs among many fingerprints, and look-ups.
//!
//! `index uniform|clumpy WORDS RADIUS [check]`: with `check`, pairs are also counted one by one for the
//! first 20,000 words with all others, or for all where there are no more than 100,000.

#![expect(clippy::print_stdout, reason = "its output is its result")]

use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context as _, Result};
use roadie_jobs::bench::{look_up, pairs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Words whose pairs are counted one by one where there are many.
const ROWS: usize = 20_000;
const LOOK_UPS: usize = 10_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let argument =
        |at: usize| arguments.get(at).context("index uniform|clumpy WORDS RADIUS [check]");
    let (kind, count, radius) =
        (argument(0)?, argument(1)?.parse::<usize>()?, argument(2)?.parse::<u32>()?);
    let words = || if kind == "clumpy" { clumpy(count) } else { uniform(count) };
    let given = words();
    let (cpu, begun) = (cpu()?, Instant::now());
    let (found, sum) = pairs(given, radius);
    let (cpu, wall) = (self::cpu()?.saturating_sub(cpu), begun.elapsed());
    println!(
        "{kind:8} {count:>9} words, radius {radius:>2}: {found:>10} pairs, {:>7.3} s of CPU, {:>7.3} s, peak {} MB",
        cpu.as_secs_f64(),
        wall.as_secs_f64(),
        peak_mb()?
    );
    let words = words();
    if arguments.iter().any(|argument| argument == "check") {
        check(&words, radius, (found, sum));
    }
    let begun = Instant::now();
    let near = look_up(&words, radius);
    let built = begun.elapsed();
    let mut times: Vec<Duration> = (0..LOOK_UPS)
        .map(|at| {
            let word = words[at * 7_919 % count];
            let begun = Instant::now();
            assert!(near(word) > 0, "a word is near itself");
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    println!(
        "         look-up: p50 {:?}, p99 {:?}; the index is built in {built:.2?}",
        times[LOOK_UPS / 2],
        times[LOOK_UPS * 99 / 100]
    );
    Ok(())
}

/// Counts one by one what was found, for as many words as that can be done for.
fn check(words: &[u64], radius: u32, found: (u64, u64)) {
    let rows = if words.len() > 100_000 { ROWS } else { words.len() };
    let (mut count, mut sum) = (0_u64, 0_u64);
    for (one, word) in (0_u64..).zip(words).take(rows) {
        let from = usize::try_from(one).unwrap_or(usize::MAX) + 1;
        for (other, second) in (one + 1..).zip(&words[from..]) {
            if (word ^ second).count_ones() <= radius {
                count += 1;
                sum = sum.wrapping_add(one << 32 | other);
            }
        }
    }
    if rows == words.len() {
        assert_eq!(found, (count, sum), "not the pairs that are there");
        println!("         the same {count} pairs one by one");
        return;
    }
    // The same rows with the same others, found by the index: each word's neighbours behind it.
    let near = look_up(words, radius);
    let all: usize = words[..rows].iter().map(|word| near(*word) - 1).sum();
    let behind = count + pairs(words[..rows].to_vec(), radius).0;
    assert_eq!(u64::try_from(all), Ok(behind), "not the pairs that are there");
    println!("         the same {count} pairs of {rows} words with all others one by one");
}

/// Marsaglia, "Xorshift RNGs", 2003: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn unit(&mut self) -> f64 {
        f64::from(u32::try_from(self.next() >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

/// Bits of chance; one word in a hundred is near another one.
fn uniform(count: usize) -> Vec<u64> {
    let mut numbers = Numbers(0x9E37_79B9_7F4A_7C15);
    let mut words: Vec<u64> = (0..count).map(|_| numbers.next()).collect();
    for _ in 0..count / 100 {
        let mut place = || usize::try_from(numbers.next() >> 32).unwrap_or(0) % count;
        let (from, to) = (place(), place());
        let changes = numbers.next() % 11;
        words[to] = (0..changes).fold(words[from], |word, _| word ^ 1 << (numbers.next() >> 58));
    }
    words
}

/// Gradients of fields of light whose waves are the weaker the shorter they are, as those of photos are:
/// 72 cells of 1/f waves. Their distances have the long tail that photos have.
fn clumpy(count: usize) -> Vec<u64> {
    let mut numbers = Numbers(0x5851_F42D_4C95_7F2D);
    let waves: Vec<(f64, f64)> =
        (0..5).flat_map(|x| (-4..5).map(move |y| (f64::from(x), f64::from(y)))).collect();
    let waves: Vec<_> = waves.into_iter().filter(|(x, y)| *x > 0.0 || *y > 0.0).collect();
    (0..count).map(|_| field(&waves, &mut numbers)).collect()
}

fn field(waves: &[(f64, f64)], numbers: &mut Numbers) -> u64 {
    let mut cells = [[0.0_f64; 9]; 8];
    for (across, down) in waves {
        let strength = (numbers.unit() + numbers.unit() - 1.0) / across.hypot(*down).powf(1.5);
        let phase = numbers.unit() * std::f64::consts::TAU;
        // Sines of sums: one turn a cell, by rotation.
        let (turn_across, turn_down) = (across / 9.0, down / 8.0);
        for (y, row) in (0_u32..).zip(&mut cells) {
            for (x, cell) in (0_u32..).zip(row) {
                let turns = turn_across * f64::from(x) + turn_down * f64::from(y);
                *cell += strength * (turns * std::f64::consts::TAU + phase).sin();
            }
        }
    }
    let bits = cells.iter().flat_map(|row| row.windows(2).map(|two| two[0] < two[1]));
    (0..).zip(bits).fold(0, |word, (place, bit)| word | u64::from(bit) << place)
}

/// CPU time of this process.
fn cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // Behind the name, which may hold anything: fields 14 and 15 in hundredths of a second (proc(5)).
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks = fields.split_whitespace().skip(11).take(2).flat_map(str::parse::<u64>);
    Ok(Duration::from_millis(ticks.sum::<u64>() * 10))
}

fn peak_mb() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("VmHWM")?;
    let kb: u64 = line.split_whitespace().nth(1).context("VmHWM")?.parse()?;
    Ok(kb / 1024)
}
