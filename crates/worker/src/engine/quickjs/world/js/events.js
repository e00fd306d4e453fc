// https://nodejs.org/docs/latest-v20.x/api/events.html
(function (module, use) {
  'use strict';

  const errorMonitor = Symbol('events.errorMonitor');
  const lazily = (name) => use(name);

  function EventEmitter() { EventEmitter.init.call(this); }
  EventEmitter.init = function () {
    if (this._events === undefined || this._events === Object.getPrototypeOf(this)._events) {
      this._events = Object.create(null);
      this._eventsCount = 0;
    }
    this._maxListeners = this._maxListeners || undefined;
  };

  let defaultMaxListeners = 10;

  const check = (listener) => {
    if (typeof listener !== 'function') throw new (lazily('internal/errors').InvalidArgument)('listener', 'of type function', listener);
  };
  const list = (emitter, type) => emitter._events?.[type] ?? [];
  const limit = (emitter) => emitter._maxListeners === undefined ? defaultMaxListeners : emitter._maxListeners;

  const add = (emitter, type, listener, first) => {
    check(listener);
    if (emitter._events === undefined) EventEmitter.init.call(emitter);
    const events = emitter._events;
    // Before it is there, so that what it causes is not told to itself.
    if (events.newListener !== undefined) emitter.emit('newListener', type, listener.listener ?? listener);
    // A list is never changed: what goes through it is not disturbed.
    const before = events[type];
    if (before === undefined) emitter._eventsCount += 1;
    const now = first ? [listener, ...before ?? []] : [...before ?? [], listener];
    events[type] = now;
    const most = limit(emitter);
    if (most > 0 && now.length > most && !emitter._warned?.has(type)) {
      (emitter._warned ??= new Set()).add(type);
      const name = emitter.constructor?.name ?? 'EventEmitter';
      lazily('internal/process').emitWarning(`Possible EventEmitter memory leak detected. ${now.length} ${String(type)} listeners added `
        + `to [${name}]. Use emitter.setMaxListeners() to increase limit`, 'MaxListenersExceededWarning');
    }
    return emitter;
  };

  const wrap = (emitter, type, listener) => {
    check(listener);
    let fired = false;
    const once = function (...given) {
      if (fired) return undefined;
      fired = true;
      emitter.removeListener(type, once);
      return listener.apply(emitter, given);
    };
    once.listener = listener;
    return once;
  };

  const drop = (emitter, type, at) => {
    const before = emitter._events[type];
    if (before.length === 1) {
      delete emitter._events[type];
      emitter._eventsCount -= 1;
    } else emitter._events[type] = before.toSpliced(at, 1);
    if (emitter._events.removeListener !== undefined) emitter.emit('removeListener', type, before[at].listener ?? before[at]);
  };

  const unhandled = (emitter, error) => {
    if (error instanceof Error) throw error;
    const { inspect } = lazily('internal/inspect');
    const text = typeof error === 'string' ? `'${error}'` : inspect(error);
    const thrown = lazily('internal/errors').coded(Error, 'ERR_UNHANDLED_ERROR', `Unhandled error. (${text})`);
    thrown.context = error;
    throw thrown;
  };

  const methods = {
    setMaxListeners(count) {
      if (typeof count !== 'number' || !(count >= 0)) {
        throw new (lazily('internal/errors').OutOfRange)('setMaxListeners', '>= 0', count);
      }
      this._maxListeners = count;
      return this;
    },
    getMaxListeners() { return limit(this); },
    emit(type, ...given) {
      const events = this._events;
      if (type === 'error') {
        if (events?.[errorMonitor] !== undefined) this.emit(errorMonitor, ...given);
        if (events?.error === undefined) unhandled(this, given[0]);
      }
      const listeners = events?.[type];
      if (listeners === undefined) return false;
      for (const listener of listeners) listener.apply(this, given);
      return true;
    },
    addListener(type, listener) { return add(this, type, listener, false); },
    prependListener(type, listener) { return add(this, type, listener, true); },
    once(type, listener) { return this.on(type, wrap(this, type, listener)); },
    prependOnceListener(type, listener) { return this.prependListener(type, wrap(this, type, listener)); },
    removeListener(type, listener) {
      check(listener);
      const at = list(this, type).findLastIndex((known) => known === listener || known.listener === listener);
      if (at >= 0) drop(this, type, at);
      return this;
    },
    removeAllListeners(...types) {
      if (this._events === undefined) return this;
      if (types.length === 0) {
        for (const type of Reflect.ownKeys(this._events)) if (type !== 'removeListener') this.removeAllListeners(type);
        if (this._events.removeListener !== undefined) this.removeAllListeners('removeListener');
        return this;
      }
      for (let at = list(this, types[0]).length - 1; at >= 0; at -= 1) drop(this, types[0], at);
      return this;
    },
    listeners(type) { return list(this, type).map((listener) => listener.listener ?? listener); },
    rawListeners(type) { return list(this, type).slice(); },
    listenerCount(type, listener) {
      const all = list(this, type);
      return listener === undefined ? all.length : all.filter((known) => known === listener || known.listener === listener).length;
    },
    eventNames() { return this._events === undefined ? [] : Reflect.ownKeys(this._events); },
  };
  for (const [name, method] of Object.entries(methods)) EventEmitter.prototype[name] = method;
  EventEmitter.prototype.on = EventEmitter.prototype.addListener;
  EventEmitter.prototype.off = EventEmitter.prototype.removeListener;
  EventEmitter.prototype._events = undefined;
  EventEmitter.prototype._eventsCount = 0;
  EventEmitter.prototype._maxListeners = undefined;

  // A promise for the arguments of the next event.
  const once = (emitter, type) => new Promise((resolve, reject) => {
    const failed = (error) => { emitter.removeListener(type, happened); reject(error); };
    const happened = (...given) => { emitter.removeListener('error', failed); resolve(given); };
    emitter.once(type, happened);
    if (type !== 'error') emitter.once('error', failed);
  });

  Object.defineProperty(EventEmitter, 'defaultMaxListeners', {
    enumerable: true,
    get: () => defaultMaxListeners,
    set(count) {
      if (typeof count !== 'number' || !(count >= 0)) {
        throw new (lazily('internal/errors').OutOfRange)('defaultMaxListeners', '>= 0', count);
      }
      defaultMaxListeners = count;
    },
  });
  EventEmitter.EventEmitter = EventEmitter;
  EventEmitter.usingDomains = false;
  EventEmitter.errorMonitor = errorMonitor;
  EventEmitter.once = once;
  EventEmitter.listenerCount = (emitter, type) => emitter.listenerCount(type);
  EventEmitter.getEventListeners = (emitter, type) => emitter.listeners(type);

  module.exports = EventEmitter;
})
