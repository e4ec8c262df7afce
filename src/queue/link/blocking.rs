//! Commands that take their time.

use std::time::Duration;

use redis::{Arg, Cmd};

/// All that block begin with these letters: the rest is not looked at any closer.
fn may_block(name: &Arg<&[u8]>) -> bool {
    matches!(name, Arg::Simple([b'B' | b'b' | b'X' | b'x', ..]))
}

/// How long a command may block by itself.
pub(super) fn blocks_for(cmd: &Cmd) -> Duration {
    let text = |arg: Arg<&[u8]>| match arg {
        Arg::Simple(bytes) => String::from_utf8_lossy(bytes).to_ascii_uppercase(),
        _ => String::new(),
    };
    let mut args = cmd.args_iter();
    let Some(name) = args.next().filter(may_block).map(text) else {
        return Duration::ZERO;
    };
    let number = |text: String| text.parse::<f64>().unwrap_or(0.0);
    let seconds = match name.as_str() {
        "BZPOPMIN" | "BZPOPMAX" | "BLPOP" | "BRPOP" | "BLMOVE" | "BRPOPLPUSH" => {
            args.last().map(text).map_or(0.0, number)
        }
        "BLMPOP" | "BZMPOP" => args.next().map(text).map_or(0.0, number),
        "XREAD" | "XREADGROUP" => {
            let block = args.by_ref().map(text).find(|arg| arg == "BLOCK" || arg == "STREAMS");
            let milliseconds = block.filter(|arg| arg == "BLOCK").and_then(|_| args.next());
            milliseconds.map(text).map_or(0.0, number) / 1_000.0
        }
        _ => 0.0,
    };
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_that_block_are_given_their_time() {
        for (command, expected) in [
            ("BZPOPMIN a 2.5", 2_500),
            ("bzpopmin a 0.01", 10),
            ("BLMPOP 3 1 a LEFT", 3_000),
            ("XREAD COUNT 1 BLOCK 700 STREAMS s 0", 700),
            ("XREAD STREAMS BLOCK 700", 0),
            ("BITCOUNT a", 0),
            ("SET a 5", 0),
        ] {
            let mut cmd = Cmd::new();
            for arg in command.split(' ') {
                cmd.arg(arg);
            }
            assert_eq!(blocks_for(&cmd), Duration::from_millis(expected), "{command}");
        }
    }
}
