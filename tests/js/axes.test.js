import test from 'node:test';
import assert from 'node:assert/strict';
import { decade, nice, plain, range, usual } from '../../ganlab/panels/axes.js';

const series = (...ys) => ys.map(y => ({ y }));

test('steps between ticks are 1, 2 or 5 of some decade, and give no more of them than asked for', () => {
  assert.equal(nice(10, 3), 5);
  assert.equal(nice(100, 10), 10);
  assert.equal(nice(0.7, 3), 0.5);
  for (const span of [1e-3, 0.3, 7, 1234]) for (const most of [2, 3, 10]) assert.ok(span / nice(span, most) <= most);
});

test('one early spike is not in the usual range; the latest value is', () => {
  const wave = Array.from({ length: 150 }, (_, i) => 1 + 0.2 * Math.sin(i / 9));
  const early = wave.with(3, 80);
  const latest = wave.with(149, 80);
  assert.ok(usual(series(early), [], [0])[1] < 2);
  assert.equal(usual(series(latest), [], [0])[1], 80);
});

test('where everything is not much more than the usual, everything is shown', () => {
  assert.deepEqual(usual(series([1, 2, 3, 4]), [], [0]), [0, 4]);
  assert.deepEqual(usual(series([NaN]), [], [0, 1]), [0, 1]);
});

test('a spike over a line that does not move is shown: there is nothing else to see', () => {
  const [lo, hi, ticks] = range({ within: [] }, series([0, 0, 1, 0, 0, 0, 0]), {}, false);
  assert.deepEqual([lo, hi, ticks.length], [0, 1, 3]);
});

test('a log range grows by decades and never shrinks by itself', () => {
  const keep = {};
  const norms = { log: true };
  assert.deepEqual(range(norms, series([0.5, 5]), keep, true).slice(0, 2), [0.01, 10]);
  assert.deepEqual(range(norms, series([0.5, 500]), keep, true).slice(0, 2), [0.01, 1000]);
  assert.deepEqual(range(norms, series([1]), keep, true).slice(0, 2), [0.01, 1000]);
});

test('probabilities go from 0 to 1; a loss shows 0 and 1 and whole steps', () => {
  assert.deepEqual(range({ score: true }, series([0.2]), {}, true), [0, 1, [0, 0.5, 1]]);
  const [lo, hi, ticks] = range({}, series([0.3, 2.2]), {}, false);
  assert.deepEqual([lo, hi], [0, 3]);
  assert.deepEqual(ticks, [0, 1, 2, 3]);
});

test('numbers on an axis', () => {
  assert.deepEqual([0.01, 1, 1000, 1e4, 1e-5].map(decade), ['0.01', '1', '1000', '10⁴', '10⁻⁵']);
  assert.deepEqual([0, -2.5, 1234.5, 20000].map(plain), ['0', '−2.5', '1230', '2e4']);
});
