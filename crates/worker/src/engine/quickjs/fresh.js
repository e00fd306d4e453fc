// Makes a realm's clocks and randomness ask us. `Date` stays what it is to everybody but those who want to know the present time.
(function (now, random) {
  'use strict';
  const Original = Date;
  const construct = Reflect.construct;
  const Fresh = new Proxy(Original, {
    apply() { return new Original(now()).toString(); },
    construct(target, given, newTarget) {
      return construct(target, given.length === 0 ? [now()] : given, newTarget === Fresh ? target : newTarget);
    },
  });
  const hide = (object, name, value) => Object.defineProperty(object, name, { value, writable: true, configurable: true });
  hide(Original, 'now', now);
  hide(Original.prototype, 'constructor', Fresh);
  hide(Math, 'random', random);
  hide(globalThis, 'Date', Fresh);
  delete globalThis.performance;
})
