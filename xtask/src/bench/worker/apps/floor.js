// What an app costs in a Node process of its own: nothing is asked of anybody outside, and there is no sandbox.
//
// node floor.js APP, with a message on standard input; prints the reply.
const fs = require("fs");
const vm = require("vm");

const answers = {
    "config.get": { value: '{"name": "bench"}' },
    "kv.get": { value: null },
};
const api = {
    request: function (cmd, msg, callback) {
        if (cmd === "outbound.reply_to") {
            console.log(JSON.stringify(msg));
        }
        setImmediate(() => callback && callback.call(api, Object.assign({ success: true }, answers[cmd])));
    },
    log_info: (text, callback) => api.request("log.info", { msg: text }, callback),
    done: () => process.exit(0),
};
const context = vm.createContext({ require, Buffer, api });
vm.runInContext(fs.readFileSync(process.argv[2], "utf8"), context);
api.on_inbound_message({ cmd: "inbound-message", msg: JSON.parse(fs.readFileSync(0, "utf8")) });
