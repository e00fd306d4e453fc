// The host realm's side of the event loop, and `api`. What is returned is called from Rust, one task at a time, so that promises settle
// between any two, as in Node.
(function (native) {
  'use strict';

  // Tasks. -------------------------------------------------------------------------------------------------------------------------

  const LONGEST = 2 ** 31 - 1;
  let ticks = [], immediates = [], batch = [], timers = [], horizon = 0, made = 0;

  const need = (callback) => {
    if (typeof callback !== 'function') {
      const error = new TypeError('The "callback" argument must be of type function. Received ' + String(callback));
      error.code = 'ERR_INVALID_ARG_TYPE';
      throw error;
    }
  };

  class Immediate {
    constructor(callback, args) { this.callback = callback; this.args = args; }
    ref() { return this; }
    unref() { return this; }
    hasRef() { return true; }
  }

  class Timeout {
    #number = ++made;
    constructor(callback, delay, args, repeats) {
      delay = +delay;
      this.delay = delay >= 1 && delay <= LONGEST ? Math.trunc(delay) : 1;
      this.callback = callback; this.args = args; this.repeats = repeats; this.held = true;
      this.refresh();
    }
    refresh() {
      this.close();
      this.due = native.clock() + this.delay;
      // Behind all that are due by then.
      let from = 0, to = timers.length;
      while (from < to) { const middle = (from + to) >> 1; if (timers[middle].due <= this.due) from = middle + 1; else to = middle; }
      timers.splice(from, 0, this);
      return this;
    }
    close() { const at = timers.indexOf(this); if (at >= 0) timers.splice(at, 1); return this; }
    ref() { this.held = true; return this; }
    unref() { this.held = false; return this; }
    hasRef() { return this.held; }
    [Symbol.toPrimitive]() { return this.#number; }
    is(what) { return what === this || +what === this.#number; }
  }

  const clear = (what) => {
    if (what instanceof Timeout) what.close();
    else if (typeof what === 'number' || typeof what === 'string') timers.find((timer) => timer.is(what))?.close();
  };
  const globals = {
    setTimeout(callback, delay, ...args) { need(callback); return new Timeout(callback, delay, args, false); },
    setInterval(callback, delay, ...args) { need(callback); return new Timeout(callback, delay, args, true); },
    setImmediate(callback, ...args) {
      need(callback);
      const immediate = new Immediate(callback, args);
      immediates.push(immediate);
      return immediate;
    },
    clearTimeout: clear,
    clearInterval: clear,
    clearImmediate(what) { if (what instanceof Immediate) what.callback = undefined; },
    queueMicrotask(callback) { need(callback); Promise.resolve().then(() => { callback(); }); },
  };
  for (const [name, value] of Object.entries(globals)) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
  }

  native.nextTick = function nextTick(callback, ...args) { need(callback); ticks.push({ callback, args }); };

  const loop = {
    // Each runs one task of its kind, and says whether there was one.
    tick() {
      const task = ticks.shift();
      if (task === undefined) return false;
      task.callback.apply(undefined, task.args);
      return true;
    },
    timer() {
      const timer = timers[0];
      if (timer === undefined || timer.due > horizon) return false;
      timers.shift();
      if (timer.repeats) timer.refresh();
      timer.callback.apply(timer, timer.args);
      return true;
    },
    immediate() {
      const immediate = batch.shift();
      if (immediate === undefined) return false;
      immediate.callback?.apply(undefined, immediate.args);
      return true;
    },
    // What is due, or there, now is run in this turn, what that makes in the next one.
    turn() { horizon = native.clock(); },
    batch() { batch = immediates; immediates = []; },
    // Milliseconds that may be waited: none while there are immediates, -1 for as long as it takes.
    wait() {
      if (immediates.length > 0) return 0;
      if (timers.length === 0) return -1;
      return Math.max(0, timers[0].due - native.clock());
    },
    // Whether anything will still happen without further input.
    alive() { return immediates.length > 0 || timers.some((timer) => timer.held); },
  };

  // Lines. -------------------------------------------------------------------------------------------------------------------------

  let api, loaded, asked;

  const makeApi = (EventEmitter) => {
    asked = new Map();
    const emitter = new EventEmitter();
    emitter.on('request', (message) => native.write(JSON.stringify(message) + '\n'));
    emitter.on('done', () => { loaded = false; });
    return {
      id: 0,
      emitter,
      next_id() { this.id += 1; return String(this.id); },
      populate_command(cmd, message) {
        message.cmd = cmd;
        message.reply = false;
        message.cmd_id = this.next_id();
        return message;
      },
      request(cmd, message, callback) {
        message = this.populate_command(cmd, message ?? {});
        if (callback) asked.set(message.cmd_id, callback);
        globals.setImmediate(() => emitter.emit('request', message));
      },
      log_info(text, callback) { this.request('log.info', { msg: text }, callback); },
      done() {
        this.log_info('Done.', () => {
          this.request('js.done', {});
          globals.setImmediate(() => emitter.emit('done'));
        });
      },
      on_unknown_command: ignored,
    };
  };
  function ignored() {}

  return Object.assign(loop, {
    // What is sent before anything is loaded.
    start(EventEmitter) {
      ticks = []; immediates = []; batch = []; timers = []; loaded = false;
      api = makeApi(EventEmitter);
      api.log_info('Starting sandbox ...');
      api.log_info('Loading sandboxed code ...');
      return api;
    },
    loaded() { loaded = true; },
    receive(line) {
      if (line.trim() === '') return;
      const command = JSON.parse(line);
      if (command.cmd === 'exit') {
        api.log_info('Exiting sandbox.');
        globals.setImmediate(() => native.exit(0));
        return;
      }
      if (!loaded) return;
      if (command.reply) {
        asked.get(command.cmd_id)?.call(api, command);
        return;
      }
      // Of each only the first, as in vxsandbox.
      const handler = api['on_' + String(command.cmd).replace('.', '_').replace('-', '_')];
      if (handler) {
        handler.call(api, command);
        return;
      }
      const unknown = api.on_unknown_command;
      unknown.call(api, command);
      // Nobody would ever say that it is done: the message would be held until its time is up.
      if (unknown === ignored) api.done();
    },
  });
})
