import { stroke } from './canvas.js';

// Where the names of flags stand: [{fx, tw, name}, ...] from the oldest, in pixels. Those that fit get `lx`, `row` (1 is the
// lower one) and `right` (they end at the edge). The newest keep their names; one that does not fit is left out.
export function placed(flags, w) {
  const rows = [[], []];
  const free = (r, a, b) => rows[r].every(o => b < o[0] || a > o[1]);
  for (const f of [...flags].reverse()) {
    const right = f.fx + f.tw > w - 2;
    const a = right ? w - 2 - f.tw : f.fx - 4;
    const b = a + f.tw + 6;
    const stem = [f.fx - 2, f.fx + 2]; // of a name in the upper row, through the lower one
    const fits = r => f.name && free(r, a, b) && (r === 1 || right || free(1, ...stem));
    const row = [1, 0].find(fits);
    if (row === undefined) continue;
    Object.assign(f, { lx: a, row, right });
    rows[row].push([a - 4, b]);
    if (row === 0 && !right) rows[1].push(stem);
  }
  return flags;
}

// The outline of a pennant: a diamond for a value that was set, else a triangle; `r` is half its height.
export function pennant(x, kind, px, py, r) {
  const corners = kind === 'set' ? [0, -4, 4, 0, 0, 4, -4, 0] : [0, -r, 7, 0, 0, r];
  x.beginPath();
  for (let i = 0; i < corners.length; i += 2) x.lineTo(px + corners[i], py + corners[i + 1]);
  x.closePath();
}

// Changes as lines through a plot; on the topmost plot with pennants and, where there is room, names.
export function flagsOf(x, p, flags, at, col) {
  const y = at.top - 11;
  const fs = flags.map(([t, kind, name]) => ({
    kind,
    name,
    fx: Math.round(at.X(t)) + 0.5,
    tw: x.measureText(name).width,
  }));
  if (p.top && !at.narrow) placed(fs, at.w);
  x.textBaseline = 'middle';
  fs.forEach(({ kind, name, fx, lx, row, right }) => {
    x.strokeStyle = col('--ink2');
    x.globalAlpha = 0.6;
    x.setLineDash(kind === 'ask' ? [4, 3] : [1, 2]);
    stroke(x, [fx, p.top ? y - 4 : 0], [fx, at.H - at.bot]);
    x.setLineDash([]);
    if (p.top && row === 0 && !right) stroke(x, [fx, 13], [fx, y - 4]);
    x.globalAlpha = 1;
    if (!p.top) return;
    x.fillStyle = kind === 'off' || kind === 'ask' ? col('--bg') : col('--ink');
    x.strokeStyle = col('--ink');
    x.lineWidth = 1.25;
    pennant(x, kind, fx, y, 4.5);
    if (kind === 'ask') x.setLineDash([2, 1.5]);
    x.fill();
    x.stroke();
    x.setLineDash([]);
    x.lineWidth = 1;
    if (row == null) return;
    x.textAlign = 'left';
    x.fillStyle = col('--ink2');
    x.fillText(name, lx + (lx === fx - 4 ? 3 : 0), row ? 21 : 7);
  });
}
