import test from 'node:test';
import assert from 'node:assert/strict';
import { range } from '../../ganlab/panels/axes.js';
import { asPlot } from '../../ganlab/panels/measures.js';

const sent = (steps, values, more) => ({
  title: 'Radius',
  better: 'more',
  log: false,
  failed: '',
  data: new DataView(new Float32Array([...steps, ...values]).buffer),
  ...more,
});

test('the steps, then the values, and which direction is better', () => {
  const { p, line } = asPlot(sent([10, 20], [50, 60]));
  assert.deepEqual([...line.x], [10, 20]);
  assert.deepEqual([...line.y], [50, 60]);
  assert.equal(p.sub, 'more is better');
  assert.equal(asPlot(sent([], [], { failed: 'the metric failed' })).p.sub, 'the metric failed');
});

test('its range is that of its values, and not one with 0 and 1 in it', () => {
  const { p, line } = asPlot(sent([10, 20], [50, 60]));
  assert.deepEqual(range(p, [line], {}, false).slice(0, 2), [50, 60]);
});

test('a number that never changes has a range, too', () => {
  for (const v of [0, 8, -2]) {
    const { p, line } = asPlot(sent([10, 20], [v, v]));
    const [lo, hi] = range(p, [line], {}, false);
    assert.ok(lo <= v && v <= hi && hi > lo);
  }
});
