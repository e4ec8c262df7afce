// A table of aligned columns.

export function printTable(lines) {
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => String(line[at]).length)));
  for (const line of lines) {
    console.log(line.map((cell, at) => String(cell).padStart(widths[at])).join('  '));
  }
}
