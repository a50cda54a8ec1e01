import test from 'node:test';
import assert from 'node:assert/strict';
import { moveSays, valueAt } from '../../ganlab/panels/moves.js';
import { classNames, classTitle } from '../../ganlab/panels/images.js';
import { spreadOf } from '../../ganlab/panels/card.js';

const fall = { label: 'Gradient penalty γ', said: '10 to 1 on a line over 30 steps', at: [10, 20, 40], y: [10, 7, 1] };

test('a number on a schedule is known between its points, and nowhere else', () => {
  assert.deepEqual(
    [10, 15, 20, 30, 40].map(s => valueAt(fall, s)),
    [10, 8.5, 7, 4, 1],
  );
  assert.deepEqual(
    [9, 41].map(s => valueAt(fall, s)),
    [null, null],
  );
  assert.equal(valueAt({ ...fall, at: [], y: [] }, 3), null);
});

test('the tooltip has the name, the step, the value and the schedule in words', () => {
  assert.equal(moveSays(fall, 30), 'Gradient penalty γ at step 30: 4.00\n10 to 1 on a line over 30 steps');
  assert.equal(moveSays(fall, 5), '');
});

test('classes are called as the data says, else by their numbers', () => {
  assert.deepEqual(classNames(2, ['cat', 'dog']), ['cat', 'dog']);
  assert.deepEqual(classNames(3, []), ['Class 0', 'Class 1', 'Class 2']);
  assert.deepEqual(['7', 'ankle boot'].map(classTitle), ['Class 7', 'ankle boot']);
});

test('a map of scores is coloured by how far each lies from their mean; what is no number does not count', () => {
  assert.deepEqual(spreadOf({ rows: 1, values: [1, null, 3] }), { mean: 2, most: 1, least: 1, greatest: 3 });
});
