// What `ganlab.page.small` made small, as numbers again.

// 16 bits: so many units; the least of them is no number.
export const fromPlaces = (ints, unit) => Float32Array.from(ints, v => (v === -32768 ? NaN : v * unit));

// 8 bits, between the least and the greatest.
export const fromLevels = (bytes, lo, hi) => Float32Array.from(bytes, v => lo + (v / 255) * (hi - lo));

// A square of values on a finer grid, n x n of them, with the same corners.
export function enlarged(v, n) {
  const m = Math.round(Math.sqrt(v.length));
  if (!m || m === n) return v;
  const out = new Float32Array(n * n);
  const at = i => {
    const u = (i / (n - 1)) * (m - 1);
    const a = Math.min(m - 2, Math.floor(u));
    return [a, u - a];
  };
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const [a, s] = at(i);
      const [b, t] = at(j);
      out[i * n + j] =
        (1 - s) * ((1 - t) * v[a * m + b] + t * v[a * m + b + 1]) +
        s * ((1 - t) * v[(a + 1) * m + b] + t * v[(a + 1) * m + b + 1]);
    }
  }
  return out;
}
