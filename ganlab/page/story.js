export const story = JSON.parse(document.getElementById('story').textContent);
const blob = (s => {
  const b = new Uint8Array(s.length);
  for (let i = 0; i < s.length; i++) b[i] = s.charCodeAt(i);
  return b;
})(atob(document.getElementById('blob').textContent.trim()));
export const part = ([at, n]) => blob.subarray(at, at + n);
const numbers = (p, Kind) => {
  const b = part(p);
  return new Kind(b.buffer.slice(b.byteOffset, b.byteOffset + b.byteLength));
};
export const places = p =>
  p ? Float32Array.from(numbers(p, Int16Array), v => (v === -32768 ? NaN : v * p[2])) : new Float32Array(0);
// a square of values, n x n of them
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
export const levels = p =>
  p ? Float32Array.from(numbers(p, Uint8Array), v => p[2] + (v / 255) * (p[3] - p[2])) : new Float32Array(0);
