//! Apps of the tests, in JavaScript without any library.

/// What all apps have: requests one after the other, as promises.
const PRELUDE: &str = "\
function ask(cmd, fields) { return new Promise(function (then) { api.request(cmd, fields || {}, then); }); }
function reply(msg, content) { return ask('outbound.reply_to', {content: String(content), in_reply_to: msg.message_id}); }
api.on_inbound_event = function () { api.done(); };
api.on_inbound_message = function (command) { handle(command.msg).then(function () { api.done(); }); };
";

/// Says what it hears.
pub(crate) const ECHO: &str = "async function handle(msg) { await reply(msg, msg.content); }";

/// Counts each user's messages as apps with a state do, read, then written: two at once for one user would lose one.
pub(crate) const COUNT: &str = "async function handle(msg) {
    const known = await ask('kv.get', {key: msg.from_addr});
    const number = (known.value || 0) + 1;
    await ask('kv.set', {key: msg.from_addr, value: number});
    await reply(msg, msg.content + '=' + number);
}";

/// Crashes, always or the first time, before or after its reply.
pub(crate) const CRASH: &str = "async function handle(msg) {
    const attempt = (await ask('kv.incr', {key: 'attempts.' + msg.message_id})).value;
    if (msg.content === 'late') await reply(msg, 'early enough');
    if (msg.content === 'once' && attempt > 1) return reply(msg, 'attempt ' + attempt);
    if (msg.content === 'loop') for (;;) {}
    if (msg.content !== 'fine') { setCrash(); }
    await reply(msg, 'attempt ' + attempt);
}
function setCrash() { throw new Error('as it was told'); }";

/// Takes its time.
pub(crate) const SLOW: &str = "async function handle(msg) {
    const until = Date.now() + Number(msg.content);
    while (Date.now() < until) {}
    await reply(msg, 'slow');
}";

/// Says what a store of keys and values says.
pub(crate) const STORE: &str = "async function handle(msg) {
    const parts = msg.content.split(' ');
    const answer = parts[0] === 'set'
        ? await ask('kv.set', {key: parts[1], value: parts[2]})
        : await ask('kv.get', {key: parts[1]});
    await reply(msg, answer.success + ' ' + (answer.value === undefined ? '-' : JSON.stringify(answer.value)));
}";

/// A complete app.
pub(crate) fn app(text: &str) -> String {
    format!("{PRELUDE}{text}")
}
