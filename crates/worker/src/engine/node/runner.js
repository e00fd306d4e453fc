// The surroundings of an app in Node: reads commands from standard input, writes requests to standard output, one JSON object a line.
//
// Apps see the object `api` and what `app_context` gives them. Their names for things, the order of the lines and the moments at which
// callbacks are called are those of vxsandbox.
'use strict';

const { EventEmitter } = require('events');
const Module = require('module');
const vm = require('vm');

// Where modules are: told by the worker as the last argument, so that the environment stays the app's own.
const surroundings = JSON.parse(process.argv.pop());
const fromApp = findModules(surroundings);

const NOTHING = () => {};

let current = new Api(0);
let callbacks = new Map();
let loaded = false;
let partial = '';

tell('Starting sandbox ...');
process.stdin.setEncoding('ascii');
process.stdin.on('data', (text) => {
  const lines = (partial + text).split('\n');
  partial = lines.pop();
  for (const line of lines) {
    if (line !== '') {
      obey(JSON.parse(line));
    }
  }
});

// What an app calls. All of it is its own, in this order, because apps may list it.
function Api(lastId) {
  const api = this;
  api.id = lastId;
  api.emitter = new EventEmitter();
  api.next_id = function () {
    api.id += 1;
    return String(api.id);
  };
  api.populate_command = function (cmd, msg) {
    msg.cmd = cmd;
    msg.reply = false;
    msg.cmd_id = api.next_id();
    return msg;
  };
  api.request = function (cmd, msg, callback) {
    api.populate_command(cmd, msg);
    api.emitter.emit('request', { msg, callback });
  };
  api.log_info = function (text, callback) {
    api.request('log.info', { msg: text }, callback);
  };
  api.done = function () {
    api.log_info('Done.', () => api.emitter.emit('done'));
  };
  api.on_unknown_command = NOTHING;

  api.emitter.on('request', ({ msg, callback }) => {
    setImmediate(() => {
      // What an app does after it was done, or its timers do, belongs to no message any more.
      if (api === current) {
        if (callback) {
          callbacks.set(msg.cmd_id, callback);
        }
        send(msg);
      }
    });
  });
  api.emitter.on('done', () => {
    if (api === current) {
      send(api.populate_command('js.done', {}));
      loaded = false;
    }
  });
}

// Carries out one line of the worker's.
function obey(command) {
  if (command.cmd === 'exit') {
    tell('Exiting sandbox.');
    process.exit(0);
  } else if (!loaded) {
    if (command.cmd === 'initialize') {
      load(command);
    }
  } else if (command.reply) {
    const callback = callbacks.get(command.cmd_id);
    if (callback) {
      callback.call(current, command);
    }
  } else {
    handle(command);
  }
}

function load({ javascript, app_context }) {
  // A world of its own for each message; the numbers go on.
  current = new Api(current.id);
  callbacks = new Map();
  tell('Loading sandboxed code ...');
  const script = new vm.Script(javascript);
  const context = app_context ? evaluate(app_context) : {};
  context.api = current;
  script.runInNewContext(context);
  loaded = true;
}

// Evaluates what becomes the app's globals, with all that Node has: it is the operator's.
function evaluate(app_context) {
  const names = ['require', 'module', 'exports', '__filename', '__dirname'];
  const body = new Function(...names, `var context = ${app_context};\nreturn context;`);
  return body(fromApp.require, fromApp.module, fromApp.module.exports, fromApp.filename, fromApp.dirname);
}

function handle(command) {
  const api = current;
  // Only the first of each, as it has always been.
  const name = `on_${command.cmd.replace('.', '_').replace('-', '_')}`;
  const handler = api[name] || api.on_unknown_command;
  if (handler === NOTHING && command.cmd === 'inbound-event') {
    // Nobody will ever say that it is done.
    api.done();
  } else if (handler) {
    handler.call(api, command);
  }
}

function tell(text) {
  send(current.populate_command('log.info', { msg: text }));
}

function send(command) {
  process.stdout.write(`${JSON.stringify(command)}\n`);
}

// `require` as it is in the app's directory, and beyond it in the configured directories.
function findModules({ app, modules }) {
  const path = require('path');
  const filename = app || path.join(process.cwd(), 'app.js');
  const before = process.env.NODE_PATH;
  process.env.NODE_PATH = modules.concat(before === undefined ? [] : before).join(path.delimiter);
  Module._initPaths();
  if (before === undefined) {
    delete process.env.NODE_PATH;
  } else {
    process.env.NODE_PATH = before;
  }
  const module = new Module(filename);
  module.filename = filename;
  module.paths = Module._nodeModulePaths(path.dirname(filename));
  return { require: Module.createRequire(filename), module, filename, dirname: path.dirname(filename) };
}
