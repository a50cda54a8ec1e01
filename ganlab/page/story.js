import { fromLevels, fromPlaces } from './numbers.js';

// What is shown, as plain values. Pictures and curves lie in a piece of bytes, which it points into by [first byte, how many].
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
export const places = p => (p ? fromPlaces(numbers(p, Int16Array), p[2]) : new Float32Array(0));
export const levels = p => (p ? fromLevels(part(p), p[2], p[3]) : new Float32Array(0));
