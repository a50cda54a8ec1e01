import test from 'node:test';
import assert from 'node:assert/strict';
import { enlarged, fromLevels, fromPlaces } from '../../ganlab/page/numbers.js';

test('16 bits a number, and the least is none', () => {
  assert.deepEqual([...fromPlaces(Int16Array.of(-2, 0, 3, -32768), 0.5)], [-1, 0, 1.5, NaN]);
});

test('8 bits between the least and the greatest', () => {
  assert.deepEqual([...fromLevels(Uint8Array.of(0, 255), -1, 3)], [-1, 3]);
});

test('a map on a finer grid keeps its corners, and a plane stays one', () => {
  const plane = n =>
    Float32Array.from({ length: n * n }, (_, i) => Math.floor(i / n) / (n - 1) + (2 * (i % n)) / (n - 1));
  const got = enlarged(plane(3), 7);
  assert.equal(got.length, 49);
  plane(7).forEach((v, i) => assert.ok(Math.abs(v - got[i]) < 1e-6));
  assert.equal(enlarged(plane(3), 3).length, 9);
  assert.equal(enlarged(new Float32Array(0), 48).length, 0);
});
