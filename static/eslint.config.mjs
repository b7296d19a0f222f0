// The rules for the scripts of the pages: ES5, since engines of 2011 run them as they are.
import stylistic from '@stylistic/eslint-plugin';

const globals = 'window document location navigator localStorage setTimeout clearTimeout setInterval ' +
  'XMLHttpRequest Audio io';

export default [
  { ignores: ['vendor/**'] },
  {
    files: ['*.js'],
    plugins: { '@stylistic': stylistic },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: {
      ecmaVersion: 5,
      sourceType: 'script',
      globals: Object.fromEntries(globals.split(' ').map((name) => [name, 'readonly']))
    },
    rules: {
      'consistent-return': 'error',
      'dot-notation': 'off', // catch is a reserved word in ES3
      'eqeqeq': 'error',
      'guard-for-in': 'error',
      'no-caller': 'error',
      'no-eval': 'error',
      'no-implicit-globals': 'error',
      'no-loop-func': 'error',
      'no-redeclare': 'error',
      'no-shadow': 'error',
      'no-undef': 'error',
      'no-unused-expressions': 'error',
      'no-unused-vars': ['error', { caughtErrors: 'none' }],
      'no-use-before-define': ['error', { functions: false, variables: false }],
      'max-lines': ['error', 300],
      '@stylistic/block-spacing': 'error',
      '@stylistic/brace-style': ['error', '1tbs', { allowSingleLine: true }],
      '@stylistic/comma-dangle': 'error',
      '@stylistic/comma-spacing': 'error',
      '@stylistic/eol-last': 'error',
      '@stylistic/function-call-spacing': 'error',
      '@stylistic/indent': ['error', 2, { ignoredNodes: ['ConditionalExpression'] }],
      '@stylistic/key-spacing': 'error',
      '@stylistic/keyword-spacing': 'error',
      '@stylistic/max-len': ['error', 110],
      '@stylistic/no-extra-semi': 'error',
      '@stylistic/no-multi-spaces': 'error',
      '@stylistic/no-multiple-empty-lines': ['error', { max: 1, maxEOF: 0 }],
      '@stylistic/no-tabs': 'error',
      '@stylistic/no-trailing-spaces': 'error',
      '@stylistic/operator-linebreak': ['error', 'after', { overrides: { '?': 'before', ':': 'before' } }],
      '@stylistic/padded-blocks': ['error', 'never'],
      '@stylistic/quotes': ['error', 'single', { avoidEscape: true }],
      '@stylistic/semi': 'error',
      '@stylistic/semi-spacing': 'error',
      '@stylistic/space-before-blocks': 'error',
      '@stylistic/space-before-function-paren': ['error', { anonymous: 'always', named: 'never' }],
      '@stylistic/space-in-parens': 'error',
      '@stylistic/space-infix-ops': 'error',
      '@stylistic/space-unary-ops': 'error',
      '@stylistic/spaced-comment': 'error'
    }
  }
];
