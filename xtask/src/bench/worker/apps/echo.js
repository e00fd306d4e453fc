// Says what it hears.
api.on_inbound_message = function (command) {
    api.request("outbound.reply_to", { content: command.msg.content, in_reply_to: command.msg.message_id }, function () {
        api.done();
    });
};
