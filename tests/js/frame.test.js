import test from 'node:test';
import assert from 'node:assert/strict';
import { placed } from '../../ganlab/panels/flags.js';
import { apart, frame, peaks } from '../../ganlab/panels/frame.js';
import { ML, MR, PLOTS } from '../../ganlab/panels/series.js';

test('the first and the last step stand at the ends, the range at top and bottom', () => {
  const at = frame(PLOTS[2], 'wide', 400, [100, 600], [-1, 3, []]);
  assert.deepEqual([at.X(100), at.X(600)], [ML, 400 - MR]);
  assert.deepEqual([at.Y(3), at.Y(-1)], [at.top, at.H - at.bot]);
});

test('a log range is even in decades, and a value far outside stays near the edge', () => {
  const at = frame(PLOTS[0], 'mid', 400, [0, 100], [0.01, 100, []]);
  assert.ok(Math.abs(at.Y(1) - (at.Y(0.01) + at.Y(100)) / 2) < 1e-9);
  assert.ok(at.Y(1e9) > 0 && at.Y(1e-9) < at.H);
});

test('one triangle for each stretch outside of the range, at its farthest', () => {
  assert.deepEqual(peaks([0, 5, 9, 6, 0, -3, -2, 7], -1, 4), [
    [2, true],
    [5, false],
    [7, true],
  ]);
  assert.deepEqual(peaks([NaN, 1], -1, 4), []);
});

test('labels of two lines do not overlap', () => {
  assert.deepEqual(apart([10, 40]), [10, 40]);
  assert.deepEqual(apart([20, 22]), [14.5, 27.5]);
  assert.deepEqual(apart([22, 20]), [27.5, 14.5]);
  assert.ok(Number.isNaN(apart([NaN, 20])[0]));
});

test('the newest flags keep their names; one that does not fit is left out', () => {
  const at = (...fx) =>
    placed(
      fx.map(x => ({ fx: x, tw: 60, name: 'a name' })),
      400,
    );
  assert.deepEqual(
    at(50, 200).map(f => f.row),
    [1, 1],
  );
  assert.deepEqual(
    at(50, 80).map(f => f.row),
    [0, 1],
  );
  assert.deepEqual(
    at(50, 65, 80).map(f => f.row),
    [undefined, 0, 1],
  );
  const [edge] = at(390);
  assert.ok(edge.right && edge.lx + 60 <= 400);
});
