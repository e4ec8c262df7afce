// The table at the end: one row a feature, one column a client, and below it why what is not green is not.

const BY = { roadie: '', node: ", BullMQ's worker" };
const CLIENTS = { 5: 'npm 5', 6: 'npm 6', python: 'Python' };

/** What became of a row with one client. */
function shown(cell, footnote) {
  if (cell.error) return 'FAILED';
  if (cell.skipped) return `not run ${footnote(cell.skipped)}`;
  const time = `${(cell.ms / 1000).toFixed(1)} s`;
  if (cell.red) return `red ${footnote(`${cell.red.because}: ${cell.red.link}`)}`;
  return ['green', time, ...(cell.notes.length ? [`(${cell.notes.join('; ')})`] : [])].join(' ');
}

export function printTable(rows, columns) {
  const reasons = [];
  const footnote = (reason) => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return `[${reasons.indexOf(reason) + 1}]`;
  };
  const lines = [
    ['direction', 'feature', ...columns.map(({ worker, client }) => `${CLIENTS[client]}${BY[worker]}`)],
    ...rows.map(({ direction, feature, cells }) => [direction, feature, ...cells.map((cell) => shown(cell, footnote))]),
  ];
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  for (const line of lines) {
    console.log(line.map((text, at) => text.padEnd(widths[at])).join(' | ').trimEnd());
  }
  reasons.forEach((reason, i) => console.log(`[${i + 1}] ${reason}`));
  const cells = rows.flatMap((row) => row.cells);
  const counts = {
    green: cells.filter((cell) => !cell.error && !cell.red && !cell.skipped).length,
    red: cells.filter((cell) => cell.red && !cell.error).length,
    'not run': cells.filter((cell) => cell.skipped).length,
    FAILED: cells.filter((cell) => cell.error).length,
  };
  const summary = Object.entries(counts).map(([what, count]) => `${count} ${what}`);
  console.log(`${rows.length} features: ${summary.join(', ')}`);
}
