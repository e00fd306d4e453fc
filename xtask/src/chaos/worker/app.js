// Does what a message says: "<what> <number>". Everything is answered, or ends badly in some way.
function answer(message, then) {
    api.request(
        "outbound.reply_to",
        { content: "answer to " + message.content, in_reply_to: message.message_id },
        then || function () { api.done(); }
    );
}

api.on_inbound_message = function (command) {
    var message = command.msg;
    switch (message.content.split(" ")[0]) {
        case "flaky":
            // Crashes the first time.
            api.request("kv.incr", { key: message.content }, function (reply) {
                if (reply.success && reply.value === 1) {
                    throw new Error("the first time");
                }
                answer(message);
            });
            return;
        case "throw":
            throw new Error("as I was told");
        case "late":
            return answer(message, function () { throw new Error("after the answer"); });
        case "loop":
            for (;;) {}
        case "hang":
            return;
        case "allocate":
            for (var kept = []; ; ) { kept.push(new Array(10000).join("x") + kept.length); }
        case "flood":
            for (var text = new Array(10000).join("y"); ; ) { api.log_info(text); }
        default:
            answer(message);
    }
};
