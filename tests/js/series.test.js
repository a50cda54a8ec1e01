import test from 'node:test';
import assert from 'node:assert/strict';
import { NAMES, curves, lastOf, nearest, trailing } from '../../ganlab/panels/series.js';

// What `Thinned.tobytes` sends: [buckets, rows, width], steps, least, greatest and two means of each curve, then the newest rows.
const sent = (k, m, width, x, y, newest) => new DataView(new Float32Array([k, m, width, ...x, ...y, ...newest]).buffer);
const each = values => NAMES.flatMap(() => values);

test('trailing means leave out what is no number, and norms are averaged in the log', () => {
  assert.deepEqual([...trailing([1, 2, NaN, 4], 2, false)], [1, 1.5, 2, 4]);
  assert.deepEqual([...trailing([1, 100], 2, true)].map(Math.round), [1, 10]);
});

test('the whole run: buckets with their least, greatest and mean', () => {
  const message = sent(2, 1, 8, [8, 16], [each([1, 4]), each([4, 16]), each([2, 9]), each([3, 10])].flat(), [
    16,
    ...each([7]),
  ]);
  const d = curves(message, 20, 0, false);
  assert.equal(d.n, 16);
  assert.equal(d.width, 8);
  assert.deepEqual([...d.all[0].x], [8, 16]);
  assert.deepEqual([...d.all[0].y], [2, 9]);
  assert.deepEqual([...curves(message, 100, 0, false).all[0].y], [3, 10]);
  assert.deepEqual([...curves(message, 0, 0, false).all[0].y], [2, 8]); // between the two, in the log
  assert.deepEqual([...curves(message, 0, 0, false).all[4].y], [2.5, 10]);
  assert.deepEqual([...d.all[0].newest], [7]);
});

test('scores become probabilities where they are logits', () => {
  const message = sent(1, 1, 1, [1], [each([0]), each([0]), each([0]), each([0])].flat(), [1, ...each([0])]);
  const d = curves(message, 0, 0, true);
  assert.equal(d.all[NAMES.indexOf('d_real')].y[0], 0.5);
  assert.equal(d.all[NAMES.indexOf('d_loss')].y[0], 0);
});

test('the end of a run: the newest rows as they are', () => {
  const message = sent(0, 3, 1, [], [], [5, 6, 7, ...each([1, 2, 3])]);
  const d = curves(message, 0, 2, false);
  assert.equal(d.first, 6);
  assert.deepEqual([...d.all[5].x], [6, 7]);
  assert.deepEqual([...d.all[5].y], [2, 3]);
});

test('before the first step there is nothing', () => {
  assert.equal(curves(new DataView(new ArrayBuffer(0)), 20, 0, true).n, 0);
});

test('the nearest step, and the last number', () => {
  assert.equal(nearest([], 3), -1);
  assert.deepEqual(
    [-5, 0, 4, 6, 99].map(t => nearest([0, 5, 10], t)),
    [0, 0, 1, 1, 2],
  );
  assert.equal(lastOf({ y: [1, 2, NaN] }), 1);
  assert.equal(lastOf({ y: [NaN] }), -1);
});
