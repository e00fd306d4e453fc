// https://nodejs.org/docs/latest-v20.x/api/assert.html
(function (module, use) {
  'use strict';

  const { inspect } = use('internal/inspect');
  const { deepEqual, deepStrictEqual } = use('internal/equal');
  const { coded, InvalidArgument, received } = use('internal/errors');

  const WORDS = {
    '==': (actual, expected) => `${shown(actual)} == ${shown(expected)}`,
    '!=': (actual, expected) => `${shown(actual)} != ${shown(expected)}`,
    strictEqual: (actual, expected) => differ('Expected values to be strictly equal:', actual, expected, '!=='),
    notStrictEqual: (actual) => `Expected "actual" to be strictly unequal to: ${shown(actual)}`,
    deepEqual: (actual, expected) => `Expected values to be loosely deep-equal:\n\n${shown(actual)}\n\nshould loosely deep-equal\n\n${shown(expected)}`,
    notDeepEqual: (actual, expected) => `Expected "actual" not to be loosely deep-equal to:\n\n${shown(expected)}`,
    deepStrictEqual: (actual, expected) => differ('Expected values to be strictly deep-equal:', actual, expected, 'should equal'),
    notDeepStrictEqual: (actual) => `Expected "actual" not to be strictly deep-equal to: ${shown(actual)}`,
  };
  const shown = (value) => inspect(value, { compact: false, customInspect: false, depth: 1000, maxArrayLength: Infinity, sorted: true });
  const differ = (head, actual, expected, between) => {
    const [left, right] = [shown(actual), shown(expected)];
    if (!`${left}${right}`.includes('\n')) return `${head}\n\n${left} ${between} ${right}\n`;
    const lines = (text, sign) => text.split('\n').map((line) => `${sign} ${line}`).join('\n');
    return `${head}\n+ actual - expected\n\n${lines(left, '+')}\n${lines(right, '-')}`;
  };

  class AssertionError extends Error {
    constructor(options) {
      if (options === null || typeof options !== 'object') throw new InvalidArgument('options', 'of type object', options);
      const { message, operator, actual, expected, stackStartFn } = options;
      super(message === undefined || message === null ? WORDS[operator]?.(actual, expected) ?? `${shown(actual)} ${operator} ${shown(expected)}`
        : String(message));
      this.generatedMessage = message === undefined || message === null;
      Object.defineProperty(this, 'name', { value: 'AssertionError [ERR_ASSERTION]', enumerable: false, writable: true, configurable: true });
      this.code = 'ERR_ASSERTION';
      this.actual = actual;
      this.expected = expected;
      this.operator = operator;
      Error.captureStackTrace(this, stackStartFn ?? AssertionError);
      // The stack is given its first line while the name has the code.
      void this.stack;
      this.name = 'AssertionError';
    }
    toString() { return `${this.name} [${this.code}]: ${this.message}`; }
  }

  const fail = (message, actual, expected, operator, stackStartFn, generated) => {
    if (message instanceof Error) throw message;
    const error = new AssertionError({ message, actual, expected, operator, stackStartFn });
    if (generated) error.generatedMessage = true;
    throw error;
  };
  const need = (given, count, names) => {
    if (given >= count) return;
    throw coded(TypeError, 'ERR_MISSING_ARGS', `The ${names} arguments must be specified`);
  };

  const truthy = (start, operator) => function (...given) {
    const [value, message] = given;
    if (value) return;
    if (given.length === 0) fail('No value argument passed to `assert.ok()`', undefined, true, operator, start, true);
    // The text of the call, which Node would show, is not to be had.
    fail(message ?? 'The expression evaluated to a falsy value', value, true, operator, start, message === undefined || message === null);
  };
  const compare = (name, passes, operator = name) => {
    const assertion = {
      [name](...given) {
        const [actual, expected, message] = given;
        need(given.length, 2, '"actual" and "expected"');
        if (!passes(actual, expected)) fail(message, actual, expected, operator, assertion);
      },
    }[name];
    return assertion;
  };

  const matches = (error, expected, message, start) => {
    if (typeof expected === 'function') {
      if (expected.prototype !== undefined && error instanceof expected) return;
      if (Error.isPrototypeOf(expected)) {
        const text = `The error is expected to be an instance of "${expected.name}". Received ${received(error).slice(9)}`;
        fail(message ?? text, error, expected, start.name, start, message === undefined);
      }
      if (expected.call({}, error) === true) return;
      const name = expected.name ? `"${expected.name}" ` : '';
      const text = `The ${name}validation function is expected to return "true". Received ${inspect(expected.call({}, error))}`
        + `\n\nCaught error:\n\n${error}`;
      fail(message ?? text, error, expected, start.name, start, message === undefined);
    }
    if (Object.prototype.toString.call(expected) === '[object RegExp]') {
      if (expected.test(String(error))) return;
      const text = `The input did not match the regular expression ${inspect(expected)}. Input:\n\n${inspect(String(error))}\n`;
      fail(message ?? text, error, expected, start.name, start, message === undefined);
    }
    const keys = Object.keys(expected);
    if (expected instanceof Error) keys.push('name', 'message');
    for (const key of keys) {
      const pattern = Object.prototype.toString.call(expected[key]) === '[object RegExp]' && typeof error?.[key] === 'string';
      if (pattern ? expected[key].test(error[key]) : deepStrictEqual(error?.[key], expected[key])) continue;
      const pick = (from) => Object.fromEntries(keys.filter((name) => from !== null && from !== undefined && name in Object(from)).map((name) => [name, from[name]]));
      fail(message ?? WORDS.deepStrictEqual(pick(error), pick(expected)), error, expected, start.name, start, message === undefined);
    }
  };
  const options = (expected, message) => typeof expected === 'string' ? [undefined, expected] : [expected, message];
  const kinds = (expected) => expected?.name ? ` (${expected.name})` : '';
  const call = (what) => {
    if (typeof what !== 'function') throw new InvalidArgument('fn', 'of type function', what);
    try { what(); } catch (error) { return { error }; }
    return undefined;
  };
  const wait = async (what) => {
    const promise = typeof what === 'function' ? what() : what;
    if (typeof promise?.then !== 'function') {
      throw new InvalidArgument('promiseFn', 'of type function or an instance of Promise', what);
    }
    try { await promise; } catch (error) { return { error }; }
    return undefined;
  };
  const thrown = (caught, expected, message, start, what) => {
    [expected, message] = options(expected, message);
    if (caught === undefined) {
      fail(`Missing expected ${what}${kinds(expected)}${message ? `: ${message}` : '.'}`, undefined, expected, start.name, start, !message);
    }
    if (expected !== undefined && expected !== null) matches(caught.error, expected, message, start);
  };
  const notThrown = (caught, expected, message, start, what) => {
    if (caught === undefined) return;
    [expected, message] = options(expected, message);
    const concerned = expected === undefined || typeof expected === 'function' && caught.error instanceof expected
      || Object.prototype.toString.call(expected) === '[object RegExp]' && expected.test(String(caught.error));
    if (!concerned) throw caught.error;
    const text = `Got unwanted ${what}${message ? `: ${message}` : '.'}\nActual message: "${caught.error?.message}"`;
    fail(text, caught.error, expected, start.name, start, !message);
  };

  // eslint-disable-next-line eqeqeq -- this is what they do
  const loosely = (actual, expected) => actual == expected || Number.isNaN(actual) && Number.isNaN(expected);
  const members = {
    // With one argument a message; with more, as in old versions of Node.
    fail(...given) {
      let [actual, expected, message, operator] = given;
      const unsaid = given.length <= 1 && (actual === undefined || actual === null);
      if (given.length <= 1) [actual, message] = [undefined, unsaid ? 'Failed' : actual];
      if (given.length === 2) operator = '!=';
      fail(message, actual, expected, operator ?? 'fail', given[4] ?? members.fail, unsaid);
    },
    equal: compare('equal', loosely, '=='),
    notEqual: compare('notEqual', (actual, expected) => !loosely(actual, expected), '!='),
    strictEqual: compare('strictEqual', Object.is),
    notStrictEqual: compare('notStrictEqual', (actual, expected) => !Object.is(actual, expected)),
    deepEqual: compare('deepEqual', deepEqual),
    notDeepEqual: compare('notDeepEqual', (actual, expected) => !deepEqual(actual, expected)),
    deepStrictEqual: compare('deepStrictEqual', deepStrictEqual),
    notDeepStrictEqual: compare('notDeepStrictEqual', (actual, expected) => !deepStrictEqual(actual, expected)),
    throws(what, expected, message) { thrown(call(what), expected, message, members.throws, 'exception'); },
    doesNotThrow(what, expected, message) { notThrown(call(what), expected, message, members.doesNotThrow, 'exception'); },
    async rejects(what, expected, message) { thrown(await wait(what), expected, message, members.rejects, 'rejection'); },
    async doesNotReject(what, expected, message) { notThrown(await wait(what), expected, message, members.doesNotReject, 'rejection'); },
    ifError(value) {
      if (value === null || value === undefined) return;
      const text = `ifError got unwanted exception: ${typeof value === 'object' && typeof value.message === 'string' ? value.message : inspect(value)}`;
      fail(text, value, null, 'ifError', members.ifError, true);
    },
    match(text, pattern, message) {
      if (typeof text === 'string' && pattern.test(text)) return;
      fail(message ?? `The input did not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`, text, pattern, 'match',
        members.match, message === undefined);
    },
    doesNotMatch(text, pattern, message) {
      if (typeof text === 'string' && !pattern.test(text)) return;
      fail(message ?? `The input was expected to not match the regular expression ${inspect(pattern)}. Input:\n\n${inspect(text)}\n`, text, pattern,
        'doesNotMatch', members.doesNotMatch, message === undefined);
    },
  };

  const make = (operator) => {
    const assertion = function ok(...given) { check(...given); };
    const check = truthy(assertion, operator);
    Object.assign(assertion, members);
    assertion.ok = function ok(...given) { checkOk(...given); };
    const checkOk = truthy(assertion.ok, operator);
    assertion.AssertionError = AssertionError;
    return assertion;
  };
  const assert = make('==');
  assert.strict = Object.assign(make('=='), {
    equal: members.strictEqual, notEqual: members.notStrictEqual, deepEqual: members.deepStrictEqual, notDeepEqual: members.notDeepStrictEqual,
  });
  assert.strict.strict = assert.strict;

  module.exports = assert;
})
