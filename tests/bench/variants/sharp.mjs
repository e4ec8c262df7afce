// sharp's side of tests/bench/variants.sh: all variants of each photo from one decode, and one line of
// JSON with what each pass took. Every photo is read from its path, turned upright and converted to
// sRGB once, at the largest width; the smaller ones are made from the next larger one.
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import sharp from "sharp";

const { values: options, positionals: photos } = parseArgs({
  allowPositionals: true,
  options: {
    format: { type: "string" },
    quality: { type: "string" },
    effort: { type: "string" },
    threads: { type: "string" },
    passes: { type: "string" },
    out: { type: "string" },
  },
});
const threads = Number(options.threads);
const widths = [1200, 800, 400];
sharp.cache(false);
// Photos side by side are worth more than threads within one.
sharp.concurrency(1);

function encode(image) {
  const quality = Number(options.quality);
  const effort = Number(options.effort);
  switch (options.format) {
    case "jpeg":
      // Huffman tables of the picture's own and 4:2:0 are its defaults.
      return image.jpeg({ quality });
    case "webp":
      return image.webp({ quality, effort });
    default:
      return image.avif({ quality, effort, chromaSubsampling: "4:2:0" });
  }
}

async function variants(photo) {
  const files = [];
  let larger = sharp(photo).autoOrient();
  for (const width of widths) {
    const { data, info } = await larger
      .resize({ width, withoutEnlargement: true, kernel: "lanczos3" })
      .toColourspace("srgb")
      .raw()
      .toBuffer({ resolveWithObject: true });
    const { width: w, height, channels } = info;
    const pixels = () => sharp(data, { raw: { width: w, height, channels } });
    files.push([w, await encode(pixels()).toBuffer()]);
    larger = pixels();
  }
  return files;
}

async function pass(out) {
  const queue = [...photos];
  const worker = async () => {
    for (let photo = queue.shift(); photo; photo = queue.shift()) {
      for (const [width, bytes] of await variants(photo)) {
        if (out) {
          writeFileSync(path.join(out, `${path.parse(photo).name}-${width}.${options.format}`), bytes);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: threads }, worker));
}

await pass(options.out);
const passes = [];
for (let i = 0; i < Number(options.passes); i += 1) {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  await pass();
  const used = process.cpuUsage(cpu);
  passes.push({
    cpu: (used.user + used.system) / 1000 / photos.length,
    wall: Number(process.hrtime.bigint() - start) / 1e6 / photos.length,
  });
}
const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]) / 1024;
console.log(JSON.stringify({ passes, peak }));
