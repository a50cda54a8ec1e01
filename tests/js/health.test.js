import test from 'node:test';
import assert from 'node:assert/strict';
import { bandSays, firstFew, place } from '../../ganlab/panels/chips.js';
import { room, stands } from '../../ganlab/panels/health.js';
import { inSight, number } from '../../ganlab/panels/signal.js';

const near = (a, b) => assert.ok(Math.abs(a - b) < 1e-9, `${a} is not ${b}`);

test('a band has a third of the track on both sides; a value far outside stays on the track', () => {
  const { from, to, at } = place({ value: 0.5, low: 0.2, high: 0.8 });
  near(from, 1 / 3);
  near(to, 2 / 3);
  near(at, 0.5);
  assert.equal(place({ value: 90, low: 0.2, high: 0.8 }).at, 0.98);
  assert.equal(place({ value: -90, low: 0.2, high: 0.8 }).at, 0.02);
});

test('a band that is open at one end reaches the end of the track', () => {
  const floor = place({ value: 0.1, low: 0.4, high: null });
  assert.equal(floor.to, 1);
  assert.ok(floor.at < floor.from);
  const ceiling = place({ value: 2, low: null, high: 1 });
  assert.equal(ceiling.from, 0);
  assert.ok(ceiling.at > ceiling.to);
  const zero = place({ value: 1, low: null, high: 0 });
  assert.ok(zero.at > zero.to);
  assert.deepEqual(place({ value: 7, low: null, high: null }), { from: 0, to: 1, at: 0.5 });
});

test('over more than a decade, distances are ratios; nothing known is nowhere', () => {
  near(place({ value: 1, low: 0.01, high: 100 }).at, 0.5);
  assert.ok(place({ value: 0, low: 0.01, high: 100 }).at < 0.34);
  assert.equal(place({ value: null, low: 0, high: 1 }).at, null);
});

test('a band in words', () => {
  assert.equal(bandSays({ low: 0.4, high: null }), 'healthy from 0.4');
  assert.equal(bandSays({ low: null, high: 2 }), 'healthy up to 2');
  assert.equal(bandSays({ low: 1e-3, high: 30 }), 'healthy from 0.001 to 30');
  assert.equal(bandSays({ low: null, high: null }), 'no healthy band');
});

test('where there is little room, chips outside of their band come first, all in their own order', () => {
  const chips = ['ok', 'ok', 'unknown', 'low', 'ok', 'high'].map(state => ({ state }));
  assert.deepEqual(firstFew(chips, 4), [true, true, false, true, false, true]);
  assert.deepEqual(firstFew(chips, 5), [true, true, false, true, true, true]);
  assert.deepEqual(firstFew(chips, 6), Array(6).fill(true));
});

test('as many chips as fit into a row, and four at least', () => {
  assert.equal(room(870, 'wide'), 6);
  assert.equal(room(600, 'mid'), 4);
  assert.equal(room(290, 'narrow'), 4);
});

test('a threshold as it is typed', () => {
  assert.equal(number(' 0,25 '), 0.25);
  assert.equal(number('−1e-3'), -0.001);
  assert.equal(number(''), null);
  assert.ok(Number.isNaN(number('much')));
});

test('the curve shows the band, and something beyond one bound', () => {
  assert.deepEqual(inSight({ low: 1, high: 2, value: 5 }), [1, 2]);
  near(inSight({ low: 0.3, high: null, value: 0.3 })[1], 0.4);
  assert.ok(inSight({ low: null, high: 0, value: 3 })[1] < 0);
  assert.deepEqual(inSight({ low: null, high: null, value: 3 }), []);
});

test('what a checkup comes to, in a few words', () => {
  const none = {};
  assert.equal(stands(-1, 0, 0, none, false), 'Health is checked while it trains');
  assert.equal(stands(1200, 1300, 0, none, false), 'Nothing wrong at step 1\u202f200');
  assert.equal(stands(20, 30, 2, none, false), 'No cause found at step 20');
  assert.equal(stands(20, 30, 2, { cause: 'mode_collapse' }, false), 'As of step 20');
  assert.equal(stands(20, 30, 0, none, true), 'Checking…');
});
