export function flagsOf(x, p, flags, X, w, H, top, bot, roomy, col) {
  const rows = [[], []];
  const y = top - 11;
  const free = (r, a, b) => rows[r].every(o => b < o[0] || a > o[1]);
  const fs = flags.map(([t, kind, name]) => ({
    kind,
    name,
    fx: Math.round(X(t)) + 0.5,
    tw: x.measureText(name).width,
  }));
  if (p.top && roomy) {
    [...fs].reverse().forEach(q => {
      const right = q.fx + q.tw > w - 2;
      const a = right ? w - 2 - q.tw : q.fx - 4;
      const b = a + q.tw + 6;
      q.lx = a;
      for (const r of [1, 0]) {
        if (q.name && free(r, a, b) && (r === 1 || right || free(1, q.fx - 2, q.fx + 2))) {
          q.row = r;
          q.right = right;
          rows[r].push([a - 4, b]);
          if (r === 0 && !right) rows[1].push([q.fx - 2, q.fx + 2]);
          return;
        }
      }
    });
  }
  x.textBaseline = 'middle';
  fs.forEach(({ kind, name, fx, lx, row, right }) => {
    x.strokeStyle = col('--ink2');
    x.globalAlpha = 0.6;
    x.setLineDash(kind === 'ask' ? [4, 3] : [1, 2]);
    x.beginPath();
    x.moveTo(fx, p.top ? y - 4 : 0);
    x.lineTo(fx, H - bot);
    x.stroke();
    x.setLineDash([]);
    if (p.top && row === 0 && !right) {
      x.beginPath();
      x.moveTo(fx, 13);
      x.lineTo(fx, y - 4);
      x.stroke();
    }
    x.globalAlpha = 1;
    if (!p.top) return;
    x.fillStyle = kind === 'off' || kind === 'ask' ? col('--bg') : col('--ink');
    x.strokeStyle = col('--ink');
    x.lineWidth = 1.25;
    x.beginPath();
    const at =
      kind === 'set'
        ? [
            [0, -4],
            [4, 0],
            [0, 4],
            [-4, 0],
          ]
        : [
            [0, -4.5],
            [7, 0],
            [0, 4.5],
          ];
    at.forEach(([dx, dy], i) => x[i ? 'lineTo' : 'moveTo'](fx + dx, y + dy));
    x.closePath();
    if (kind === 'ask') x.setLineDash([2, 1.5]);
    x.fill();
    x.stroke();
    x.setLineDash([]);
    x.lineWidth = 1;
    if (row != null) {
      x.textAlign = 'left';
      x.fillStyle = col('--ink2');
      x.fillText(name, lx + (lx === fx - 4 ? 3 : 0), row ? 21 : 7);
    }
  });
}
