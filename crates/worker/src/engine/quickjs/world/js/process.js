// `process`: https://nodejs.org/docs/latest-v20.x/api/process.html, as far as there is a process.
(function (module, use, natives) {
  'use strict';

  const EventEmitter = use('events');
  const { InvalidArgument } = use('internal/errors');

  const process = Object.create(Object.create(EventEmitter.prototype, {
    constructor: { value: function process() {}, configurable: true, writable: true },
    [Symbol.toStringTag]: { value: 'process', configurable: true },
  }));
  EventEmitter.call(process);

  const hrtime = (since) => {
    if (since !== undefined && !Array.isArray(since)) throw new InvalidArgument('time', 'an instance of Array', since);
    const now = natives.monotonic();
    let seconds = Math.floor(now / 1e3), nanoseconds = Math.round((now - seconds * 1e3) * 1e6);
    if (since !== undefined) {
      seconds -= since[0];
      nanoseconds -= since[1];
      if (nanoseconds < 0) { seconds -= 1; nanoseconds += 1e9; }
    }
    return [seconds, nanoseconds];
  };
  hrtime.bigint = () => {
    const [seconds, nanoseconds] = hrtime();
    return BigInt(seconds) * 1_000_000_000n + BigInt(nanoseconds);
  };

  let begin;
  const warned = new Set();

  Object.assign(process, {
    title: 'belljar',
    // The version whose behaviour the modules have.
    version: 'v20.0.0',
    versions: { node: '20.0.0' },
    release: { name: 'node' },
    arch: 'x64',
    platform: 'linux',
    pid: 1,
    ppid: 0,
    argv: ['node'],
    argv0: 'node',
    execArgv: [],
    execPath: '/usr/bin/node',
    env: {},
    exitCode: undefined,
    features: {},
    config: { variables: {} },
    stderr: { isTTY: false, write(text) { natives.stderr(String(text).toWellFormed()); return true; } },
    nextTick: natives.nextTick,
    hrtime,
    uptime() { begin ??= natives.monotonic(); return (natives.monotonic() - begin) / 1e3; },
    cwd: () => '/',
    umask: () => 0o22,
    exit(code) {
      natives.exit(Number(code ?? process.exitCode ?? 0) | 0);
      throw new Error('process.exit was called');
    },
    emitWarning(warning, type, code) {
      if (type !== null && typeof type === 'object') ({ type, code } = type);
      const name = warning instanceof Error ? warning.name : type ?? 'Warning';
      const text = warning instanceof Error ? warning.message : String(warning);
      // Once for each, as there is nobody who could turn them off.
      const line = `(node) ${code ? `[${code}] ` : ''}${name}: ${text}\n`;
      if (warned.has(line)) return;
      warned.add(line);
      natives.stderr(line.toWellFormed());
    },
  });

  module.exports = process;
})
