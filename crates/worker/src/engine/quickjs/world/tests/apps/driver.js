// Gives an app messages one after the other, answers what it asks for, and lists that. The same for both engines. For each message the
// app is loaded anew, with another `api`, as vxsandbox does it.
(function (require, settings) {
  const EventEmitter = require('events');
  const asked = [], keys = new Map();
  let finished;

  const answers = {
    'config.get': ({ key }) => {
      if (key === 'config') return { success: true, value: JSON.stringify(settings.config) };
      return { success: true, value: settings.translations?.[key] ?? null };
    },
    'kv.get': ({ key }) => ({ success: true, value: keys.get(key) ?? null }),
    'kv.set': ({ key, value }) => { keys.set(key, value); return { success: true }; },
    'kv.incr': ({ key, amount }) => { keys.set(key, (keys.get(key) ?? 0) + amount); return { success: true, value: keys.get(key) }; },
  };
  const answer = (message) => {
    const resource = message.cmd.split('.')[0];
    if (answers[message.cmd]) return answers[message.cmd](message);
    if (resource === 'http') return { success: true, code: 200, body: settings.body ?? '{"next":null,"previous":null,"results":[]}' };
    return ['log', 'outbound', 'metrics'].includes(resource) ? { success: true } : { success: false, reason: 'unknown resource' };
  };

  const makeApi = () => ({
    id: 0,
    emitter: new EventEmitter(),
    next_id() { return String(this.id += 1); },
    populate_command(cmd, message) { message.cmd = cmd; message.reply = false; message.cmd_id = this.next_id(); return message; },
    request(cmd, message, callback) {
      this.populate_command(cmd, message);
      setImmediate(() => {
        // As a line goes: what is changed afterwards is not seen.
        const line = JSON.stringify(message);
        asked.push(line);
        if (cmd === 'js.done') { finished(); return; }
        const reply = JSON.stringify({ cmd, cmd_id: message.cmd_id, reply: true, ...answer(JSON.parse(line)) });
        setImmediate(() => callback?.call(this, JSON.parse(reply)));
      });
    },
    log_info(text, callback) { this.request('log.info', { msg: text }, callback); },
    done() { this.log_info('Done.', () => { this.request('js.done', {}); }); },
    on_unknown_command() {},
  });

  return {
    count: settings.messages.length,
    begin() { this.api = makeApi(); },
    message(at) {
      const [content, session_event] = settings.messages[at];
      return new Promise((resolve) => {
        finished = () => resolve('');
        this.api.on_inbound_message({ cmd: 'inbound-message', cmd_id: 'x', msg: { message_id: 'm' + at, from_addr: '+27820000000',
          to_addr: '*120*1#', content, session_event, transport_type: 'ussd', transport_name: 't', helper_metadata: {}, in_reply_to: null,
          message_type: 'user_message', message_version: '20110921', timestamp: '2026-01-01 00:00:00.000000' } });
      });
    },
    result() {
      let lines = asked;
      // Times differ, whoever tells them.
      lines = lines.map((line) => line.replace(/\d{4}-\d\d-\d\d([T ][\d:.]+(Z|[+-][\d:]+)?)?|\b1[678]\d{8,11}\b/g, 'TIME'));
      if (settings.random) lines = lines.map((line) => line.replace(/[0-9a-f]{32,}/g, 'RANDOM'));
      return JSON.stringify(lines);
    },
  };
})
