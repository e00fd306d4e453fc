// A small event loop, as the engine has one, with a clock that jumps.
(function (natives) {
  'use strict';
  let ticks = [], immediates = [], timers = [], now = 1, made = 0;
  const start = (repeat) => (callback, delay, ...given) => {
    const timer = { callback, given, delay: Math.max(1, Number(delay) || 1), repeat, number: made++ };
    timer.due = now + timer.delay;
    timers.push(timer);
    return timer;
  };
  const stop = (timer) => { timers = timers.filter((other) => other !== timer); immediates = immediates.filter((other) => other !== timer); };
  Object.assign(globalThis, {
    setTimeout: start(false), setInterval: start(true), clearTimeout: stop, clearInterval: stop, clearImmediate: stop,
    setImmediate(callback, ...given) { const immediate = { callback, given }; immediates.push(immediate); return immediate; },
  });
  natives.now = () => Date.now();
  natives.monotonic = () => now;
  natives.random = (count) => Uint8Array.from({ length: count }, () => Math.floor(Math.random() * 256));
  natives.nextTick = (callback, ...given) => { ticks.push({ callback, given }); };
  natives.library = (load) => load();
  const run = ({ callback, given }) => { callback(...given); return true; };
  return {
    // One task of the kind that is next: whether there was one.
    tick: () => ticks.length > 0 && run(ticks.shift()),
    task() {
      if (immediates.length > 0) return run(immediates.shift());
      timers.sort((one, other) => one.due - other.due || one.number - other.number);
      const timer = timers.shift();
      if (timer === undefined) return false;
      now = Math.max(now, timer.due);
      if (timer.repeat) { timer.due = now + timer.delay; timers.push(timer); }
      return run(timer);
    },
  };
})
