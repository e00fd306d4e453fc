// The host realm's `console`. Standard output belongs to the protocol, so all of it goes to standard error.
(function (module, use, natives) {
  'use strict';

  const { formatWithOptions, format } = use('internal/format');
  const { inspect } = use('internal/inspect');
  const counts = new Map(), timers = new Map();
  let indentation = '';

  const write = (text) => natives.stderr(indentation + text.toWellFormed().replaceAll('\n', '\n' + indentation) + '\n');
  const print = (...what) => write(format(...what));
  const elapsed = (label) => {
    const milliseconds = natives.monotonic() - timers.get(label);
    return milliseconds >= 1e3 ? `${(milliseconds / 1e3).toFixed(3)}s` : `${Number(milliseconds.toFixed(3))}ms`;
  };

  const console = {
    log: print,
    warn: print,
    error: print,
    info: print,
    debug: print,
    trace(...what) {
      const error = { name: 'Trace', message: format(...what), toString: Error.prototype.toString };
      Error.captureStackTrace(error, console.trace);
      write(String(error.stack));
    },
    dir(what, options) { write(inspect(what, { customInspect: false, ...options })); },
    dirxml: print,
    table: print,
    assert(is, ...what) {
      if (is) return;
      if (typeof what[0] === 'string') what[0] = `Assertion failed: ${what[0]}`;
      else what.unshift('Assertion failed');
      print(...what);
    },
    count(label = 'default') {
      label = String(label);
      counts.set(label, (counts.get(label) ?? 0) + 1);
      write(`${label}: ${counts.get(label)}`);
    },
    countReset(label = 'default') { counts.delete(String(label)); },
    group(...what) { if (what.length > 0) print(...what); indentation += '  '; },
    groupEnd() { indentation = indentation.slice(2); },
    time(label = 'default') { timers.set(String(label), natives.monotonic()); },
    timeLog(label = 'default', ...what) {
      if (timers.has(String(label))) write(formatWithOptions({}, `${label}: ${elapsed(String(label))}`, ...what));
    },
    timeEnd(label = 'default') { console.timeLog(label); timers.delete(String(label)); },
    clear() {},
  };
  console.groupCollapsed = console.group;
  Object.defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true });

  module.exports = { console };
})
