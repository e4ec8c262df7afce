// The table at the end: one row a feature, one column a client version.

export function printTable(rows, columns) {
  const title = ({ worker, version }) => (worker === 'node' ? `${version} (BullMQ's worker)` : version);
  const cell = ({ error, ms, notes }) =>
    `${error ? 'FAILED' : 'ok'} ${(ms / 1000).toFixed(1)} s${notes.length ? `, ${notes.join(', ')}` : ''}`;
  const lines = [
    ['feature', ...columns.map(title)],
    ...rows.map((row) => [row.feature, ...columns.map((_, at) => (row.cells[at] ? cell(row.cells[at]) : '–'))]),
  ];
  const widths = lines[0].map((_, at) => Math.max(...lines.map((line) => line[at].length)));
  for (const line of lines) {
    console.log(line.map((text, at) => text.padEnd(widths[at])).join(' | ').trimEnd());
  }
}
