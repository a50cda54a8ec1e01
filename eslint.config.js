import js from '@eslint/js';
import globals from 'globals';

export default [
  js.configs.recommended,
  { files: ['ganlab/**/*.js', 'nbs/*.js'], languageOptions: { globals: globals.browser } },
  { files: ['tests/js/**/*.js'], languageOptions: { globals: globals.node } },
  {
    rules: {
      'no-unused-expressions': 'error',
      'no-var': 'error',
      'one-var': ['error', 'never'],
      'prefer-const': ['error', { destructuring: 'all' }],
      complexity: ['error', 20],
      curly: ['error', 'multi-line'],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
    },
  },
];
