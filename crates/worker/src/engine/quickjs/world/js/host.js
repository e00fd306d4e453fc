// Makes the host realm: Node's globals, and `require`, which is the result.
(function (global, natives) {
  'use strict';

  // Our own modules, each made when it is first asked for.
  const made = new Map();
  const use = (name) => {
    let module = made.get(name);
    if (module === undefined) {
      module = { exports: {} };
      made.set(name, module);
      natives.builtin(name)(module, use, natives, global);
    }
    return module.exports;
  };

  use('internal/stack')(Error);
  use('internal/locale')({ Date, Number, String });

  const hidden = (name, value) => Object.defineProperty(global, name, { value, writable: true, configurable: true });
  const lazy = (name, from) => Object.defineProperty(global, name, {
    configurable: true,
    get() { const value = use(from)[name]; hidden(name, value); return value; },
    set(value) { hidden(name, value); },
  });

  hidden('global', global);
  hidden('process', use('internal/process'));
  hidden('Buffer', use('buffer').Buffer);
  lazy('console', 'internal/console');
  lazy('URL', 'internal/whatwg_url');
  lazy('URLSearchParams', 'internal/whatwg_url');
  lazy('TextEncoder', 'internal/text_coding');
  lazy('TextDecoder', 'internal/text_coding');
  hidden('performance', Object.freeze({ now: () => natives.monotonic() }));
  for (const name of ['navigator', 'DOMException']) {
    const is = Object.getOwnPropertyDescriptor(global, name);
    if (is !== undefined) Object.defineProperty(global, name, { ...is, enumerable: false });
  }

  const { require, evaluate } = use('internal/require');
  // Where Rust finds it.
  Object.defineProperty(global, Symbol.for('belljar.app_context'), { value: evaluate });
  return require;
})
